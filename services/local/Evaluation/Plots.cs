using System.Globalization;

namespace Palimpsest.Local.Evaluation;

/// <summary>The curves of the report.</summary>
internal static class Plots
{
    private static readonly double[] Rates = [0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8];

    public static IEnumerable<Svg> All(MetricsDocument metrics, IReadOnlyList<ImageOutcome> outcomes)
    {
        var series = Series(metrics, outcomes);
        yield return Roc(series);
        yield return Det(series);
        yield return PrecisionRecall(series);
        var judged = outcomes.Select(o => o.Judged).OfType<Judged>().ToList();
        if (judged.Count > 0)
        {
            yield return Calibration(judged);
            yield return Confusion(judged);
            yield return Scores(judged);
        }

        var f1 = outcomes.Select(o => o.Pixel?.F1).OfType<double>().ToList();
        if (f1.Count > 0)
        {
            yield return Histogram("Pixel F1@0.5 of forged pictures", "F1", [("forged", f1)]);
        }
    }

    /// <summary>Every data set with both classes, and all together.</summary>
    private static List<(string Name, RocCurve Curve)> Series(MetricsDocument metrics, IReadOnlyList<ImageOutcome> outcomes) =>
        [.. (metrics.Datasets.Count > 1 ? metrics.Datasets.Keys : [])
            .Select(name => (name, RocCurve.Of(outcomes.Where(o => o.Item.Dataset == name).Select(o => o.Judged).OfType<Judged>())))
            .Append(("all", RocCurve.Of(outcomes.Select(o => o.Judged).OfType<Judged>())))
            .Where(s => s.Item2.Points.Count > 0)
            .TakeLast(Svg.Colours.Count)];

    private static Svg Roc(List<(string Name, RocCurve Curve)> series)
    {
        var plot = new Svg("ROC", "false-alarm rate", "sensitivity", (0, 1), (0, 1)).Line([(0, 0), (1, 1)], "#999", dashed: true);
        foreach (var (i, (name, curve)) in series.Index())
        {
            plot.Line(curve.Points.Select(p => (p.FalseAlarm, p.Sensitivity)).Prepend((0, 0)), Svg.Colours[i], $"{name} {curve.Auc():0.000}");
        }

        return plot;
    }

    /// <summary>Detection error trade-off: both error rates on normal-deviate axes (Martin et al. 1997).</summary>
    private static Svg Det(List<(string Name, RocCurve Curve)> series)
    {
        var ticks = Rates.Select(r => (Deviate(r), (r * 100).ToString("0", CultureInfo.InvariantCulture) + " %")).ToList();
        var range = (Deviate(0.005), Deviate(0.9));
        var plot = new Svg("DET", "false alarms", "misses", range, range, ticks, ticks) { LegendOnTop = true };
        foreach (var (i, (name, curve)) in series.Index())
        {
            plot.Line(curve.Points.Select(p => (Deviate(p.FalseAlarm), Deviate(1 - p.Sensitivity))), Svg.Colours[i], name);
        }

        return plot;
    }

    private static Svg PrecisionRecall(List<(string Name, RocCurve Curve)> series)
    {
        var plot = new Svg("Precision and recall", "recall", "precision", (0, 1), (0, 1));
        foreach (var (i, (name, curve)) in series.Index())
        {
            plot.Line(curve.Points.Select(p => (p.Sensitivity, p.Precision)), Svg.Colours[i], $"{name} {curve.AveragePrecision():0.000}");
        }

        return plot;
    }

    private static Svg Calibration(List<Judged> judged)
    {
        var bins = ImageMetrics.Bins(judged);
        return new Svg("Calibration", "mean score of the bin", "share manipulated", (0, 1), (0, 1))
            .Line([(0, 0), (1, 1)], "#999", dashed: true)
            .Line(bins.Select(b => (b.MeanScore, b.Share)), Svg.Colours[0])
            .Dots(bins.Select(b => (b.MeanScore, b.Share, 2 + Math.Sqrt(100.0 * b.Count / judged.Count))), Svg.Colours[0], $"ECE {ImageMetrics.CalibrationError(judged):0.000}");
    }

