using System.Numerics;

namespace Palimpsest.Imaging.Rendering;

/// <summary>
/// Reads a probability map at the pixels of the displayed picture (or a reduced rendering of it), row by row: bilinear between cell
/// centres, EXIF orientation applied. Integer arithmetic throughout, so every machine gives the same bytes.
/// </summary>
public sealed class MapSampler
{
    private const int WeightBits = 8;
    private const int Transposed = 5; // EXIF orientation: axes swapped, nothing mirrored

    private readonly byte[] values;   // the map with displayed axes: row-major over displayed rows
    private readonly int columns;
    private readonly Axis across;
    private readonly Axis down;
    private readonly ushort[] upper;  // two map rows stretched to the target's width, scaled by 2^WeightBits
    private readonly ushort[] lower;
    private int upperIndex = -1;
    private int lowerIndex = -1;

    /// <summary>Prepares the sampling.</summary>
    /// <param name="map">Cells of the analysed picture, stored orientation.</param>
    /// <param name="geometry">The picture's grids.</param>
    /// <param name="width">Target width in displayed orientation, pixels; usually <see cref="ImageGeometry.DisplayedWidth"/>.</param>
    /// <param name="height">Target height.</param>
    public MapSampler(ProbabilityMap map, ImageGeometry geometry, int width, int height)
    {
        ArgumentNullException.ThrowIfNull(map);
        ArgumentNullException.ThrowIfNull(geometry);
        (Width, Height) = (width, height);
        bool swap = geometry.SwapsAxes;
        values = map.Values;
        if (swap)
        {
            values = new byte[map.Values.Length];
            Turning.Apply(map.Values, map.Width, map.Height, 1, Transposed, values);
        }

        columns = swap ? map.Height : map.Width;

        bool mirrorX = Turning.MirrorsX(geometry.Orientation), mirrorY = Turning.MirrorsY(geometry.Orientation);
        var storedX = (Analysed: geometry.AnalysedWidth, Cells: map.Width, Mirror: mirrorX);
        var storedY = (Analysed: geometry.AnalysedHeight, Cells: map.Height, Mirror: mirrorY);
        var (x, y) = swap ? (storedY, storedX) : (storedX, storedY);
        across = new Axis(width, x.Analysed, x.Cells, x.Mirror);
        down = new Axis(height, y.Analysed, y.Cells, y.Mirror);
        (upper, lower) = (new ushort[width], new ushort[width]);
    }

    /// <summary>Target width, pixels.</summary>
    public int Width { get; }

    /// <summary>Target height, pixels.</summary>
    public int Height { get; }

    /// <summary>Probabilities of one target row, 255 = 1. Rows may be asked in any order; neighbours are cheapest.</summary>
    public void ReadRow(int y, Span<byte> row)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(row.Length, Width);
        int first = down.First[y], second = down.Second[y];
        Load(upper, ref upperIndex, first);
        Load(lower, ref lowerIndex, second);
        Blend(upper, lower, down.Weight[y], row);
    }

    private void Load(ushort[] stretched, ref int loaded, int index)
    {
        if (loaded == index)
        {
            return;
        }

        loaded = index;
        ReadOnlySpan<byte> cells = values.AsSpan(index * columns, columns);
        for (int x = 0; x < stretched.Length; x++)
        {
            int weight = across.Weight[x];
            stretched[x] = (ushort)((cells[across.First[x]] * ((1 << WeightBits) - weight)) + (cells[across.Second[x]] * weight));
        }
    }

    private static void Blend(ushort[] upper, ushort[] lower, int weight, Span<byte> row)
    {
        // (u·(256−w) + l·w + ½) >> 16 with u, l ≤ 255·256 fits 32 bits.
        uint w = (uint)weight, rest = (1u << WeightBits) - w;
        int x = 0;
        if (Vector.IsHardwareAccelerated)
        {
            var (vw, vrest, half) = (new Vector<uint>(w), new Vector<uint>(rest), new Vector<uint>(1 << 15));
            for (; x + (2 * Vector<ushort>.Count) <= row.Length; x += 2 * Vector<ushort>.Count)
            {
                var low = Mix(upper, lower, x);
                var high = Mix(upper, lower, x + Vector<ushort>.Count);
                Vector.Narrow(low, high).CopyTo(row[x..]);
            }

            Vector<ushort> Mix(ushort[] u, ushort[] l, int at)
            {
                Vector.Widen(new Vector<ushort>(u, at), out var u0, out var u1);
                Vector.Widen(new Vector<ushort>(l, at), out var l0, out var l1);
                return Vector.Narrow(((u0 * vrest) + (l0 * vw) + half) >> 16, ((u1 * vrest) + (l1 * vw) + half) >> 16);
            }
        }

        for (; x < row.Length; x++)
        {
            row[x] = (byte)(((upper[x] * rest) + (lower[x] * w) + (1 << 15)) >> 16);
        }
    }

    /// <summary>For each target pixel of one axis: the two cells around it and the second one's weight.</summary>
    private sealed class Axis
    {
        public Axis(int target, int analysed, int cells, bool mirror)
        {
            (First, Second, Weight) = (new int[target], new int[target], new int[target]);
            for (int i = 0; i < target; i++)
            {
                // Pixel centre in 1/256 cells from the first cell's centre: (p + ½)·analysed/target/Cell − ½, kept integral.
                long p = mirror ? target - 1 - i : i;
                long position = ((((2 * p) + 1) * analysed << WeightBits) / (2L * target * ProbabilityMap.Cell)) - (1 << (WeightBits - 1));
                position = Math.Clamp(position, 0, (long)(cells - 1) << WeightBits);
                First[i] = (int)(position >> WeightBits);
                Second[i] = Math.Min(First[i] + 1, cells - 1);
                Weight[i] = (int)(position & ((1 << WeightBits) - 1));
            }
        }

        public int[] First { get; }

        public int[] Second { get; }

        public int[] Weight { get; }
    }
}
