using System.Diagnostics;
using System.Text.Json;
using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Imaging;

namespace Palimpsest.Reporting;

/// <summary>Makes the report of an analysis whose localizers have all answered: fetch maps, fuse, put the fused map and the facts.</summary>
internal sealed class ReportWriter(IBlobStore blobs, Calibration calibration)
{
    /// <summary>The findings with their result, and the picture's perceptual hash if its prepared file has one.</summary>
    /// <exception cref="MapLostException">A map cannot be read back; that localizer has to count as failed.</exception>
    /// <exception cref="BlobNotFoundException">The prepared image is gone.</exception>
    public async Task<(AnalysisFindings Findings, string? Hash)> WriteAsync(AnalysisRecord record, CancellationToken cancellationToken)
    {
        var findings = record.Findings;
        var facts = await FactsAsync(findings.Prepared!.Key, cancellationToken);
        var evidence = new List<DetectorEvidence>();
        foreach (var detector in findings.Detectors)
        {
            evidence.Add(await EvidenceAsync(detector, facts.Geometry, cancellationToken));
        }

        var report = Fuse(evidence, facts);
        var kept = facts with { LooksLike = null }; // forgotten with the table's row, and never there of what is not to be kept
        var written = findings with
        {
            Format = facts.Format,
            Width = facts.Geometry.DisplayedWidth,
            Height = facts.Geometry.DisplayedHeight,
            FaceCount = facts.Faces.Count,
            Facts = await PutAsync(BlobKeys.Facts(record.Id), JsonSerializer.SerializeToUtf8Bytes(kept, PlatformJson.Options), cancellationToken),
            Warnings = [.. facts.Warnings, .. report.Warnings],
            Result = new AnalysisResult
            {
                Verdict = report.Verdict,
                Score = report.Score,
                Confidence = report.Confidence,
                Kind = report.Kind,
                ManipulatedArea = report.ManipulatedArea,
                Regions = report.Regions,
                Faces = report.Faces,
                CalibrationVersion = report.CalibrationVersion,
                Map = await PutAsync(BlobKeys.Mask(record.Id), report.Map.ToBytes(), cancellationToken),
            },
        };
        return (written, facts.LooksLike);
    }

    private FusedReport Fuse(List<DetectorEvidence> evidence, ImageFacts facts)
    {
        using var span = PlatformTelemetry.Source.StartActivity("fuse");
        var report = Fusion.Fuse(evidence, facts, calibration);
        span?.SetTag("palimpsest.verdict", report.Verdict);
        return report;
    }

    private async Task<ImageFacts> FactsAsync(string key, CancellationToken cancellationToken)
    {
        using var blob = await blobs.OpenLocalAsync(key, cancellationToken);
        using var prepared = PreparedImage.Open(blob.Path);
        return prepared.Facts;
    }

    private async Task<DetectorEvidence> EvidenceAsync(DetectorFinding detector, ImageGeometry geometry, CancellationToken cancellationToken) => new()
    {
        Name = detector.Name,
        State = detector.State ?? DetectorStates.Pending,
        RawScore = detector.RawScore,
        Map = detector.State == DetectorStates.Completed ? await MapAsync(detector, geometry, cancellationToken) : null,
        FaceScores = detector.FaceScores,
        Reason = detector.Reason,
    };

    private async Task<ProbabilityMap> MapAsync(DetectorFinding detector, ImageGeometry geometry, CancellationToken cancellationToken)
    {
        try
        {
            if (detector.Map is not { } reference || detector.RawScore is null)
            {
                throw new InvalidDataException("it sent no map or no score");
            }

            var map = await blobs.ReadMapAsync(reference.Key, cancellationToken);
            var expected = ProbabilityMap.Blank(geometry.AnalysedWidth, geometry.AnalysedHeight);
            return map.Width == expected.Width && map.Height == expected.Height
                ? map
                : throw new InvalidDataException($"its map has {map.Width}x{map.Height} cells instead of {expected.Width}x{expected.Height}");
        }
        catch (Exception e) when (e is BlobNotFoundException or InvalidDataException)
        {
            throw new MapLostException(detector.Name, "Its answer could not be used: " + e.Message);
        }
    }

    private async Task<BlobReference> PutAsync(string key, byte[] bytes, CancellationToken cancellationToken)
    {
        using var stream = new MemoryStream(bytes, writable: false);
        return new BlobReference { Key = key, Bytes = await blobs.PutAsync(key, stream, cancellationToken) };
    }
}

/// <summary>A localizer's map is missing, cut short or of the wrong size.</summary>
internal sealed class MapLostException(string detector, string reason) : Exception(reason)
{
    public string Detector { get; } = detector;
}

/// <summary>Small blobs, read whole.</summary>
internal static class SmallBlobs
{
    /// <summary>A probability map.</summary>
    public static async Task<ProbabilityMap> ReadMapAsync(this IBlobStore blobs, string key, CancellationToken cancellationToken) =>
        ProbabilityMap.FromBytes(await ReadAsync(blobs, key, cancellationToken));

    /// <summary>A picture's facts.</summary>
    public static async Task<ImageFacts> ReadFactsAsync(this IBlobStore blobs, string key, CancellationToken cancellationToken) =>
        JsonSerializer.Deserialize<ImageFacts>(await ReadAsync(blobs, key, cancellationToken), PlatformJson.Options) ?? throw new InvalidDataException("No facts.");

    private static async Task<byte[]> ReadAsync(IBlobStore blobs, string key, CancellationToken cancellationToken)
    {
        await using var stream = await blobs.OpenReadAsync(key, cancellationToken);
        using var memory = new MemoryStream();
        await stream.CopyToAsync(memory, cancellationToken);
        return memory.ToArray();
    }
}
