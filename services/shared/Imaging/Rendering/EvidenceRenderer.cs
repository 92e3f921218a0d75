using System.Globalization;
using Palimpsest.Contracts;

namespace Palimpsest.Imaging.Rendering;

/// <summary>Renders a map of evidence in the fixed colours of its legend, displayed orientation, as indexed PNG.</summary>
public static class EvidenceRenderer
{
    /// <summary>The map.</summary>
    /// <param name="map">Levels of the scale; of a categorical legend, the category's number.</param>
    /// <param name="geometry">The picture's grids; the map's cells are of its analysed pixels.</param>
    /// <param name="legend">Its colours.</param>
    /// <param name="pairs">Points to join, displayed pixels, in the legend's last category.</param>
    /// <param name="maxSide">Longest side, pixels; null for the picture's own size.</param>
    public static byte[] RenderPng(ProbabilityMap map, ImageGeometry geometry, EvidenceLegend legend, IReadOnlyList<EvidencePair> pairs, int? maxSide)
    {
        ArgumentNullException.ThrowIfNull(geometry);
        ArgumentNullException.ThrowIfNull(legend);
        ArgumentNullException.ThrowIfNull(pairs);
        double scale = Math.Min(1, (maxSide ?? double.MaxValue) / Math.Max(geometry.DisplayedWidth, geometry.DisplayedHeight));
        int width = Math.Max(1, (int)(geometry.DisplayedWidth * scale)), height = Math.Max(1, (int)(geometry.DisplayedHeight * scale));
        using var output = new MemoryStream();
        using (var png = new PngWriter(output, width, height, channels: 1, Palette(legend)))
        {
            if (legend.Categories)
            {
                byte[] values = Categorise(map, geometry, legend.Colours.Count - 1, width, height);
                foreach (var points in pairs.SelectMany(p => p.Points))
                {
                    Line(values, width, height, points[0] * scale, points[1] * scale, points[2] * scale, points[3] * scale, (byte)(legend.Colours.Count - 1));
                }

                for (int y = 0; y < height; y++)
                {
                    png.WriteRow(values.AsSpan(y * width, width));
                }
            }
            else
            {
                var sampler = new MapSampler(map, geometry, width, height);
                var row = new byte[width];
                for (int y = 0; y < height; y++)
                {
                    sampler.ReadRow(y, row);
                    png.WriteRow(row);
                }
            }
        }

        return output.ToArray();
    }

    /// <summary>256 colours mixed from the legend's, or its categories as they are.</summary>
    public static byte[] Palette(EvidenceLegend legend)
    {
        ArgumentNullException.ThrowIfNull(legend);
        int[] colours = [.. legend.Colours.Select(c => int.Parse(c.Colour.AsSpan(1), NumberStyles.HexNumber, CultureInfo.InvariantCulture))];
        int count = legend.Categories ? colours.Length : 256;
        var palette = new byte[count * 3];
        for (int i = 0; i < count; i++)
        {
            double position = legend.Categories ? i : i / 255.0 * (colours.Length - 1);
            int low = Math.Min((int)position, colours.Length - 1), high = Math.Min(low + 1, colours.Length - 1);
            for (int band = 0; band < 3; band++)
            {
                int shift = 16 - (8 * band), a = (colours[low] >> shift) & 255, b = (colours[high] >> shift) & 255;
                palette[(i * 3) + band] = (byte)Math.Round(a + ((b - a) * (position - low)), MidpointRounding.AwayFromZero);
            }
        }

        return palette;
    }

    /// <summary>Each category sampled by itself and cut at one half: edges are smooth and no third colour appears between two.</summary>
    private static byte[] Categorise(ProbabilityMap map, ImageGeometry geometry, int categories, int width, int height)
    {
        var values = new byte[checked(width * height)];
        var row = new byte[width];
        for (byte category = 1; category < categories; category++)
        {
            if (!map.Values.Contains(category))
            {
                continue;
            }

            byte own = category;
            var sampler = new MapSampler(new ProbabilityMap(map.Width, map.Height, [.. map.Values.Select(v => v == own ? (byte)255 : (byte)0)]), geometry, width, height);
            for (int y = 0; y < height; y++)
            {
                sampler.ReadRow(y, row);
                for (int x = 0; x < width; x++)
                {
                    if (row[x] >= 128)
                    {
                        values[(y * width) + x] = category;
                    }
                }
            }
        }

        return values;
    }

    private static void Line(byte[] values, int width, int height, double x0, double y0, double x1, double y1, byte colour)
    {
        int thickness = Math.Max(1, Math.Max(width, height) / 600), steps = (int)Math.Max(Math.Abs(x1 - x0), Math.Abs(y1 - y0)) + 1;
        for (int i = 0; i <= steps; i++)
        {
            // A dot at both ends, a thin line between.
            bool end = i * 1.0 / steps is < 0.01 or > 0.99;
            int radius = (thickness / 2) + (end ? thickness : 0), x = (int)(x0 + ((x1 - x0) * i / steps)), y = (int)(y0 + ((y1 - y0) * i / steps));
            for (int j = y - radius; j <= y + radius; j++)
            {
                for (int k = x - radius; k <= x + radius; k++)
                {
                    if (j >= 0 && j < height && k >= 0 && k < width)
                    {
                        values[(j * width) + k] = colour;
                    }
                }
            }
        }
    }
}
