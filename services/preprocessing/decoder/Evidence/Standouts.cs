using Palimpsest.Contracts;

namespace Palimpsest.Decoder.Evidence;

/// <summary>
/// Compact areas whose value differs from that of equally textured parts: each square's value is compared with the median of its texture class (scaled by the class's median absolute
/// deviation), the deviations are averaged over a neighbourhood, and connected squares above a limit count when there are enough of them. Robust statistics, so that a pasted part
/// does not define what is ordinary.
/// </summary>
internal sealed class Standouts
{
    private const int Classes = 24;
    private const int FewestInClass = 24;

    /// <summary>An area is at least one part in this many of the picture.</summary>
    private const int SmallestShare = 200;

    private readonly List<(int Left, int Top, int Right, int Bottom, int Count)> areas;

    private Standouts(float[] deviations, List<(int, int, int, int, int)> areas, double share) => (Deviations, this.areas, Share) = (deviations, areas, share);

    /// <summary>How a method wants them.</summary>
    /// <param name="Radius">Squares on each side that are averaged.</param>
    /// <param name="Limit">Mean deviation of an area's squares, in deviations of its texture class.</param>
    /// <param name="Fewest">Squares of an area at least.</param>
    /// <param name="Floor">Least deviation of a class, in the values' unit.</param>
    /// <param name="BothSides">Low values count as well as high ones.</param>
    internal sealed record Settings(int Radius, float Limit, int Fewest, float Floor, bool BothSides)
    {
        // Limits were chosen on authentic photographs so that nearly all of them stay quiet (docs/evidence.md has the figures).
        public static Settings ErrorLevel { get; } = new(2, 3.3f, 24, 0.06f, BothSides: true);

        public static Settings NoiseVariance { get; } = new(1, 5.0f, 40, 0.25f, BothSides: false);
    }

    /// <summary>Averaged deviations, row-major.</summary>
    public float[] Deviations { get; }

    /// <summary>Share of squares in areas that stand out.</summary>
    public double Share { get; }

    public IReadOnlyList<(int Left, int Top, int Right, int Bottom, int Count)> Regions => areas;

    /// <summary>Finds them.</summary>
    /// <param name="values">Row-major.</param>
    /// <param name="texture">A measure of texture for each square; NaN: the square cannot be judged.</param>
    /// <param name="wide">Squares a row.</param>
    /// <param name="high">Rows.</param>
    /// <param name="settings">How.</param>
    public static Standouts Find(float[] values, float[] texture, int wide, int high, Settings settings)
    {
        float[] deviations = Deviate(values, texture, settings.Floor);
        float[] mean = Grid.BoxMean(deviations, wide, high, settings.Radius);
        int fewest = Least(settings.Fewest, wide, high);
        var areas = Above(mean, wide, high, settings.Limit, fewest);
        if (settings.BothSides)
        {
            areas.AddRange(Above([.. mean.Select(v => -v)], wide, high, settings.Limit, fewest));
        }

        // What covers most of the picture is the picture.
        areas.RemoveAll(a => a.Count > wide * high / 2);
        areas.Sort((a, b) => b.Count.CompareTo(a.Count));
        return new Standouts(mean, areas, areas.Sum(a => (double)a.Count) / (wide * high));
    }

    /// <summary>
    /// Squares that an area must have: the method's own fewest, and in a large picture a two-hundredth of it. There are more places for chance to gather in a larger picture, and a camera's
    /// twelve megapixels always have some small surface without texture.
    /// </summary>
    public static int Least(int fewest, int wide, int high) => Math.Max(fewest, wide * high / SmallestShare);

    /// <summary>Connected squares (4 neighbours) above a limit.</summary>
    public static List<(int Left, int Top, int Right, int Bottom, int Count)> Above(float[] values, int wide, int high, float limit, int fewest)
    {
        var areas = new List<(int, int, int, int, int)>();
        var seen = new bool[values.Length];
        var open = new Stack<int>();
        for (int start = 0; start < values.Length; start++)
        {
            if (seen[start] || !(values[start] > limit))
            {
                continue;
            }

            var (left, top, right, bottom, count) = (wide, high, 0, 0, 0);
            seen[start] = true;
            open.Push(start);
            while (open.TryPop(out int at))
            {
                int x = at % wide, y = at / wide;
                (left, top, right, bottom, count) = (Math.Min(left, x), Math.Min(top, y), Math.Max(right, x), Math.Max(bottom, y), count + 1);
                Visit(x > 0, at - 1);
                Visit(x < wide - 1, at + 1);
                Visit(y > 0, at - wide);
                Visit(y < high - 1, at + wide);
            }

            if (count >= fewest)
            {
                areas.Add((left, top, right + 1, bottom + 1, count));
            }
        }

        areas.Sort((a, b) => b.Item5.CompareTo(a.Item5));
        return areas;

        void Visit(bool inside, int at)
        {
            if (inside && !seen[at] && values[at] > limit)
            {
                seen[at] = true;
                open.Push(at);
            }
        }
    }

