namespace Palimpsest.Inference;

/// <summary>
/// One axis of a resampling: for each target position a fixed number of source indices and weights that sum to 1. Pixels are areas, so
/// position i covers i..i+1 and its centre lies at i+½ (the convention of OpenCV and PIL).
/// </summary>
internal sealed class ResampleAxis
{
    private ResampleAxis(int length, int taps)
    {
        Taps = taps;
        Index = new int[length * taps];
        Weight = new float[length * taps];
    }

    /// <summary>Source indices per target position; unused ones have weight 0.</summary>
    public int Taps { get; }

    /// <summary>Source indices, target positions×<see cref="Taps"/>.</summary>
    public int[] Index { get; }

    /// <summary>Weights, target positions×<see cref="Taps"/>.</summary>
    public float[] Weight { get; }

    /// <summary>
    /// Resizes <paramref name="extent"/> source pixels from <paramref name="start"/> on to <paramref name="length"/>: bilinear, or the exact
    /// average of the covered area when shrinking by more than <paramref name="areaAbove"/>. Indices beyond 0..limit−1 repeat the edge.
    /// </summary>
    public static ResampleAxis Resize(int start, int extent, int limit, int length, double areaAbove)
    {
        double scale = (double)extent / length;
        return scale > areaAbove
            ? Area(length, i => (start + (i * scale), start + ((i + 1) * scale)), (int)Math.Ceiling(scale) + 1, limit)
            : Linear(length, i => start + ((i + 0.5) * scale) - 0.5, start, start + extent - 1, limit);
    }

    /// <summary>
    /// Reads a network's plane on another grid: target position i covers source interval (a + i·b, a + (i+1)·b) of a plane of
    /// <paramref name="limit"/> values. The average over the interval when it is longer than one value, else bilinear at its centre.
    /// </summary>
    public static ResampleAxis Sample(double a, double b, int limit, int length) => b >= 1
        ? Area(length, i => (a + (i * b), a + ((i + 1) * b)), (int)Math.Ceiling(b) + 1, limit)
        : Linear(length, i => a + ((i + 0.5) * b) - 0.5, 0, limit - 1, limit);

    private static ResampleAxis Linear(int length, Func<int, double> centre, int lowest, int highest, int limit)
    {
        var axis = new ResampleAxis(length, 2);
        for (int i = 0; i < length; i++)
        {
            double at = Math.Clamp(centre(i), lowest, highest);
            int floor = (int)Math.Floor(at);
            axis.Set(i, 0, floor, 1 - (at - floor), limit);
            axis.Set(i, 1, Math.Min(floor + 1, highest), at - floor, limit);
        }

        return axis;
    }

    private static ResampleAxis Area(int length, Func<int, (double From, double To)> interval, int taps, int limit)
    {
        var axis = new ResampleAxis(length, taps);
        for (int i = 0; i < length; i++)
        {
            var (from, to) = interval(i);
            int first = (int)Math.Floor(from + 1e-9);
            for (int t = 0; t < taps; t++)
            {
                double covered = Math.Min(to, first + t + 1) - Math.Max(from, first + t);
                axis.Set(i, t, first + t, Math.Max(covered, 0) / (to - from), limit);
            }
        }

        return axis;
    }

    private void Set(int position, int tap, int index, double weight, int limit)
    {
        Index[(position * Taps) + tap] = Math.Clamp(index, 0, limit - 1);
        Weight[(position * Taps) + tap] = (float)weight;
    }
}
