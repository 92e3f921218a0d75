using Palimpsest.Contracts;

namespace Palimpsest.Decoder.Evidence;

/// <summary>
/// Local noise variance after B. Mahdian and S. Saic, "Using noise inconsistencies for blind image forensics" (2009): the noise of each square from the median absolute value of its
/// finest diagonal detail (Donoho and Johnstone's estimator), compared with what is typical in the picture at that brightness and texture.
/// </summary>
internal static unsafe class NoiseVariance
{
    private const int Side = 8;

    /// <summary>Levels of the histogram that a square's median is read from.</summary>
    private const int Bins = 256;

    /// <summary>Bins a grey level.</summary>
    private const float Fineness = 8;

    public static Look Examine(EvidencePicture picture)
    {
        int wide = picture.Width / Side, high = picture.Height / Side;
        var (noise, texture, brightness) = (new float[wide * high], new float[wide * high], new float[wide * high]);
        Measure(picture, wide, high, noise, texture, brightness);
        // Typical at a brightness: photon noise grows with it, and clipped parts have none.
        float[] typical = TypicalAt(noise, brightness);
        var ratio = new float[noise.Length];
        for (int i = 0; i < noise.Length; i++)
        {
            ratio[i] = MathF.Log2((noise[i] + 0.1f) / (typical[(int)brightness[i] / 16] + 0.1f));
            texture[i] = brightness[i] is < 6 or > 249 ? float.NaN : texture[i];
        }

        var standouts = Standouts.Find(ratio, texture, wide, high, Standouts.Settings.NoiseVariance);
        bool found = standouts.Regions.Count > 0;
        return new Look
        {
            Finding = found ? EvidenceFindings.Unusual : EvidenceFindings.NothingUnusual,
            Summary = found
                ? $"{Standouts.Areas(standouts.Regions.Count)} has clearly other noise than equally bright and textured parts."
                : "Nothing unusual: noise varies as brightness and texture let expect.",
            Facts = [new("Typical noise", $"{Grid.Median([.. noise]):0.00} grey levels"), new("Area with other noise", $"{standouts.Share * 100:0.0} %")],
            Regions = standouts.In(Side),
            Map = LevelMap.FromSquares(picture.Width, picture.Height, Side, wide, standouts.Deviations, -4, 4),
        };
    }

    private static void Measure(EvidencePicture picture, int wide, int high, float[] noise, float[] texture, float[] brightness)
    {
        int width = picture.Width;
        int* histogram = stackalloc int[Bins];
        for (int by = 0, at = 0; by < high; by++)
        {
            for (int bx = 0; bx < wide; bx++, at++)
            {
                new Span<int>(histogram, Bins).Clear();
                float sum = 0, coarse = 0;
                // 2×2 Haar: its diagonal detail is the finest there is; its means give texture without the grain.
                for (int y = 0; y < Side; y += 2)
                {
                    float* a = picture.Luminance + ((long)((by * Side) + y) * width) + (bx * Side), b = a + width;
                    float before = (a[0] + a[1] + b[0] + b[1]) / 4;
                    for (int x = 0; x < Side; x += 2)
                    {
                        float mean = (a[x] + a[x + 1] + b[x] + b[x + 1]) / 4;
                        sum += mean;
                        coarse += Math.Abs(mean - before);
                        before = mean;
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
                texture[at] = coarse / 12;
                // |d/2| has the noise's own deviation: median / 0.6745.
                noise[at] = MedianOf(histogram, 25) / 2 / 0.6745f;
            }
        }

        static void Count(int* histogram, float detail) => histogram[Math.Min((int)(Math.Abs(detail) * Fineness), Bins - 1)]++;
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
