using System.Text.Json.Serialization;
using Palimpsest.Contracts;

namespace Palimpsest.Local.Evaluation;

/// <summary><c>metrics.json</c>.</summary>
internal sealed record MetricsDocument
{
    public required IReadOnlyDictionary<string, DatasetMetrics> Datasets { get; init; }

    public required DatasetMetrics All { get; init; }

    public required IReadOnlyList<ModelIdentity> Models { get; init; }

    public string? CalibrationVersion { get; init; }

    public required string Detectors { get; init; }

    public string? Where { get; init; }

    public string? Degrade { get; init; }

    /// <summary>
    /// Pictures a second of one data set within a run of several side by side: they share the run's time by how long the workers had their pictures. What each took alone, at the same
    /// number of workers, adds up to the whole run.
    /// </summary>
    public static double? Rate(IReadOnlyList<ImageOutcome> some, IReadOnlyList<ImageOutcome> all, TimeSpan elapsed)
    {
        double seconds = elapsed.TotalSeconds * some.Sum(o => o.Took.TotalSeconds) / all.Sum(o => o.Took.TotalSeconds);
        return seconds > 0 ? some.Count / seconds : null;
    }
}

/// <summary>Figures of one data set. What cannot be computed is null.</summary>
internal sealed record DatasetMetrics
{
    public required Counts Counts { get; init; }

    public required PixelAverages Pixel { get; init; }

    public required ImageMetrics Image { get; init; }

    public required VerdictCounts Verdicts { get; init; }

    /// <summary>Share of manipulated pictures of known kind that the router sent, at once, to that kind's localizer alone; both is never right.</summary>
    public double? RoutingAccuracy { get; init; }

    /// <summary>Share of all pictures sent to both at once.</summary>
    public double? RoutedToBoth { get; init; }

    public double? ImagesPerSecond { get; init; }

    /// <summary>From the outcomes of one data set.</summary>
    /// <param name="outcomes">Failed pictures count as errors and in nothing else.</param>
    /// <param name="imagesPerSecond">Throughput, see <see cref="MetricsDocument.Rate"/>.</param>
    public static DatasetMetrics Of(IReadOnlyList<ImageOutcome> outcomes, double? imagesPerSecond)
    {
        var done = outcomes.Where(o => o.Error is null).ToList();
        return new DatasetMetrics
        {
            Counts = new Counts(done.Count(o => !o.Item.Forged), done.Count(o => o.Item.Forged), done.Count(o => o.Pixel is not null)),
            Pixel = PixelAverages.Of(done),
            Image = ImageMetrics.Of([.. done.Select(o => o.Judged).OfType<Judged>()]),
            Verdicts = new VerdictCounts(
                done.Count(o => o.Verdict == Contracts.Verdicts.LikelyReal), done.Count(o => o.Verdict == Contracts.Verdicts.Uncertain),
                done.Count(o => o.Verdict == Contracts.Verdicts.LikelyFake), outcomes.Count - done.Count),
            RoutingAccuracy = Average(done.Where(o => o.Item is { Forged: true, Kind: not null } && o.RoutedTo.Count > 0), o => o.RoutedTo is [var only] && only == o.Item.Kind),
            RoutedToBoth = Average(done.Where(o => o.RoutedTo.Count > 0), o => o.RoutedTo.Count > 1),
            ImagesPerSecond = imagesPerSecond,
        };
    }

    private static double? Average(IEnumerable<ImageOutcome> outcomes, Func<ImageOutcome, bool> right)
    {
        var values = outcomes.Select(o => right(o) ? 1.0 : 0.0).ToList();
        return values.Count == 0 ? null : values.Average();
    }
}

/// <summary>Analysed pictures.</summary>
internal sealed record Counts(int Authentic, int Forged, int ForgedWithMask);

/// <summary>How the pictures were judged; error: not analysed.</summary>
internal sealed record VerdictCounts(int LikelyReal, int Uncertain, int LikelyFake, int Error);

/// <summary>Means over pictures, not over pixels.</summary>
internal sealed record PixelAverages
{
    /// <summary>The headline: forged pictures with a mask.</summary>
    [JsonPropertyName("f1_at_0_5")]
    public double? F1 { get; init; }

    /// <summary>Each picture at its own best threshold.</summary>
    [JsonPropertyName("f1_best")]
    public double? BestF1 { get; init; }

    [JsonPropertyName("iou_at_0_5")]
    public double? Iou { get; init; }

    public double? Auc { get; init; }

    /// <summary>F1 over forged and authentic pictures; an authentic one counts 1 when its mask is empty, else 0.</summary>
    public double? PaperF1 { get; init; }

    [JsonPropertyName("f1_at_0_5_interval_95")]
    public IReadOnlyList<double>? F1Interval { get; init; }

    public static PixelAverages Of(IReadOnlyList<ImageOutcome> done)
    {
        var measured = done.Select(o => o.Pixel).OfType<PixelMetrics>().ToList();
        if (measured.Count == 0)
        {
            return new PixelAverages();
        }

        double[] f1 = [.. measured.Select(p => p.F1)], aucs = [.. measured.Select(p => p.Auc).OfType<double>()];
        return new PixelAverages
        {
            F1 = f1.Average(),
            BestF1 = measured.Average(p => p.BestF1),
            Iou = measured.Average(p => p.Iou),
            Auc = aucs.Length == 0 ? null : aucs.Average(),
            PaperF1 = f1.Concat(done.Where(o => !o.Item.Forged).Select(o => o.EmptyMask ? 1.0 : 0.0)).Average(),
            F1Interval = Bootstrap.OfMean(f1),
        };
    }
}
