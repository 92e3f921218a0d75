namespace Palimpsest.Decoder.Evidence.Matching;

/// <summary>Orientation and descriptor of a keypoint, Lowe 2004 sections 5 and 6.</summary>
internal static class Description
{
    private const int Bins = 36;
    private const int Cells = 4;
    private const int Directions = 8;

    /// <summary>The strongest direction of the gradients, and a second nearly as strong.</summary>
    public static IEnumerable<float> Orientations(Plane plane, float x, float y, float blur)
    {
        var histogram = new float[Bins];
        float sigma = 1.5f * blur;
        int radius = (int)Math.Round(3 * sigma), cx = (int)Math.Round(x), cy = (int)Math.Round(y);
        for (int j = Math.Max(1, cy - radius); j <= Math.Min(plane.Height - 2, cy + radius); j++)
        {
            for (int i = Math.Max(1, cx - radius); i <= Math.Min(plane.Width - 2, cx + radius); i++)
            {
                var (gx, gy) = Gradient(plane, i, j);
                float weight = MathF.Exp((((i - x) * (i - x)) + ((j - y) * (j - y))) / (-2 * sigma * sigma));
                int bin = (int)((MathF.Atan2(gy, gx) + MathF.PI) / (2 * MathF.PI) * Bins) % Bins;
                histogram[bin] += weight * MathF.Sqrt((gx * gx) + (gy * gy));
            }
        }

        float[] smooth = [.. Enumerable.Range(0, Bins).Select(b => (histogram[(b + Bins - 1) % Bins] + (2 * histogram[b]) + histogram[(b + 1) % Bins]) / 4)];
        float highest = smooth.Max();
        var peaks = Enumerable.Range(0, Bins)
            .Where(b => smooth[b] >= 0.85f * highest && smooth[b] > smooth[(b + Bins - 1) % Bins] && smooth[b] >= smooth[(b + 1) % Bins])
            .OrderByDescending(b => smooth[b]).Take(2);
        foreach (int b in peaks)
        {
            float before = smooth[(b + Bins - 1) % Bins], after = smooth[(b + 1) % Bins], curvature = before + after - (2 * smooth[b]);
            float offset = curvature == 0 ? 0 : (before - after) / (2 * curvature);
            yield return ((b + 0.5f + offset) / Bins * 2 * MathF.PI) - MathF.PI;
        }
    }

    /// <summary>4×4 cells of 8 directions, interpolated, unit length, cut at 0.2.</summary>
    public static float[] Describe(Plane plane, float x, float y, float blur, float angle)
    {
        var d = new float[Cells * Cells * Directions];
        float cell = 3 * blur, cos = MathF.Cos(angle) / cell, sin = MathF.Sin(angle) / cell;
        int radius = (int)Math.Min(MathF.Round(cell * MathF.Sqrt(2) * (Cells + 1) / 2), 60), cx = (int)Math.Round(x), cy = (int)Math.Round(y);
        for (int j = Math.Max(1, cy - radius); j <= Math.Min(plane.Height - 2, cy + radius); j++)
        {
            for (int i = Math.Max(1, cx - radius); i <= Math.Min(plane.Width - 2, cx + radius); i++)
            {
                float u = ((i - x) * cos) + ((j - y) * sin), v = ((j - y) * cos) - ((i - x) * sin);
                float column = u + (Cells / 2) - 0.5f, row = v + (Cells / 2) - 0.5f;
                if (column <= -1 || column >= Cells || row <= -1 || row >= Cells)
                {
                    continue;
                }

                var (gx, gy) = Gradient(plane, i, j);
                float weight = MathF.Exp(((u * u) + (v * v)) / -8) * MathF.Sqrt((gx * gx) + (gy * gy));
                float direction = (MathF.Atan2(gy, gx) - angle) / (2 * MathF.PI) * Directions;
                direction -= MathF.Floor(direction / Directions) * Directions;
                Spread(d, row, column, direction, weight);
            }
        }

        Normalise(d);
        for (int i = 0; i < d.Length; i++)
        {
            d[i] = Math.Min(d[i], 0.2f);
        }

        Normalise(d);
        return d;
    }

    private static void Spread(float[] d, float row, float column, float direction, float weight)
    {
        int r = (int)MathF.Floor(row), c = (int)MathF.Floor(column), o = (int)direction;
        float fr = row - r, fc = column - c, fo = direction - o;
        for (int dr = 0; dr <= 1; dr++)
        {
            for (int dc = 0; dc <= 1; dc++)
            {
                if (r + dr is < 0 or >= Cells || c + dc is < 0 or >= Cells)
                {
                    continue;
                }

                float share = weight * (dr == 0 ? 1 - fr : fr) * (dc == 0 ? 1 - fc : fc);
                int at = (((r + dr) * Cells) + c + dc) * Directions;
                d[at + (o % Directions)] += share * (1 - fo);
                d[at + ((o + 1) % Directions)] += share * fo;
            }
        }
    }

    private static (float X, float Y) Gradient(Plane plane, int x, int y)
    {
        float[] values = plane.Values;
        int at = (y * plane.Width) + x;
        return (values[at + 1] - values[at - 1], values[at + plane.Width] - values[at - plane.Width]);
    }

    private static void Normalise(float[] d)
    {
        float length = MathF.Sqrt(d.Sum(v => v * v));
        for (int i = 0; i < d.Length && length > 0; i++)
        {
            d[i] /= length;
        }
    }
}
