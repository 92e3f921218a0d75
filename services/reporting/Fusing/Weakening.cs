using Palimpsest.Hosting;
using Palimpsest.Imaging;

namespace Palimpsest.Reporting;

/// <summary>
/// How far each region of a localizer's map is believed. Two witnesses: the localizer's score of the picture, and the region's own border. What was put into a picture ends somewhere, so the
/// map falls steeply around it; the haze that networks lay over authentic faces and textures fades away. Score and border are judged in log-odds, and both weights are multiplied.
/// Constants: training/README.md, "From the network's mask to the map that is shown".
/// </summary>
internal sealed class Weakening
{
    /// <summary>Mean fall of the map's log-odds from cell to cell around a region, up to which it is haze, and from which it has a border, where the score is just not clean.</summary>
    private const double Haze = 0.25;
    private const double Border = 0.375;

    /// <summary>Steepness that each unit of the score's log-odds above the clean threshold makes up for.</summary>
    private const double Suspicion = 0.25;

    /// <summary>Log-odds of a map value; beyond ±5.5 a byte knows no difference.</summary>
    private static readonly double[] LogOdds = [.. Enumerable.Range(0, 256).Select(v => Math.Clamp(Calibration.Logit(v / 255.0), -5.5, 5.5))];

    private readonly double byScore;
    private readonly double shift;

    /// <summary>For one localizer's answer.</summary>
    /// <param name="score">Its calibrated score.</param>
    /// <param name="clean">Calibrated score up to which a picture is called clean.</param>
    /// <param name="silence">So far below the clean threshold, in log-odds, the score alone takes a region away.</param>
    public Weakening(double score, double clean, double silence)
    {
        double above = Calibration.Logit(score) - Calibration.Logit(clean);
        byScore = Math.Clamp(1 + (Math.Min(0, above) / silence), 0, 1);
        shift = Suspicion * Math.Max(0, above);
    }

    /// <summary>The map as it enters the fusion. No step anywhere at which a small change of score or border would switch a region off.</summary>
    /// <param name="map">The localizer's.</param>
    /// <param name="suppressed">Set when cells fell below the mask threshold; else left alone.</param>
    public byte[] Apply(ProbabilityMap map, ref bool suppressed)
    {
        var weakened = new byte[map.Values.Length];
        double least = byScore;
        foreach (var region in Connected.Regions(map))
        {
            double weight = byScore * ByBorder(Steepness(region, map));
            least = Math.Min(least, weight);
            foreach (int cell in region)
            {
                weakened[cell] = (byte)Math.Round(map.Values[cell] * weight);
                suppressed |= weakened[cell] < Fusion.MaskThreshold;
            }
        }

        // What lies around regions may not outshine them.
        for (int i = 0; i < weakened.Length; i++)
        {
            if (map.Values[i] < Fusion.MaskThreshold)
            {
                weakened[i] = (byte)Math.Round(map.Values[i] * least);
            }
        }

        return weakened;
    }

    private double ByBorder(double steepness) => Math.Clamp((steepness + shift - Haze) / (Border - Haze), 0, 1);

    /// <summary>Mean gradient of the log-odds over the cells on both sides of a region's border; 0 for one that covers the picture: it marks nothing off.</summary>
    private static double Steepness(IReadOnlyList<int> region, ProbabilityMap map)
    {
        var border = new HashSet<int>();
        int[] nine = new int[9];
        foreach (int cell in region)
        {
            foreach (int next in Connected.Around(cell, map, nine))
            {
                // Another region never touches this one: a neighbour above the threshold is its own.
                if (map.Values[next] < Fusion.MaskThreshold)
                {
                    border.Add(cell);
                    border.Add(next);
                }
            }
        }

        return border.Count == 0 ? 0 : border.Sum(cell => Gradient(cell, map)) / border.Count;
    }

    /// <summary>Sobel, in log-odds a cell; the picture's edge mirrors.</summary>
    private static double Gradient(int cell, ProbabilityMap map)
    {
        int x = cell % map.Width, y = cell / map.Width;
        double At(int dx, int dy) => LogOdds[map.Values[(Mirror(y + dy, map.Height) * map.Width) + Mirror(x + dx, map.Width)]];
        double across = At(1, -1) + (2 * At(1, 0)) + At(1, 1) - At(-1, -1) - (2 * At(-1, 0)) - At(-1, 1);
        double down = At(-1, 1) + (2 * At(0, 1)) + At(1, 1) - At(-1, -1) - (2 * At(0, -1)) - At(1, -1);
        return Math.Sqrt((across * across) + (down * down)) / 8;
    }

    private static int Mirror(int i, int n) => n == 1 ? 0 : i < 0 ? 1 : i >= n ? n - 2 : i;
}
