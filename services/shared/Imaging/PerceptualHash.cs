using System.Buffers;
using System.Globalization;
using System.Numerics;

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
        Span<float> cells = stackalloc float[Side * Side];
        Turning.Apply(Shrink(rgb, width, height), Side, Side, 1, orientation, cells);
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
    public static int Distance(ulong a, ulong b) => BitOperations.PopCount(a ^ b);

    /// <summary>16 hex digits.</summary>
    public static string ToText(ulong hash) => hash.ToString("x16", CultureInfo.InvariantCulture);

    /// <summary>From 16 hex digits.</summary>
    public static ulong FromText(string text) => ulong.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    private static float[] Shrink(ReadOnlySpan<byte> rgb, int width, int height)
    {
        var cells = new float[Side * Side];
        int values = width * 3;
        ushort[] columns = ArrayPool<ushort>.Shared.Rent(values);
        var sums = columns.AsSpan(0, values);
        for (int j = 0; j < Side; j++)
        {
            int y0 = (int)((long)height * j / Side), y1 = Math.Max(y0 + 1, (int)((long)height * (j + 1) / Side)), step = Step(y0, y1), rows = 0;
            sums.Clear();
            for (int y = y0; y < y1; y += step, rows++)
            {
                Add(rgb.Slice(y * values, values), sums);
            }

            for (int i = 0; i < Side; i++)
            {
                int x0 = (int)((long)width * i / Side), x1 = Math.Max(x0 + 1, (int)((long)width * (i + 1) / Side));
                cells[(j * Side) + i] = Mean(sums[(x0 * 3)..(x1 * 3)], Step(x0, x1), rows);
            }
        }

        ArrayPool<ushort>.Shared.Return(columns);
        return cells;
    }

    /// <summary>Every pixel of small cells; of large ones enough for a mean that no recompression moves.</summary>
    private static int Step(int from, int to) => Math.Max(1, (to - from) / 16);

    /// <summary>Adds a row's bytes to their columns' sums: 31 rows at most, which 16 bits hold.</summary>
    private static void Add(ReadOnlySpan<byte> row, Span<ushort> sums)
    {
        int i = 0;
        for (; i <= row.Length - Vector<byte>.Count; i += Vector<byte>.Count)
        {
            Vector.Widen(new Vector<byte>(row[i..]), out var low, out var high);
            (new Vector<ushort>(sums[i..]) + low).CopyTo(sums[i..]);
            (new Vector<ushort>(sums[(i + Vector<ushort>.Count)..]) + high).CopyTo(sums[(i + Vector<ushort>.Count)..]);
        }

        for (; i < row.Length; i++)
        {
            sums[i] += row[i];
        }
    }

    private static float Mean(ReadOnlySpan<ushort> sums, int step, int rows)
    {
        long red = 0, green = 0, blue = 0;
        int count = 0;
        for (int at = 0; at < sums.Length; at += 3 * step, count += rows)
        {
            (red, green, blue) = (red + sums[at], green + sums[at + 1], blue + sums[at + 2]);
        }

        return ((299 * red) + (587 * green) + (114 * blue)) / (1000f * count);
    }
}
