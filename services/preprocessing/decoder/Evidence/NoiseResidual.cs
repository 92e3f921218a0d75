using Palimpsest.Contracts;

namespace Palimpsest.Decoder.Evidence;

/// <summary>
/// Noise residual: luminance minus its 3×3 median, averaged in absolute value; with the noise level of the whole picture by J. Immerkær, "Fast Noise Variance Estimation" (1996). To be
/// looked at; what counts as unusual here are areas without any grain in a picture that has it elsewhere.
/// </summary>
internal static unsafe class NoiseResidual
{
    /// <summary>Grey levels at the map's brightest.</summary>
    private const float FullScale = 6;

    private const int Side = 8;

    public static Look Examine(EvidencePicture picture)
    {
        int wide = picture.Width / Side, high = picture.Height / Side;
        var residual = new float[wide * high];
        var row = new float[picture.Width];
        double laplacian = 0;
        for (int y = 1; y < picture.Height - 1; y++)
        {
            laplacian += ReadRow(picture, y, row);
            if (y / Side < high)
            {
                for (int x = 0; x < wide * Side; x++)
                {
                    residual[((y / Side) * wide) + (x / Side)] += row[x];
                }
            }
        }

        for (int i = 0; i < residual.Length; i++)
        {
            residual[i] /= Side * Side;
        }

        double sigma = Math.Sqrt(Math.PI / 2) * laplacian / (6.0 * (picture.Width - 2) * (picture.Height - 2));
        double still = residual.Count(r => r < 0.02f) / (double)residual.Length;
        return new Look
        {
            Finding = null,
            Summary = $"The grain of the picture, to be looked at: about {sigma:0.0} grey levels of noise and fine texture{(still > 0.02 ? $"; {still * 100:0} % of it has none at all" : "")}.",
            Facts = [new("Noise level (Immerkær)", $"{sigma:0.00} grey levels"), new("Mean residual", $"{residual.Average():0.00} grey levels"), new("Area without any grain", $"{still * 100:0.0} %")],
            Map = LevelMap.FromSquares(picture.Width, picture.Height, Side, wide, residual, 0, FullScale),
        };
    }

    /// <summary>Absolute residuals of a row; returns the sum of |Laplacian difference| (Immerkær's mask).</summary>
    private static double ReadRow(EvidencePicture picture, int y, float[] row)
    {
        int width = picture.Width;
        float* above = picture.Luminance + ((long)(y - 1) * width), here = above + width, below = here + width;
        float sum = 0;
        (row[0], row[width - 1]) = (0, 0);
        for (int x = 1; x < width - 1; x++)
        {
            float median = Median(above[x - 1], above[x], above[x + 1], here[x - 1], here[x], here[x + 1], below[x - 1], below[x], below[x + 1]);
            row[x] = Math.Abs(here[x] - median);
            sum += Math.Abs(above[x - 1] + above[x + 1] + below[x - 1] + below[x + 1] - (2 * (above[x] + below[x] + here[x - 1] + here[x + 1])) + (4 * here[x]));
        }

        return sum;
    }

    /// <summary>Median of nine by 19 exchanges (A. Paeth, Graphics Gems, 1990).</summary>
    private static float Median(float a, float b, float c, float d, float e, float f, float g, float h, float i)
    {
        Order(ref b, ref c);
        Order(ref e, ref f);
        Order(ref h, ref i);
        Order(ref a, ref b);
        Order(ref d, ref e);
        Order(ref g, ref h);
        Order(ref b, ref c);
        Order(ref e, ref f);
        Order(ref h, ref i);
        d = Math.Max(a, d);
        f = Math.Min(f, i);
        Order(ref e, ref h);
        g = Math.Max(d, g);
        e = Math.Max(b, e);
        c = Math.Min(c, f);
        e = Math.Min(e, h);
        Order(ref e, ref c);
        e = Math.Max(g, e);
        return Math.Min(e, c);

        static void Order(ref float low, ref float high) => (low, high) = (Math.Min(low, high), Math.Max(low, high));
    }
}
