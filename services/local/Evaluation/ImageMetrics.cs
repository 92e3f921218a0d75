using System.Text.Json.Serialization;

namespace Palimpsest.Local.Evaluation;

/// <summary>Image-level figures. A figure that cannot be computed (one class only, nothing there) is null.</summary>
internal sealed record ImageMetrics
{
    /// <summary>Score above which a picture counts as called manipulated.</summary>
    public const double Threshold = 0.5;

    /// <summary>Bins of the calibration error, of equal widths.</summary>
    public const int CalibrationBins = 10;

    public double? Accuracy { get; init; }

    public double? Sensitivity { get; init; }

    public double? Specificity { get; init; }

    /// <summary>Harmonic mean of precision and recall.</summary>
    public double? F1 { get; init; }

    /// <summary>The paper's: harmonic mean of sensitivity and specificity.</summary>
    public double? PaperF1 { get; init; }

    public double? Auc { get; init; }

    [JsonPropertyName("auc_interval_95")]
    public IReadOnlyList<double>? AucInterval { get; init; }

    public double? AveragePrecision { get; init; }

    [JsonPropertyName("false_alarm_at_95_sensitivity")]
    public double? FalseAlarmAt95Sensitivity { get; init; }

    /// <summary>Expected calibration error of the score against the share of manipulated pictures.</summary>
    public double? Ece { get; init; }

    public static ImageMetrics Of(IReadOnlyList<Judged> judged)
    {
        int truePositive = judged.Count(j => j.Positive && j.Score > Threshold), positives = judged.Count(j => j.Positive);
        int falsePositive = judged.Count(j => !j.Positive && j.Score > Threshold), negatives = judged.Count - positives;
        double? sensitivity = Ratio(truePositive, positives), specificity = Ratio(negatives - falsePositive, negatives);
        var curve = RocCurve.Of(judged);
        return new ImageMetrics
        {
            Accuracy = Ratio(truePositive + negatives - falsePositive, judged.Count),
            Sensitivity = sensitivity,
            Specificity = specificity,
            F1 = positives == 0 ? null : 2.0 * truePositive / (truePositive + falsePositive + positives),
            PaperF1 = sensitivity is { } a && specificity is { } b ? (a + b == 0 ? 0 : 2 * a * b / (a + b)) : null,
            Auc = curve.Auc(),
            AucInterval = curve.Points.Count == 0 ? null : Bootstrap.Interval(judged, sample => RocCurve.Of(sample).Auc()),
            AveragePrecision = curve.AveragePrecision(),
            FalseAlarmAt95Sensitivity = curve.FalseAlarmAt(0.95),
            Ece = CalibrationError(judged),
        };
    }

    /// <summary>Σ over bins of share × |mean score − share manipulated|; null without pictures.</summary>
    public static double? CalibrationError(IReadOnlyList<Judged> judged)
    {
        if (judged.Count == 0)
        {
            return null;
        }

        return Bins(judged).Sum(bin => (double)bin.Count / judged.Count * Math.Abs(bin.MeanScore - bin.Share));
    }

    /// <summary>The reliability diagram: the non-empty bins of the score.</summary>
    public static IReadOnlyList<CalibrationBin> Bins(IReadOnlyList<Judged> judged) =>
        [.. judged.GroupBy(j => Math.Clamp((int)(j.Score * CalibrationBins), 0, CalibrationBins - 1))
            .OrderBy(g => g.Key)
            .Select(g => new CalibrationBin(g.Key, g.Count(), g.Average(j => j.Score), g.Average(j => j.Positive ? 1.0 : 0.0)))];

    private static double? Ratio(int part, int whole) => whole == 0 ? null : (double)part / whole;
}

/// <summary>Pictures whose score lies in one bin.</summary>
internal sealed record CalibrationBin(int Index, int Count, double MeanScore, double Share);
