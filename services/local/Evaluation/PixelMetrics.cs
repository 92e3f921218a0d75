namespace Palimpsest.Local.Evaluation;

/// <summary>
/// One forged picture's mask against the truth, from two histograms of the 256 mask values: the prediction never has to be kept.
/// A pixel is called manipulated when its probability exceeds the threshold; 0.5 lies between the values 127 and 128.
/// </summary>
internal sealed record PixelMetrics
{
    /// <summary>Smallest mask value that means "more than 0.5".</summary>
    public const int AboveHalf = 128;

    private const int Levels = 256;

    /// <summary>F1 at probability 0.5.</summary>
    public required double F1 { get; init; }

    /// <summary>F1 at this picture's own best threshold.</summary>
    public required double BestF1 { get; init; }

    /// <summary>Intersection over union at probability 0.5.</summary>
    public required double Iou { get; init; }

    /// <summary>Area under the pixels' ROC curve; null when the whole picture is forged.</summary>
    public double? Auc { get; init; }

    /// <summary>Measures.</summary>
    /// <param name="prediction">255 × probability, one byte a pixel.</param>
    /// <param name="mask">The truth, one byte a pixel; above 127 is manipulated.</param>
    /// <returns>Null when the truth marks no pixel: then there is nothing to find.</returns>
    public static PixelMetrics? Of(ReadOnlySpan<byte> prediction, ReadOnlySpan<byte> mask)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(mask.Length, prediction.Length);
        Span<long> forged = stackalloc long[Levels], genuine = stackalloc long[Levels];
        forged.Clear();
        genuine.Clear();
        for (int i = 0; i < prediction.Length; i++)
        {
            (mask[i] > 127 ? forged : genuine)[prediction[i]]++;
        }

        long positives = 0, negatives = 0;
        for (int level = 0; level < Levels; level++)
        {
            positives += forged[level];
            negatives += genuine[level];
        }

        if (positives == 0)
        {
            return null;
        }

        double best = 0, f1 = 0, iou = 0, ranked = 0;
        long hits = 0, alarms = 0;
        for (int level = Levels - 1; level >= 0; level--)
        {
            // Ties count half: genuine pixels of the same value stand beside, not below.
            ranked += forged[level] * (negatives - alarms - genuine[level] + (genuine[level] / 2.0));
            hits += forged[level];
            alarms += genuine[level];
            double here = 2.0 * hits / (hits + alarms + positives);
            // Value 0 is "nothing found": a threshold that calls it manipulated is no threshold.
            best = level > 0 ? Math.Max(best, here) : best;
            if (level == AboveHalf)
            {
                f1 = here;
                iou = (double)hits / (positives + alarms);
            }
        }

        return new PixelMetrics { F1 = f1, BestF1 = best, Iou = iou, Auc = negatives == 0 ? null : ranked / positives / negatives };
    }

    /// <summary>True when no pixel is called manipulated at 0.5.</summary>
    public static bool IsEmpty(ReadOnlySpan<byte> prediction) => !prediction.ContainsAnyInRange((byte)AboveHalf, (byte)255);
}
