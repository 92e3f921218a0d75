using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Palimpsest.Imaging;

/// <summary>
/// pHash (C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010): the picture averaged to 32×32 cells of grey, its 64 lowest cosine coefficients (the
/// mean left out) against their median. Survives resizing, recompression and small edits.
/// </summary>
public static class PerceptualHash
{
    /// <summary>Bits that differ between nearly the same pictures, at most. Unrelated pictures differ in 32 on average.</summary>
    public const int MaxDistance = 7;

    private const int Side = 32;
    private const int Kept = 8;

    // [frequency − 1][cell]
    private static readonly double[] Cosines = [.. Enumerable.Range(0, Kept * Side).Select(i => Math.Cos(((2 * (i % Side)) + 1) * ((i / Side) + 1) * Math.PI / (2 * Side)))];

    /// <summary>The hash of a picture as it is shown.</summary>
    /// <param name="rgb">Stored orientation, height×width×3 bytes.</param>
    /// <param name="width">Pixels a row.</param>
    /// <param name="height">Rows.</param>
    /// <param name="orientation">EXIF orientation 1..8.</param>
    public static ulong Of(ReadOnlySpan<byte> rgb, int width, int height, int orientation)
    {
        float[] cells = Orient(Shrink(rgb, width, height), orientation);
        Span<double> low = stackalloc double[Kept * Kept];
        Span<double> rows = stackalloc double[Side * Kept];
        for (int y = 0; y < Side; y++)
        {
            for (int u = 1; u <= Kept; u++)
            {
                double sum = 0;
                for (int x = 0; x < Side; x++)
                {
                    sum += cells[(y * Side) + x] * Cosines[((u - 1) * Side) + x];
                }

                rows[(y * Kept) + u - 1] = sum;
            }
        }

        for (int v = 1; v <= Kept; v++)
        {
            for (int u = 0; u < Kept; u++)
            {
                double sum = 0;
                for (int y = 0; y < Side; y++)
                {
                    sum += rows[(y * Kept) + u] * Cosines[((v - 1) * Side) + y];
                }

                low[((v - 1) * Kept) + u] = sum;
            }
        }

        double[] sorted = low.ToArray();
        Array.Sort(sorted);
        double median = (sorted[31] + sorted[32]) / 2;
        ulong hash = 0;
        for (int i = 0; i < 64; i++)
        {
            hash |= low[i] > median ? 1UL << i : 0;
        }

        return hash;
    }

    /// <summary>Bits that differ.</summary>
    public static int Distance(ulong a, ulong b) => System.Numerics.BitOperations.PopCount(a ^ b);

    /// <summary>16 hex digits.</summary>
    public static string ToText(ulong hash) => hash.ToString("x16", CultureInfo.InvariantCulture);

    /// <summary>From 16 hex digits.</summary>
    public static ulong FromText(string text) => ulong.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    private static float[] Shrink(ReadOnlySpan<byte> rgb, int width, int height)
    {
        var cells = new float[Side * Side];
        for (int j = 0; j < Side; j++)
        {
            int y0 = (int)((long)height * j / Side), y1 = Math.Max(y0 + 1, (int)((long)height * (j + 1) / Side));
            for (int i = 0; i < Side; i++)
            {
                int x0 = (int)((long)width * i / Side), x1 = Math.Max(x0 + 1, (int)((long)width * (i + 1) / Side));
                cells[(j * Side) + i] = Mean(rgb, width, Math.Min(x0, width - 1), Math.Min(y0, height - 1), Math.Min(x1, width), Math.Min(y1, height));
            }
        }

        return cells;
    }

    private static float Mean(ReadOnlySpan<byte> rgb, int width, int x0, int y0, int x1, int y1)
    {
        // Every pixel of small cells; of large ones enough for a mean that no recompression moves.
        int stepX = Math.Max(1, (x1 - x0) / 16), stepY = Math.Max(1, (y1 - y0) / 16), count = 0;
        long red = 0, green = 0, blue = 0;
        for (int y = y0; y < y1; y += stepY)
        {
            // Three sums over a row need no more than 32 bits, and the slice has checked the access.
            var row = rgb.Slice((int)((((long)y * width) + x0) * 3), (x1 - x0) * 3);
            ref byte first = ref MemoryMarshal.GetReference(row);
            uint r = 0, g = 0, b = 0;
            for (int at = 0; at < row.Length; at += 3 * stepX, count++)
            {
                r += Unsafe.Add(ref first, at);
                g += Unsafe.Add(ref first, at + 1);
                b += Unsafe.Add(ref first, at + 2);
            }

            (red, green, blue) = (red + r, green + g, blue + b);
        }

        return ((299 * red) + (587 * green) + (114 * blue)) / (1000f * Math.Max(1, count));
    }

    /// <summary>TIFF 6.0 tag 274: from the stored cell to the shown one.</summary>
    private static float[] Orient(float[] stored, int orientation)
    {
        if (orientation is < 2 or > 8)
        {
            return stored;
        }

        var shown = new float[stored.Length];
        const int Last = Side - 1;
        for (int y = 0; y < Side; y++)
        {
            for (int x = 0; x < Side; x++)
            {
                var (sx, sy) = orientation switch
                {
                    2 => (Last - x, y),
                    3 => (Last - x, Last - y),
                    4 => (x, Last - y),
                    5 => (y, x),
                    6 => (y, Last - x),
                    7 => (Last - y, Last - x),
                    _ => (Last - y, x),
                };
                shown[(y * Side) + x] = stored[(sy * Side) + sx];
            }
        }

        return shown;
    }
}