    /// <summary>Counts by true class at score 0.5: hits and correct rejections beside misses and false alarms.</summary>
    private static Svg Confusion(List<Judged> judged)
    {
        int[] counts = new int[4];
        foreach (var j in judged)
        {
            counts[(j.Positive ? 2 : 0) + (j.Score > ImageMetrics.Threshold ? 1 : 0)]++;
        }

        (double, string)[] ticks = [(0.5, $"real as real: {counts[0]}"), (1.5, $"real as fake: {counts[1]}"), (2.5, $"fake as real: {counts[2]}"), (3.5, $"fake as fake: {counts[3]}")];
        var plot = new Svg("Confusion at score 0.5", "", "pictures", (0, 4), (0, Math.Max(1, counts.Max())), ticks);
        return plot.Bars(counts.Index().Where(c => c.Index is 0 or 3).Select(c => (c.Index + 0.1, c.Index + 0.9, (double)c.Item)), Svg.Colours[2])
            .Bars(counts.Index().Where(c => c.Index is 1 or 2).Select(c => (c.Index + 0.1, c.Index + 0.9, (double)c.Item)), Svg.Colours[1]);
    }

    private static Svg Scores(List<Judged> judged) => Histogram(
        "Scores", "calibrated score",
        [("authentic", [.. judged.Where(j => !j.Positive).Select(j => j.Score)]), ("forged", [.. judged.Where(j => j.Positive).Select(j => j.Score)])]);

    private static Svg Histogram(string title, string axis, IReadOnlyList<(string Name, List<double> Values)> series)
    {
        const int bins = 25;
        var shares = series.Select(s => Enumerable.Range(0, bins)
            .Select(b => s.Values.Count == 0 ? 0 : s.Values.Count(v => Math.Min(bins - 1, (int)(v * bins)) == b) / (double)s.Values.Count).ToList()).ToList();
        var plot = new Svg(title, axis, "share of pictures", (0, 1), (0, Math.Max(0.05, shares.Max(s => s.Max())))) { LegendOnTop = true };
        foreach (var (i, (name, values)) in series.Index())
        {
            plot.Bars(shares[i].Index().Select(b => ((double)b.Index / bins, (b.Index + 1.0) / bins, b.Item)), Svg.Colours[i], $"{name} ({values.Count})");
        }

        return plot;
    }

    /// <summary>Inverse of the standard normal distribution (Acklam's rational approximation, relative error below 1.2e-9).</summary>
    internal static double Deviate(double p)
    {
        p = Math.Clamp(p, 1e-6, 1 - 1e-6);
        if (p is < 0.02425 or > 1 - 0.02425)
        {
            double tail = p < 0.5 ? p : 1 - p, q = Math.Sqrt(-2 * Math.Log(tail));
            double value = (((((((((-7.784894002430293e-03 * q) - 3.223964580411365e-01) * q) - 2.400758277161838) * q) - 2.549732539343734) * q) + 4.374664141464968) * q) + 2.938163982698783;
            value /= (((((((7.784695709041462e-03 * q) + 3.224671290700398e-01) * q) + 2.445134137142996) * q) + 3.754408661907416) * q) + 1;
            return p < 0.5 ? value : -value;
        }

        double r = p - 0.5, s = r * r;
        double above = (((((((((-3.969683028665376e+01 * s) + 2.209460984245205e+02) * s) - 2.759285104469687e+02) * s) + 1.383577518672690e+02) * s) - 3.066479806614716e+01) * s) + 2.506628277459239;
        double below = (((((((((-5.447609879822406e+01 * s) + 1.615858368580409e+02) * s) - 1.556989798598866e+02) * s) + 6.680131188771972e+01) * s) - 1.328068155288572e+01) * s) + 1;
        return above * r / below;
    }
}
