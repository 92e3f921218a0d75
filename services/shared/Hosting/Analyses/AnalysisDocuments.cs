using System.Diagnostics;
using Palimpsest.Contracts;

namespace Palimpsest.Hosting;

/// <summary>The row as the API shows it. Pure; gateway and reporting give the same answer.</summary>
public static class AnalysisDocuments
{
    /// <summary>The public document of a record.</summary>
    public static AnalysisDocument From(AnalysisRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        var (request, findings) = (record.Request, record.Findings);
        string self = "/v1/analyses/" + record.Id;
        bool shown = record is { Status: AnalysisStatuses.Succeeded, ErasedAt: null };
        return new AnalysisDocument
        {
            Id = record.Id,
            Status = record.Status,
            CreatedAt = record.CreatedAt,
            StartedAt = record.StartedAt,
            CompletedAt = record.CompletedAt,
            Progress = new ProgressDocument { Stage = record.Stage, Percent = Percent(record) },
            Image = new ImageDocument
            {
                Sha256 = request.Sha256, Format = findings.Format ?? request.Format, Width = findings.Width, Height = findings.Height, Bytes = request.Upload.Bytes, Filename = request.Filename,
            },
            Verdict = findings.Result?.Verdict,
            Score = findings.Result?.Score,
            Confidence = findings.Result?.Confidence,
            Kind = findings.Result?.Kind,
            ManipulatedArea = findings.Result?.ManipulatedArea,
            Regions = findings.Result?.Regions ?? [],
            Routing = findings.Routing,
            Faces = findings.Result?.Faces ?? [],
            Detectors = [.. findings.Detectors.Select(d => Detector(d, self, shown))],
            Evidence = shown ? EvidenceCatalogue.List(record, self) : [],
            CalibrationVersion = findings.Result?.CalibrationVersion,
            Cached = findings.CachedFrom is not null,
            Warnings = findings.Warnings,
            Metadata = request.Metadata,
            BatchId = request.BatchId,
            TraceId = ActivityContext.TryParse(request.Traceparent, null, out var trace) ? trace.TraceId.ToString() : null,
            Error = findings.Error,
            ErasedAt = record.ErasedAt,
            Links = new LinksDocument
            {
                Self = self,
                Mask = shown ? self + "/mask" : null,
                Overlay = shown ? self + "/overlay" : null,
                Report = AnalysisStatuses.IsTerminal(record.Status) && !findings.Deleted ? self + "/report" : null,
                Events = self + "/events",
            },
        };
    }

    private static DetectorDocument Detector(DetectorFinding finding, string self, bool shown) => new()
    {
        Name = finding.Name,
        // Deferred and never needed: the others were sure.
        State = finding.State ?? DetectorStates.Pending,
        Score = finding.Score,
        Threshold = finding.Threshold,
        Model = finding.Model,
        DurationMs = finding.DurationMs,
        Provider = finding.Provider,
        Reason = finding.Reason,
        Mask = shown && finding.Map is not null ? $"{self}/evidence/mask-{finding.Name}" : null,
    };

    private static int Percent(AnalysisRecord record)
    {
        if (AnalysisStatuses.IsTerminal(record.Status))
        {
            return 100;
        }

        int answered = record.Findings.Detectors.Count(d => d.State is not null and not DetectorStates.Pending);
        return record.Stage switch
        {
            Stages.Preprocessing => record.StartedAt is null ? 0 : 10,
            Stages.Routing => 30,
            Stages.Localizing => 40 + (answered * 40 / Math.Max(1, record.Findings.Detectors.Count)),
            _ => 90,
        };
    }
}
