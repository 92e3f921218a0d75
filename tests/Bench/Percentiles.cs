namespace Palimpsest.Bench;

/// <summary>Of a set of times, milliseconds.</summary>
internal sealed record Percentiles(double P50, double P95, double P99)
{
    public static Percentiles Of(IEnumerable<double> values)
    {
        var sorted = values.Order().ToList();
        double At(double share) => sorted.Count == 0 ? double.NaN : Math.Round(sorted[Math.Min(sorted.Count - 1, (int)Math.Ceiling(share * sorted.Count) - 1)], 2);
        return new Percentiles(At(0.5), At(0.95), At(0.99));
    }

    public static double Median(IEnumerable<double> values) => Of(values).P50;
}
