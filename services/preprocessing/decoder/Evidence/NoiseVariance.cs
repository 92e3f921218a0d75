using Palimpsest.Contracts;

namespace Palimpsest.Decoder.Evidence;

/// <summary>
/// Local noise variance after B. Mahdian and S. Saic, "Using noise inconsistencies for blind image forensics" (2009): the noise of each square from the median absolute value of its
/// finest diagonal detail (Donoho and Johnstone's estimator). Texture looks like noise but has gaps, while noise is everywhere: what counts is the level that even the calmest squares of a
/// neighbourhood have (after X. Liu, M. Tanaka, M. Okutomi, "Noise level estimation using weak textured patches of a single noisy image", 2012), compared with what is typical at that
/// brightness and texture. Texture is measured from means over 4×4 pixels, which noise hardly changes.
/// </summary>
internal static unsafe class NoiseVariance
{
    private const int Side = 8;

    /// <summary>Squares on each side of a neighbourhood.</summary>
    private const int Radius = 2;

    /// <summary>Levels of the histogram that a square's median is read from.</summary>
    private const int Bins = 256;

    /// <summary>Bins a grey level.</summary>
    private const float Fineness = 8;

    public static Look Examine(EvidencePicture picture)
    {
        int wide = picture.Width / Side, high = picture.Height / Side;
        var (noise, brightness, means) = (new float[wide * high], new float[wide * high], new float[wide * high * 4]);
        Measure(picture, wide, high, noise, brightness, means);
        // Typical at a brightness: photon noise grows with it, and clipped parts have none.
        float[] typical = TypicalAt(noise, brightness);
        var ratio = new float[noise.Length];
        for (int i = 0; i < noise.Length; i++)
        {
            ratio[i] = MathF.Log2((noise[i] + 0.1f) / (typical[(int)brightness[i] / 16] + 0.1f));
        }

        float[] texture = Grid.BoxMean(Texture(means, wide, high), wide, high, Radius);
        for (int i = 0; i < texture.Length; i++)
        {
            texture[i] = brightness[i] is < 6 or > 249 ? float.NaN : texture[i];
        }

        var standouts = Standouts.Find(Calmest(ratio, wide, high), texture, wide, high, Standouts.Settings.NoiseVariance);
        bool found = standouts.Regions.Count > 0;
        return new Look
        {
            Finding = found ? EvidenceFindings.Unusual : EvidenceFindings.NothingUnusual,
            Summary = found
                ? $"{Standouts.Areas(standouts.Regions.Count)} has clearly more noise than equally bright and textured parts."
                : "Nothing unusual: noise varies as brightness and texture let expect.",
            Facts = [new("Typical noise", $"{Grid.Median([.. noise]):0.00} grey levels"), new("Area with more noise", $"{standouts.Share * 100:0.0} %")],
            Regions = standouts.In(Side),
            Map = LevelMap.FromSquares(picture.Width, picture.Height, Side, wide, standouts.Deviations, -4, 4),
        };
    }

    private static void Measure(EvidencePicture picture, int wide, int high, float[] noise, float[] brightness, float[] means)
    {
        int width = picture.Width;
        int* histogram = stackalloc int[Bins];
        for (int by = 0, at = 0; by < high; by++)
        {
            for (int bx = 0; bx < wide; bx++, at++)
            {
                new Span<int>(histogram, Bins).Clear();
                float sum = 0;
                // 2×2 Haar: its diagonal detail is the finest there is.
                for (int y = 0; y < Side; y += 2)
                {
                    float* a = picture.Luminance + ((long)((by * Side) + y) * width) + (bx * Side), b = a + width;
                    for (int x = 0; x < Side; x += 2)
                    {
                        float mean = (a[x] + a[x + 1] + b[x] + b[x + 1]) / 4;
                        sum += mean;
                        means[(((by * 2) + (y / 4)) * wide * 2) + (bx * 2) + (x / 4)] += mean / 4;
                        Count(histogram, a[x] - a[x + 1] - b[x] + b[x + 1]);
                    }
                }

                // The same, shifted by one pixel: twice the samples.
                for (int y = 1; y < Side - 1; y += 2)
                {
                    float* a = picture.Luminance + ((long)((by * Side) + y) * width) + (bx * Side), b = a + width;
                    for (int x = 1; x < Side - 1; x += 2)
                    {
                        Count(histogram, a[x] - a[x + 1] - b[x] + b[x + 1]);
                    }
                }

                brightness[at] = Math.Clamp(sum / 16, 0, 255);
                // |d/2| has the noise's own deviation: median / 0.6745.
                noise[at] = MedianOf(histogram, 25) / 2 / 0.6745f;
            }
        }

        static void Count(int* histogram, float detail) => histogram[Math.Min((int)(Math.Abs(detail) * Fineness), Bins - 1)]++;
    }

    /// <summary>For each square the mean difference between means over 4×4 pixels and their neighbours.</summary>
    private static float[] Texture(float[] means, int wide, int high)
    {
        int across = wide * 2, down = high * 2;
        var texture = new float[wide * high];
        for (int y = 0; y < down; y++)
        {
            for (int x = 0; x < across; x++)
            {
                float here = means[(y * across) + x];
                float left = x > 0 ? Math.Abs(here - means[(y * across) + x - 1]) : float.NaN, right = x < across - 1 ? Math.Abs(here - means[(y * across) + x + 1]) : left;
                float above = y > 0 ? Math.Abs(here - means[((y - 1) * across) + x]) : float.NaN, below = y < down - 1 ? Math.Abs(here - means[((y + 1) * across) + x]) : above;
                left = float.IsNaN(left) ? right : left;
                above = float.IsNaN(above) ? below : above;
                texture[(y / 2 * wide) + (x / 2)] += (left + right + above + below) / 16;
            }
        }

        return texture;
    }

    /// <summary>For each square the lower quartile of its neighbourhood.</summary>
    private static float[] Calmest(float[] values, int wide, int high)
    {
        var calmest = new float[values.Length];
        Span<float> around = stackalloc float[((2 * Radius) + 1) * ((2 * Radius) + 1)];
        for (int y = 0; y < high; y++)
        {
            for (int x = 0; x < wide; x++)
            {
                int count = 0;
                for (int j = Math.Max(0, y - Radius); j <= Math.Min(high - 1, y + Radius); j++)
                {
                    for (int i = Math.Max(0, x - Radius); i <= Math.Min(wide - 1, x + Radius); i++)
                    {
                        around[count++] = values[(j * wide) + i];
                    }
                }

                around[..count].Sort();
                calmest[(y * wide) + x] = around[count / 4];
            }
        }

        return calmest;
    }

    private static float MedianOf(int* histogram, int count)
    {
        int seen = 0, bin = 0;
        while (bin < Bins - 1 && (seen += histogram[bin]) * 2 < count)
        {
            bin++;
        }

        return (bin + 0.5f) / Fineness;
    }

    private static float[] TypicalAt(float[] noise, float[] brightness)
    {
        float whole = Grid.Median([.. noise]);
        return [.. Enumerable.Range(0, 16).Select(c =>
        {
            float[] members = [.. noise.Where((_, i) => (int)brightness[i] / 16 == c)];
            return members.Length >= 32 ? Grid.Median(members) : whole;
        })];
    }
}