    /// <summary>Boxes of the areas in stored pixels.</summary>
    /// <param name="side">Side of a square, pixels.</param>
    public IReadOnlyList<PixelBox> In(int side) => Boxes(areas, side);

    /// <summary>Boxes of areas in stored pixels, at most eight.</summary>
    public static IReadOnlyList<PixelBox> Boxes(IEnumerable<(int Left, int Top, int Right, int Bottom, int Count)> areas, int side) =>
        [.. areas.Take(8).Select(a => new PixelBox { X = a.Left * side, Y = a.Top * side, Width = (a.Right - a.Left) * side, Height = (a.Bottom - a.Top) * side })];

    /// <summary>"One area" or "3 areas", for sentences.</summary>
    public static string Areas(int count) => count == 1 ? "One area" : "A group of areas";

    /// <summary>Each value less the median of its texture class; 0 where nothing can be said.</summary>
    public static float[] AboveMedian(float[] values, float[] texture)
    {
        var above = new float[values.Length];
        ForEachClass(values, texture, (members, median, _) =>
        {
            foreach (int i in members.Span)
            {
                above[i] = values[i] - median;
            }
        });
        return above;
    }

    private static float[] Deviate(float[] values, float[] texture, float floor)
    {
        var deviations = new float[values.Length];
        ForEachClass(values, texture, (members, median, spread) =>
        {
            foreach (int i in members.Span)
            {
                // One square alone must not carry its neighbourhood.
                deviations[i] = Math.Clamp((values[i] - median) / Math.Max(spread, floor), -8, 8);
            }
        });
        return deviations;
    }

    /// <summary>Classes of equal size in the order of texture, each with the median and the deviation of its values: whatever the picture shows, a class has enough members for them.</summary>
    private static void ForEachClass(float[] values, float[] texture, Action<ReadOnlyMemory<int>, float, float> look)
    {
        int[] usable = [.. Enumerable.Range(0, values.Length).Where(i => !float.IsNaN(texture[i]))];
        if (usable.Length < FewestInClass)
        {
            return;
        }

        float[] order = [.. usable.Select(i => texture[i])];
        Array.Sort(order, usable);
        int classes = Math.Clamp(usable.Length / FewestInClass / 4, 1, Classes);
        for (int c = 0; c < classes; c++)
        {
            var members = usable.AsMemory((int)((long)usable.Length * c / classes)..(int)((long)usable.Length * (c + 1) / classes));
            var sorted = new float[members.Length];
            for (int i = 0; i < sorted.Length; i++)
            {
                sorted[i] = values[members.Span[i]];
            }

            float median = Grid.Median(sorted);
            for (int i = 0; i < sorted.Length; i++)
            {
                sorted[i] = Math.Abs(sorted[i] - median);
            }

            look(members, median, 1.4826f * Grid.Median(sorted));
        }
    }
}

/// <summary>Arithmetic on row-major grids.</summary>
internal static class Grid
{
    /// <summary>Mean over (2r+1)², cut at the edges.</summary>
    public static float[] BoxMean(float[] values, int wide, int high, int radius)
    {
        var sums = new double[(wide + 1) * (high + 1)];
        for (int y = 0; y < high; y++)
        {
            double row = 0;
            for (int x = 0; x < wide; x++)
            {
                row += values[(y * wide) + x];
                sums[((y + 1) * (wide + 1)) + x + 1] = sums[(y * (wide + 1)) + x + 1] + row;
            }
        }

        var mean = new float[values.Length];
        for (int y = 0; y < high; y++)
        {
            int top = Math.Max(0, y - radius), bottom = Math.Min(high, y + radius + 1);
            for (int x = 0; x < wide; x++)
            {
                int left = Math.Max(0, x - radius), right = Math.Min(wide, x + radius + 1);
                double sum = sums[(bottom * (wide + 1)) + right] - sums[(top * (wide + 1)) + right] - sums[(bottom * (wide + 1)) + left] + sums[(top * (wide + 1)) + left];
                mean[(y * wide) + x] = (float)(sum / ((bottom - top) * (right - left)));
            }
        }

        return mean;
    }

    /// <summary>The upper median; sorts in place.</summary>
    public static float Median(float[] values)
    {
        Array.Sort(values);
        return values.Length == 0 ? 0 : values[values.Length / 2];
    }
}
