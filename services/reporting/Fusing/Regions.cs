using Palimpsest.Contracts;
using Palimpsest.Imaging;

namespace Palimpsest.Reporting;

/// <summary>Connected regions (8-neighbourhood) of the fused map above the mask threshold.</summary>
internal static class Regions
{
    /// <summary>Regions listed at most.</summary>
    public const int Most = 20;

    /// <summary>Smaller ones are specks: at least four cells (8×8 pixels) and 0.02 % of the picture.</summary>
    private const int FewestCells = 4;

    private const double LeastArea = 0.0002;

    /// <summary>Finds them, largest first.</summary>
    public static IReadOnlyList<RegionDocument> Find(FusedMap map, ImageGeometry geometry)
    {
        double total = (double)geometry.AnalysedWidth * geometry.AnalysedHeight;
        var found = new List<RegionDocument>();
        foreach (var cells in Connected.Regions(map.Fused))
        {
            var region = new Growing(map);
            foreach (int cell in cells)
            {
                region.Add(cell % map.Fused.Width, cell / map.Fused.Width, cell, geometry);
            }

            if (region.Cells >= FewestCells && region.Pixels >= LeastArea * total)
            {
                found.Add(region.ToDocument(geometry, total));
            }
        }

        return [.. found.OrderByDescending(r => r.Area).ThenBy(r => r.Box.Y).ThenBy(r => r.Box.X).Take(Most)];
    }

    /// <summary>A region while its cells are collected.</summary>
    private sealed class Growing(FusedMap map)
    {
        private readonly long[] strength = new long[map.Names.Count];
        private int left = int.MaxValue;
        private int top = int.MaxValue;
        private int right = -1;
        private int bottom = -1;
        private long sum;

        public int Cells { get; private set; }

        public long Pixels { get; private set; }

        public void Add(int x, int y, int cell, ImageGeometry geometry)
        {
            (left, right) = (Math.Min(left, x), Math.Max(right, x));
            (top, bottom) = (Math.Min(top, y), Math.Max(bottom, y));
            int pixels = FusedMap.Pixels(x, y, geometry);
            long weighted = (long)map.Fused.Values[cell] * pixels;
            Cells++;
            Pixels += pixels;
            sum += weighted;
            strength[map.Owner[cell]] += weighted;
        }

        public RegionDocument ToDocument(ImageGeometry geometry, double total)
        {
            int x = left * ProbabilityMap.Cell, y = top * ProbabilityMap.Cell;
            return new RegionDocument
            {
                Box = geometry.ToDisplayed(new PixelBox
                {
                    X = x,
                    Y = y,
                    Width = Math.Min((right + 1) * ProbabilityMap.Cell, geometry.AnalysedWidth) - x,
                    Height = Math.Min((bottom + 1) * ProbabilityMap.Cell, geometry.AnalysedHeight) - y,
                }),
                Area = Pixels / total,
                Score = sum / (255.0 * Pixels),
                Detector = map.Names[Array.IndexOf(strength, strength.Max())],
            };
        }
    }
}
