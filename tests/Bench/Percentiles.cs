namespace Palimpsest.Bench;

/// <summary>Of a set of times, milliseconds.</summary>
/// <param name="P50">The middle one.</param>
/// <param name="P95">Exceeded by one in twenty.</param>
/// <param name="P99">Exceeded by one in a hundred; not a number below 200 values, where it would be the largest.</param>
internal sealed record Percentiles(double P50, double P95, double P99)
{
    private const int FewestForP99 = 200;

    public static Percentiles Of(IEnumerable<double> values)
    {
        var sorted = values.Order().ToList();
        double At(double share) => sorted.Count == 0 ? double.NaN : Math.Round(sorted[Math.Min(sorted.Count - 1, (int)Math.Ceiling(share * sorted.Count) - 1)], 2);
        return new Percentiles(At(0.5), At(0.95), sorted.Count < FewestForP99 ? double.NaN : At(0.99));
    }

    /// <summary>The middle value, or the mean of the two in the middle.</summary>
    public static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted.Length == 0 ? double.NaN : (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    /// <summary>Two of the values between which the true median lies with 95 % certainty or more, whatever the distribution (sign test); null of fewer than six.</summary>
    public static (double Low, double High)? MedianBounds(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        double below = 0, exactly = Math.Pow(0.5, sorted.Length);
        int cut = 0;
        for (; below + exactly <= 0.025 && cut < sorted.Length; cut++)
        {
            below += exactly;
            exactly *= (double)(sorted.Length - cut) / (cut + 1);
        }

        return cut == 0 ? null : (sorted[cut - 1], sorted[^cut]);
    }
}
