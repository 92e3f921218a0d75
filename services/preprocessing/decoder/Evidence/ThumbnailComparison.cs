using Palimpsest.Imaging.Vips;

namespace Palimpsest.Decoder.Evidence;

/// <summary>Whether an embedded thumbnail shows the picture.</summary>
internal static class ThumbnailComparison
{
    private const int Side = 32;

    /// <summary>
    /// Correlation of both, averaged to 32×32 cells of grey. Cameras write thumbnails of 4:3 with black bars above and below (or beside) pictures of other shape: those are left out.
    /// </summary>
    public static double Correlate(VipsPixels thumbnail, VipsPixels picture)
    {
        var (left, top, right, bottom) = WithoutBars(thumbnail);
        double best = Correlation(Shrink(thumbnail, left, top, right, bottom), Shrink(picture, 0, 0, picture.Width, picture.Height));
        return (left, top, right, bottom) == (0, 0, thumbnail.Width, thumbnail.Height) ? best
            : Math.Max(best, Correlation(Shrink(thumbnail, 0, 0, thumbnail.Width, thumbnail.Height), Shrink(picture, 0, 0, picture.Width, picture.Height)));
    }

    private static (int Left, int Top, int Right, int Bottom) WithoutBars(VipsPixels pixels)
    {
        int top = 0, bottom = pixels.Height, left = 0, right = pixels.Width;
        while (top < pixels.Height / 3 && IsDark(pixels, 0, top, pixels.Width, 1))
        {
            top++;
        }

        while (bottom > pixels.Height * 2 / 3 && IsDark(pixels, 0, bottom - 1, pixels.Width, 1))
        {
            bottom--;
        }

        while (left < pixels.Width / 3 && IsDark(pixels, left, 0, 1, pixels.Height))
        {
            left++;
        }

        while (right > pixels.Width * 2 / 3 && IsDark(pixels, right - 1, 0, 1, pixels.Height))
        {
            right--;
        }

        return (left, top, right, bottom);
    }

    private static bool IsDark(VipsPixels pixels, int x, int y, int width, int height)
    {
        long sum = 0;
        for (int j = y; j < y + height; j++)
        {
            foreach (byte value in pixels.Row(j).Slice(x * 3, width * 3))
            {
                sum += value;
            }
        }

        return sum < 24L * 3 * width * height;
    }

    private static float[] Shrink(VipsPixels pixels, int left, int top, int right, int bottom)
    {
        var cells = new float[Side * Side];
        for (int j = 0; j < Side; j++)
        {
            int y0 = top + ((bottom - top) * j / Side), y1 = Math.Max(y0 + 1, top + ((bottom - top) * (j + 1) / Side));
            for (int i = 0; i < Side; i++)
            {
                int x0 = left + ((right - left) * i / Side), x1 = Math.Max(x0 + 1, left + ((right - left) * (i + 1) / Side));
                long sum = 0;
                for (int y = y0; y < y1; y++)
                {
                    foreach (byte value in pixels.Row(y)[(x0 * 3)..(x1 * 3)])
                    {
                        sum += value;
                    }
                }

                cells[(j * Side) + i] = sum / (3f * (x1 - x0) * (y1 - y0));
            }
        }

        return cells;
    }

    private static double Correlation(float[] a, float[] b)
    {
        double meanA = a.Average(), meanB = b.Average(), ab = 0, aa = 0, bb = 0;
        for (int i = 0; i < a.Length; i++)
        {
            ab += (a[i] - meanA) * (b[i] - meanB);
            aa += (a[i] - meanA) * (a[i] - meanA);
            bb += (b[i] - meanB) * (b[i] - meanB);
        }

        // Two plain surfaces agree.
        return aa < 1 && bb < 1 ? 1 : ab / Math.Sqrt(Math.Max(aa * bb, 1e-9));
    }
}
