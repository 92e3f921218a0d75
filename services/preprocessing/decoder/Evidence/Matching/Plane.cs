using System.Numerics;

namespace Palimpsest.Decoder.Evidence.Matching;

/// <summary>A plane of floats, rows without padding.</summary>
internal sealed class Plane(int width, int height)
{
    public int Width { get; } = width;

    public int Height { get; } = height;

    public float[] Values { get; } = new float[width * height];

    public Span<float> Row(int y) => Values.AsSpan(y * Width, Width);

    /// <summary>The picture's luminance at another size: averaged when smaller, bilinear when larger.</summary>
    public static unsafe Plane Resize(EvidencePicture picture, int width, int height)
    {
        var plane = new Plane(width, height);
        double scaleX = (double)picture.Width / width, scaleY = (double)picture.Height / height;
        for (int y = 0; y < height; y++)
        {
            var row = plane.Row(y);
            for (int x = 0; x < width; x++)
            {
                row[x] = scaleX > 1 || scaleY > 1
                    ? Mean(picture, (int)(x * scaleX), (int)(y * scaleY), Math.Max((int)((x + 1) * scaleX), (int)(x * scaleX) + 1), Math.Max((int)((y + 1) * scaleY), (int)(y * scaleY) + 1))
                    : Sample(picture.Luminance, picture.Width, picture.Height, (float)(((x + 0.5) * scaleX) - 0.5), (float)(((y + 0.5) * scaleY) - 0.5));
            }
        }

        return plane;
    }

    /// <summary>Bilinear; outside, the edge's value.</summary>
    public unsafe float Sample(float x, float y)
    {
        fixed (float* values = Values)
        {
            return Sample(values, Width, Height, x, y);
        }
    }

    /// <summary>Every second pixel.</summary>
    public Plane Half()
    {
        var half = new Plane(Width / 2, Height / 2);
        for (int y = 0; y < half.Height; y++)
        {
            var from = Row(2 * y);
            var to = half.Row(y);
            for (int x = 0; x < to.Length; x++)
            {
                to[x] = from[2 * x];
            }
        }

        return half;
    }

    /// <summary>Gaussian blur, separable, edges repeated.</summary>
    public Plane Blur(double sigma)
    {
        int radius = Math.Max(1, (int)Math.Ceiling(3 * sigma));
        float[] kernel = [.. Enumerable.Range(-radius, (2 * radius) + 1).Select(i => (float)Math.Exp(-i * i / (2 * sigma * sigma)))];
        float sum = kernel.Sum();
        for (int i = 0; i < kernel.Length; i++)
        {
            kernel[i] /= sum;
        }

        var across = new Plane(Width, Height);
        var padded = new float[Width + (2 * radius)];
        for (int y = 0; y < Height; y++)
        {
            var row = Row(y);
            padded.AsSpan(0, radius).Fill(row[0]);
            row.CopyTo(padded.AsSpan(radius));
            padded.AsSpan(radius + Width).Fill(row[^1]);
            Weigh(across.Row(y), kernel, (k, at) => padded.AsSpan(at + k));
        }

        var blurred = new Plane(Width, Height);
        for (int y = 0; y < Height; y++)
        {
            int here = y;
            Weigh(blurred.Row(y), kernel, (k, at) => across.Row(Math.Clamp(here + k - radius, 0, Height - 1))[at..]);
        }

        return blurred;
    }

    private delegate Span<float> Source(int k, int at);

    private static void Weigh(Span<float> target, float[] kernel, Source source)
    {
        target.Clear();
        for (int k = 0; k < kernel.Length; k++)
        {
            var from = source(k, 0);
            var weight = new Vector<float>(kernel[k]);
            int x = 0;
            for (; x + Vector<float>.Count <= target.Length; x += Vector<float>.Count)
            {
                (new Vector<float>(target[x..]) + (weight * new Vector<float>(from[x..]))).CopyTo(target[x..]);
            }

            for (; x < target.Length; x++)
            {
                target[x] += kernel[k] * from[x];
            }
        }
    }

    private static unsafe float Mean(EvidencePicture picture, int x0, int y0, int x1, int y1)
    {
        (x1, y1) = (Math.Min(x1, picture.Width), Math.Min(y1, picture.Height));
        float sum = 0;
        for (int y = y0; y < y1; y++)
        {
            float* row = picture.Luminance + ((long)y * picture.Width);
            for (int x = x0; x < x1; x++)
            {
                sum += row[x];
            }
        }

        return sum / Math.Max(1, (x1 - x0) * (y1 - y0));
    }

    private static unsafe float Sample(float* values, int width, int height, float x, float y)
    {
        x = Math.Clamp(x, 0, width - 1.001f);
        y = Math.Clamp(y, 0, height - 1.001f);
        int left = (int)x, top = (int)y;
        float fx = x - left, fy = y - top;
        float* a = values + ((long)top * width) + left, b = top + 1 < height ? a + width : a;
        int next = left + 1 < width ? 1 : 0;
        float upper = a[0] + ((a[next] - a[0]) * fx), lower = b[0] + ((b[next] - b[0]) * fx);
        return upper + ((lower - upper) * fy);
    }
}
