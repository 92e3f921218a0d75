using System.Runtime.Intrinsics;
using Palimpsest.Contracts;
using Palimpsest.Decoder.Jpeg;

namespace Palimpsest.Decoder.Evidence;

/// <summary>
/// JPEG ghosts (H. Farid, "Exposing digital forgeries from JPEG ghosts", 2009): a part that was once saved at a lower quality changes least when saved at that quality again. Saving is
/// computed on the cosine coefficients of the picture's own blocks; by Parseval's theorem the squared error of the coefficients is that of the pixels.
/// </summary>
internal static unsafe class JpegGhosts
{
    private const int LowestQuality = 40;
    private const int QualityStep = 2;
    private const int Qualities = 29; // 40, 42, … 96

    /// <summary>Steps to the neighbours that a minimum is held against: six of quality.</summary>
    private const int Reach = 3;

    /// <summary>The last save has a minimum of its own everywhere, which is not looked for.</summary>
    private const int BelowLast = 5;

    /// <summary>Relative depth at the map's brightest.</summary>
    private const float FullScale = 0.4f;

    /// <summary>Squares on each side that are averaged.</summary>
    private const int Radius = 2;

    private const float Limit = 0.3f;

    /// <summary>Median depth from which on the picture as a whole counts as saved at that quality.</summary>
    private const float WholeDip = 0.4f;

    /// <summary>At qualities where the picture's median is farther from 0 than this, the last save's own steps decide and nothing can be said.</summary>
    private const float Calm = 0.06f;

    private const int Fewest = 32;

    public static Look Examine(EvidencePicture picture)
    {
        int wide = picture.BlocksWide, high = picture.BlocksHigh;
        if (wide < 8 || high < 8)
        {
            return Look.NotApplicable("The picture has too few blocks to compare.");
        }

        int last = picture.ReadJpeg(wantCoefficients: false).Facts?.QualityEstimate ?? 101;
        var errors = Errors(picture, wide, high);
        float[] texture = [.. errors[0].Select(e => e < 0.5f ? float.NaN : MathF.Log2(e))];
        for (int q = 0; q < Qualities; q++)
        {
            errors[q] = Grid.BoxMean(errors[q], wide, high, Radius);
        }

        var dips = new Dictionary<int, float[]>();
        (int whole, float deepest) = (0, 0);
        for (int q = Reach; q < Qualities - Reach && LowestQuality + (q * QualityStep) <= last - BelowLast; q++)
        {
            float[] dip = Dip(errors[q - Reach], errors[q], errors[q + Reach]);
            float usual = Grid.Median([.. dip.Where((_, i) => !float.IsNaN(texture[i]))]);
            if (Math.Abs(usual) <= Calm)
            {
                dips[q] = dip;
            }

            (whole, deepest) = usual > deepest ? (LowestQuality + (q * QualityStep), usual) : (whole, deepest);
        }

        if (deepest > WholeDip)
        {
            // All of it was saved before: whatever dips deeper is only better textured. The double-quantisation map is the method for that.
            return Describe(picture, wide, new float[wide * high], [], whole, everywhere: true);
        }

        float[] strongest = new float[wide * high];
        (int quality, double weight, var areas) = (0, 0.0, new List<(int Left, int Top, int Right, int Bottom, int Count)>());
        foreach (var (q, dip) in dips)
        {
            // Only a place that dips deeper than equally textured places of the picture do is a ghost.
            float[] excess = Standouts.AboveMedian(dip, texture);
            var found = Standouts.Above(excess, wide, high, Limit, Standouts.Least(Fewest, wide, high));
            found.RemoveAll(a => a.Count > wide * high / 2);
            double sum = found.Sum(a => (double)a.Count) * excess.Max();
            if (sum > weight)
            {
                (quality, weight, areas) = (LowestQuality + (q * QualityStep), sum, found);
                strongest = excess;
            }
            else if (weight == 0)
            {
                strongest = [.. strongest.Zip(excess, Math.Max)];
            }
        }

        return Describe(picture, wide, strongest, areas, quality, everywhere: false);
    }

    private static Look Describe(EvidencePicture picture, int wide, float[] ghost, List<(int Left, int Top, int Right, int Bottom, int Count)> areas, int quality, bool everywhere)
    {
        bool any = areas.Count > 0;
        return new Look
        {
            Finding = any ? EvidenceFindings.Unusual : EvidenceFindings.NothingUnusual,
            Summary = any
                ? $"{Standouts.Areas(areas.Count)} was once saved at about JPEG quality {quality}, unlike the rest."
                : everywhere ? $"Nothing unusual: all of the picture was once saved at about JPEG quality {quality}, so no part can be told by that."
                : "Nothing unusual: no part shows an earlier JPEG quality of its own.",
            Facts =
            [
                new("Qualities tried", $"{LowestQuality} to {LowestQuality + ((Qualities - 1) * QualityStep)} in steps of {QualityStep}"),
                .. any ? [new EvidenceFact("Ghost at quality", $"about {quality}"), new EvidenceFact("Area", $"{areas.Sum(a => a.Count) * 100.0 / ghost.Length:0.0} %")] : Array.Empty<EvidenceFact>(),
            ],
            Regions = Standouts.Boxes(areas, 8),
            Map = LevelMap.FromSquares(picture.Width, picture.Height, 8, wide, ghost, 0, FullScale),
        };
    }

    /// <summary>How far the middle lies below the line between its neighbours, relative to it: scale-free, so texture does not matter.</summary>
    private static float[] Dip(float[] before, float[] here, float[] after)
    {
        var dip = new float[here.Length];
        for (int i = 0; i < dip.Length; i++)
        {
            float line = (before[i] + after[i]) / 2;
            // Blocks without texture have no error at any quality: nothing can be said of them.
            dip[i] = line < 0.05f ? 0 : (line - here[i]) / line;
        }

        return dip;
    }

    /// <summary>Mean squared change of each block for each quality.</summary>
    private static float[][] Errors(EvidencePicture picture, int wide, int high)
    {
        var errors = new float[Qualities][];
        var steps = new float[Qualities][];
        for (int q = 0; q < Qualities; q++)
        {
            errors[q] = new float[wide * high];
            steps[q] = BlockTransform.Natural(StandardTables.OfQuality(LowestQuality + (q * QualityStep)));
        }

        float* block = stackalloc float[64];
        for (int y = 0, at = 0; y < high; y++)
        {
            for (int x = 0; x < wide; x++, at++)
            {
                BlockTransform.Forward(picture.Luminance + ((long)y * 8 * picture.Width) + (x * 8), picture.Width, block);
                // Without brightness: over a smooth surface it is the same for many blocks and near a multiple of some step by chance.
                block[0] = 0;
                for (int q = 0; q < Qualities; q++)
                {
                    fixed (float* s = steps[q])
                    {
                        var sum = Vector256<float>.Zero;
                        for (int i = 0; i < 64; i += 8)
                        {
                            var value = Vector256.Load(block + i);
                            var step = Vector256.Load(s + i);
                            var change = value - (Vector256.Round(value / step) * step);
                            sum += change * change;
                        }

                        errors[q][at] = Vector256.Sum(sum) / 64;
                    }
                }
            }
        }

        return errors;
    }
}
