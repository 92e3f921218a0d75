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
    private const int LowestQuality = 35;
    private const int QualityStep = 5;
    private const int Qualities = 13; // 35, 40, … 95

    /// <summary>Relative depth at the map's brightest.</summary>
    private const float FullScale = 0.4f;

    /// <summary>Squares on each side that are averaged.</summary>
    private const int Radius = 2;

    private const float Limit = 0.12f;
    private const int Fewest = 30;

    public static Look Examine(EvidencePicture picture)
    {
        int wide = picture.BlocksWide, high = picture.BlocksHigh;
        var errors = Errors(picture, wide, high);
        for (int q = 0; q < Qualities; q++)
        {
            errors[q] = Grid.BoxMean(errors[q], wide, high, Radius);
        }

        // The last save's own minimum is everywhere; only a place that dips deeper than the rest of the picture does is a ghost.
        float[] ghost = new float[wide * high];
        (int quality, var areas) = (0, new List<(int Left, int Top, int Right, int Bottom, int Count)>());
        for (int q = 1; q < Qualities - 1; q++)
        {
            float[] dip = Dip(errors[q - 1], errors[q], errors[q + 1]);
            float usual = Grid.Median([.. dip]);
            float[] excess = [.. dip.Select(d => d - usual)];
            var found = Standouts.Above(excess, wide, high, Limit, Fewest);
            found.RemoveAll(a => a.Count > wide * high / 2);
            if (found.Count > 0 && (areas.Count == 0 || found[0].Count > areas[0].Count))
            {
                (quality, areas, ghost) = (LowestQuality + (q * QualityStep), found, excess);
            }
            else if (areas.Count == 0)
            {
                ghost = [.. ghost.Zip(excess, Math.Max)];
            }
        }

        bool any = areas.Count > 0;
        return new Look
        {
            Finding = any ? EvidenceFindings.Unusual : EvidenceFindings.NothingUnusual,
            Summary = any
                ? $"{Standouts.Areas(areas.Count)} was once saved at about JPEG quality {quality}, unlike the rest."
                : "Nothing unusual: no part shows an earlier JPEG quality of its own.",
            Facts =
            [
                new("Qualities tried", $"{LowestQuality} to {LowestQuality + ((Qualities - 1) * QualityStep)} in steps of {QualityStep}"),
                .. any ? [new EvidenceFact("Ghost at quality", $"about {quality}"), new EvidenceFact("Area", $"{areas.Sum(a => a.Count) * 100.0 / (wide * high):0.0} %")] : Array.Empty<EvidenceFact>(),
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
                // JPEG subtracts 128 from every pixel: 1024 from the first coefficient.
                block[0] -= 1024;
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
