namespace Palimpsest.Local.Evaluation;

/// <summary>Percentile bootstrap (Efron 1979): pictures are drawn with replacement; the same data give the same interval.</summary>
internal static class Bootstrap
{
    public const int Resamples = 1_000;

    private const int Seed = 20231;

    /// <summary>95 % interval of a mean; null without values.</summary>
    public static IReadOnlyList<double>? OfMean(IReadOnlyList<double> values) => Interval(values, sample => sample.Average());

    /// <summary>95 % interval of any figure; resamples for which it cannot be computed are left out.</summary>
    public static IReadOnlyList<double>? Interval<T>(IReadOnlyList<T> values, Func<T[], double?> figure)
    {
        if (values.Count == 0)
        {
            return null;
        }

#pragma warning disable CA5394 // not a secret: the same data must give the same interval
        var random = new Random(Seed);
        var sample = new T[values.Count];
        var figures = new List<double>(Resamples);
        for (int i = 0; i < Resamples; i++)
        {
            for (int j = 0; j < sample.Length; j++)
            {
                sample[j] = values[random.Next(values.Count)];
            }

            if (figure(sample) is { } value)
            {
                figures.Add(value);
            }
        }
#pragma warning restore CA5394

        figures.Sort();
        return figures.Count == 0 ? null : [Percentile(figures, 0.025), Percentile(figures, 0.975)];
    }

    private static double Percentile(List<double> sorted, double share)
    {
        double position = share * (sorted.Count - 1);
        int below = (int)position;
        return below + 1 < sorted.Count ? sorted[below] + ((position - below) * (sorted[below + 1] - sorted[below])) : sorted[below];
    }
}
