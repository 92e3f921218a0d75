using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Imaging;

namespace Palimpsest.Reporting;

/// <summary>
/// From the localizers' answers to the report: calibrated scores, one probability, one map, regions, verdict. Pure; the service, <c>scan</c> and
/// <c>eval</c> call this one function.
/// </summary>
internal static class Fusion
{
    /// <summary>Map values from here on are above probability 0.5 (127.5 of 255).</summary>
    public const byte MaskThreshold = 128;

    /// <summary>Fuses. At least one localizer must have completed.</summary>
    /// <exception cref="ArgumentException">None completed, or a map's grid is not that of the picture.</exception>
    public static FusedReport Fuse(IReadOnlyList<DetectorEvidence> detectors, ImageFacts facts, Calibration calibration)
    {
        ArgumentNullException.ThrowIfNull(facts);
        ArgumentNullException.ThrowIfNull(calibration);
        var seen = Completed(detectors);
        if (seen.Count == 0)
        {
            throw new ArgumentException("No localizer completed: there is nothing to fuse.", nameof(detectors));
        }

        var scores = Scores(seen, calibration);
        var weighed = calibration.Weigh(scores);
        double score = Combine(weighed);
        var coverage = Coverage.Of(detectors, facts.Faces.Count);
        string verdict = score >= calibration.LikelyFake ? Verdicts.LikelyFake
            : score <= calibration.LikelyReal && coverage.IsComplete ? Verdicts.LikelyReal
            : Verdicts.Uncertain;

        var map = FusedMap.Of(seen, weighed, facts.Geometry, calibration);
        var regions = Regions.Find(map, facts.Geometry);
        double area = map.AreaAbove(MaskThreshold, facts.Geometry);
        return new FusedReport
        {
            Verdict = verdict,
            Score = score,
            Confidence = verdict switch { Verdicts.LikelyFake => score, Verdicts.LikelyReal => 1 - score, _ => Math.Max(score, 1 - score) },
            Kind = verdict == Verdicts.LikelyReal ? "none" : Kind(scores, verdict),
            Map = map.Fused,
            ManipulatedArea = area,
            Regions = regions,
            Faces = Faces(facts, seen.Find(d => d.Name == DetectorNames.Deepfake), calibration),
            Scores = scores,
            Warnings = [.. coverage.Warnings(verdict, score <= calibration.LikelyReal), .. Agreement(verdict, regions.Count, map.Suppressed)],
            CalibrationVersion = calibration.Version,
        };
    }

    /// <summary>True when a deferred localizer has to look after all: what ran so far is not enough to call the picture fake.</summary>
    public static bool NeedsSecondLook(IEnumerable<DetectorEvidence> ran, Calibration calibration)
    {
        ArgumentNullException.ThrowIfNull(calibration);
        var scores = Scores(Completed(ran), calibration);
        return scores.Count == 0 || Combine(calibration.Weigh(scores)) < calibration.LikelyFake;
    }

    private static List<DetectorEvidence> Completed(IEnumerable<DetectorEvidence> detectors) => [.. detectors.Where(d => d is { State: DetectorStates.Completed, RawScore: not null })];

    private static Dictionary<string, double> Scores(List<DetectorEvidence> completed, Calibration calibration) =>
        completed.ToDictionary(d => d.Name, d => calibration.Apply(d.Name, d.RawScore!.Value), StringComparer.Ordinal);

    /// <summary>Probability that at least one kind of manipulation is there, taking the localizers as independent.</summary>
    private static double Combine(IReadOnlyDictionary<string, double> weighed) => 1 - weighed.Values.Aggregate(1.0, (clean, p) => clean * (1 - p));

    private static string Kind(Dictionary<string, double> scores, string verdict)
    {
        var found = scores.Where(s => s.Value >= 0.5).Select(s => s.Key).ToList();
        if (found.Count == 0 && verdict == Verdicts.LikelyFake)
        {
            // Fake only by the sum of its parts: the strongest part names it.
            found.Add(scores.MaxBy(s => s.Value).Key);
        }

        return found.Count switch { 0 => "none", 1 => found[0], _ => "both" };
    }

    private static List<FaceDocument> Faces(ImageFacts facts, DetectorEvidence? deepfake, Calibration calibration) =>
    [
        .. facts.Faces.Select((face, i) => new FaceDocument
        {
            Box = facts.Geometry.ToDisplayed(face.Box),
            Confidence = face.Confidence,
            Score = deepfake is not null && i < deepfake.FaceScores.Count ? calibration.Apply(deepfake.Name, deepfake.FaceScores[i]) : null,
        }),
    ];

    /// <summary>Where score and mask seem to disagree the reader is told so.</summary>
    private static IEnumerable<string> Agreement(string verdict, int regions, bool suppressed)
    {
        if (verdict == Verdicts.LikelyFake && regions == 0)
        {
            yield return "The picture as a whole looks manipulated, but no single region stands out: the mask does not locate the manipulation.";
        }

        if (suppressed)
        {
            yield return "A localizer marked some areas although it takes the picture as a whole for authentic, or without a clear border; these areas are shown weakened in the mask.";
        }
    }
}
