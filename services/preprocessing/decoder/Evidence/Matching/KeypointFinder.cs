namespace Palimpsest.Decoder.Evidence.Matching;

/// <summary>Finds keypoints: extrema of differences of Gaussians over scale, Lowe 2004 sections 3 and 4.</summary>
internal static class KeypointFinder
{
    private const int Levels = 3;
    private const double FirstBlur = 1.6;
    private const double InputBlur = 0.5;

    /// <summary>Least difference of Gaussians, grey levels: low, because copies are often of dull surfaces.</summary>
    private const float Contrast = 1.1f;

    /// <summary>Largest ratio of principal curvatures.</summary>
    private const float EdgeRatio = 10;

    /// <summary>The strongest of a plane at most; comparing all with all is quadratic.</summary>
    private const int Most = 2600;

    private const int Border = 5;

    /// <summary>All keypoints of a plane, strongest first.</summary>
    public static IReadOnlyList<Keypoint> Find(Plane plane)
    {
        var found = new List<(int Octave, int Level, float X, float Y, float Strength, float Fraction)>();
        var octaves = new List<Plane[]>();
        var current = plane.Blur(Math.Sqrt((FirstBlur * FirstBlur) - (InputBlur * InputBlur)));
        for (int octave = 0; octave < 5 && Math.Min(current.Width, current.Height) >= 24; octave++)
        {
            var gaussians = Gaussians(current);
            octaves.Add(gaussians);
            Extrema(gaussians, octave, found);
            current = gaussians[Levels].Half();
        }

        found.Sort((a, b) => b.Strength.CompareTo(a.Strength));
        var keypoints = new List<Keypoint>();
        foreach (var point in found.Take(Most))
        {
            float blur = (float)(FirstBlur * Math.Pow(2, (point.Level + point.Fraction) / Levels)), size = 1 << point.Octave;
            var gaussian = octaves[point.Octave][point.Level];
            foreach (float angle in Description.Orientations(gaussian, point.X, point.Y, blur))
            {
                // Pixel centres: halving keeps every second pixel, so positions scale without an offset.
                keypoints.Add(new Keypoint(point.X * size, point.Y * size, blur * size, angle, point.Strength, Description.Describe(gaussian, point.X, point.Y, blur, angle)));
            }
        }

        return keypoints;
    }

    private static Plane[] Gaussians(Plane first)
    {
        var gaussians = new Plane[Levels + 3];
        gaussians[0] = first;
        for (int level = 1; level < gaussians.Length; level++)
        {
            double before = FirstBlur * Math.Pow(2, (level - 1.0) / Levels), here = FirstBlur * Math.Pow(2, (double)level / Levels);
            gaussians[level] = gaussians[level - 1].Blur(Math.Sqrt((here * here) - (before * before)));
        }

        return gaussians;
    }

    private static void Extrema(Plane[] gaussians, int octave, List<(int, int, float, float, float, float)> found)
    {
        int width = gaussians[0].Width, height = gaussians[0].Height;
        var differences = new float[Levels + 2][];
        for (int level = 0; level < differences.Length; level++)
        {
            var (a, b) = (gaussians[level].Values, gaussians[level + 1].Values);
            differences[level] = new float[a.Length];
            for (int i = 0; i < a.Length; i++)
            {
                differences[level][i] = b[i] - a[i];
            }
        }

        for (int level = 1; level <= Levels; level++)
        {
            var (below, here, above) = (differences[level - 1], differences[level], differences[level + 1]);
            for (int y = Border; y < height - Border; y++)
            {
                for (int x = Border; x < width - Border; x++)
                {
                    int at = (y * width) + x;
                    float value = here[at];
                    if (Math.Abs(value) < Contrast || !IsExtremum(below, here, above, at, width, value) || IsEdge(here, at, width))
                    {
                        continue;
                    }

                    float dx = Peak(here[at - 1], value, here[at + 1]), dy = Peak(here[at - width], value, here[at + width]), ds = Peak(below[at], value, above[at]);
                    found.Add((octave, level, x + dx, y + dy, Math.Abs(value), ds));
                }
            }
        }
    }

    private static bool IsExtremum(float[] below, float[] here, float[] above, int at, int width, float value)
    {
        bool high = value > 0;
        for (int dy = -width; dy <= width; dy += width)
        {
            for (int dx = -1; dx <= 1; dx++)
            {
                int i = at + dy + dx;
                if (high ? (i != at && here[i] >= value) || below[i] >= value || above[i] >= value : (i != at && here[i] <= value) || below[i] <= value || above[i] <= value)
                {
                    return false;
                }
            }
        }

        return true;
    }

    private static bool IsEdge(float[] d, int at, int width)
    {
        float xx = d[at - 1] + d[at + 1] - (2 * d[at]), yy = d[at - width] + d[at + width] - (2 * d[at]);
        float xy = (d[at + width + 1] - d[at + width - 1] - d[at - width + 1] + d[at - width - 1]) / 4;
        float trace = xx + yy, determinant = (xx * yy) - (xy * xy);
        return determinant <= 0 || trace * trace * EdgeRatio >= (EdgeRatio + 1) * (EdgeRatio + 1) * determinant;
    }

    /// <summary>Offset of a parabola's vertex through three values.</summary>
    private static float Peak(float before, float here, float after)
    {
        float curvature = before + after - (2 * here);
        return Math.Abs(curvature) < 1e-6f ? 0 : Math.Clamp((before - after) / (2 * curvature), -0.5f, 0.5f);
    }
}
