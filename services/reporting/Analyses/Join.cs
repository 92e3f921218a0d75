using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>Joins what the services say, in any order; null where an event says nothing new.</summary>
internal static class Join
{
    /// <summary>Size, format, faces.</summary>
    public static AnalysisFindings? With(AnalysisFindings findings, ImagePreprocessed e) => findings.Width is not null ? null : findings with
    {
        Prepared = e.Prepared, Format = e.Format, Width = e.Width, Height = e.Height, FaceCount = e.FaceCount, Warnings = e.Warnings,
    };

    /// <summary>The router's plan and, with it, what preprocessing said; answers that came before it stand.</summary>
    public static AnalysisFindings? With(AnalysisFindings findings, AnalysisRouted e)
    {
        if (findings.Routing is not null)
        {
            return null;
        }

        findings = e.Preprocessed is { } image ? With(findings, image) ?? findings : findings;
        var planned = e.Plan.Select(plan => findings.Detectors.FirstOrDefault(d => d.Name == plan.Detector) ?? Planned(plan));
        var unplanned = findings.Detectors.Where(d => e.Plan.All(p => p.Detector != d.Name));
        return findings with
        {
            Prepared = findings.Prepared ?? e.Prepared,
            Routing = new RoutingDocument { Shallowfake = e.Shallowfake, Deepfake = e.Deepfake, Reasons = e.Reasons },
            Detectors = InOrder(planned.Concat(unplanned)),
        };
    }

    private static DetectorFinding Planned(DetectorPlan plan) => plan.Action switch
    {
        DetectorActions.Run => new() { Name = plan.Detector, State = DetectorStates.Pending },
        DetectorActions.RunIfClean => new() { Name = plan.Detector, State = null, Reason = plan.Reason },
        DetectorActions.NotApplicable => new() { Name = plan.Detector, State = DetectorStates.NotApplicable, Reason = plan.Reason },
        _ => new() { Name = plan.Detector, State = DetectorStates.Error, Reason = plan.Reason ?? "No instance of this localizer is alive." },
    };

    /// <summary>A localizer's answer.</summary>
    public static AnalysisFindings? With(AnalysisFindings findings, ManipulationLocalized e, Calibration calibration)
    {
        var known = findings.Detectors.FirstOrDefault(d => d.Name == e.Detector);

        // The first answer stands; only a completed one replaces an error or timeout that came before it.
        bool answered = known?.State is not (null or DetectorStates.Pending);
        bool improves = e.State == DetectorStates.Completed && known?.State is DetectorStates.Error or DetectorStates.Timeout;
        return answered && !improves ? null : With(findings, new DetectorFinding
        {
            Name = e.Detector,
            State = e.State,
            RawScore = e.Score,
            Score = Calibrated(calibration, e.Detector, e.Score),
            Threshold = Calibrated(calibration, e.Detector, e.Threshold),
            Model = e.Model,
            DurationMs = e.DurationMs,
            Provider = e.Provider,
            Reason = e.Reason,
            Map = e.Map,
            Activation = e.Activation,
            FaceScores = e.FaceScores,
        });
    }

    private static double? Calibrated(Calibration calibration, string detector, double? raw) => raw is { } value ? calibration.Apply(detector, value) : null;

    /// <summary>An answer that turned out to be unusable.</summary>
    public static AnalysisFindings With(AnalysisFindings findings, MapLost e) => With(findings, findings.Detectors.First(d => d.Name == e.Detector) with
    {
        State = DetectorStates.Error, Reason = e.Reason, RawScore = null, Score = null, Map = null, Activation = null, FaceScores = [],
    });

    /// <summary>One localizer replaced or added.</summary>
    public static AnalysisFindings With(AnalysisFindings findings, DetectorFinding finding) =>
        findings with { Detectors = InOrder(findings.Detectors.Where(d => d.Name != finding.Name).Append(finding)) };

    private static List<DetectorFinding> InOrder(IEnumerable<DetectorFinding> detectors) =>
        [.. detectors.OrderBy(d => DetectorNames.All.Contains(d.Name) ? DetectorNames.All.ToList().IndexOf(d.Name) : int.MaxValue).ThenBy(d => d.Name, StringComparer.Ordinal)];
}
