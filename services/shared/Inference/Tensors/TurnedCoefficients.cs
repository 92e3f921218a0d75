using Palimpsest.Imaging;

namespace Palimpsest.Inference;

/// <summary>
/// DCT coefficients and quantisation table of a picture as a viewer shows it, from those of its stored pixels: blocks change places, a mirrored axis changes the sign of its odd frequencies, swapped axes
/// swap the frequencies. Exact, where the pixels' turning is: on whole blocks.
/// </summary>
internal static class TurnedCoefficients
{
    // Zigzag order (T.81 figure 5) as horizontal and vertical frequency: along each diagonal, up and down in turn.
    private static readonly (int U, int V)[] Zigzag = [.. Enumerable.Range(0, 15).SelectMany(d =>
    {
        var diagonal = Enumerable.Range(Math.Max(0, d - 7), Math.Min(d, 14 - d) + 1).Select(u => (u, d - u));
        return d % 2 == 0 ? diagonal : diagonal.Reverse();
    })];

    private static readonly int[] Swapped = [.. Zigzag.Select(f => Array.IndexOf(Zigzag, (f.V, f.U)))];

    /// <summary>Turns coefficient planes.</summary>
    /// <param name="stored">At least <see cref="Reach"/>×high×wide, zigzag order, as <see cref="CoefficientPacker"/> packs them.</param>
    /// <param name="wide">Stored blocks a row.</param>
    /// <param name="high">Stored rows of blocks.</param>
    /// <param name="orientation">EXIF orientation 1..8.</param>
    /// <param name="shown">K·high·wide floats: the first K planes.</param>
    public static void Apply(ReadOnlySpan<float> stored, int wide, int high, int orientation, Span<float> shown)
    {
        int plane = wide * high;
        for (int k = 0; k * plane < shown.Length; k++)
        {
            int from = Source(k, orientation);
            var target = shown.Slice(k * plane, plane);
            Turning.Apply(stored.Slice(from * plane, plane), wide, high, 1, orientation, target);
            var (u, v) = Zigzag[from];
            if (((Turning.MirrorsX(orientation) ? u : 0) + (Turning.MirrorsY(orientation) ? v : 0)) % 2 == 1)
            {
                foreach (ref float value in target)
                {
                    value = -value;
                }
            }
        }
    }

    /// <summary>How many stored planes the first K shown ones come from.</summary>
    public static int Reach(int count, int orientation) => 1 + Enumerable.Range(0, count).Max(k => Source(k, orientation));

    /// <summary>The stored zigzag index that becomes this one.</summary>
    public static int Source(int k, int orientation) => Turning.SwapsAxes(orientation) ? Swapped[k] : k;
}
