using Palimpsest.Contracts;
using Palimpsest.Decoder.Evidence;
using Palimpsest.Imaging.Protocol;
using Palimpsest.Tests.Imaging;

namespace Palimpsest.Tests.Evidence;

/// <summary>Pictures with a known history: scenes with structure of every size, saved and pasted as forgers do.</summary>
internal static class MadePictures
{
    public const int Width = 480;
    public const int Height = 360;

    /// <summary>Where things are pasted.</summary>
    public static readonly PixelBox Place = new() { X = 272, Y = 184, Width = 128, Height = 112 };

    /// <summary>RGB pixels of a scene: smooth noise of five sizes, larger is stronger, and fine grain.</summary>
    public static byte[] Scene(int seed, double grain = 1.5)
    {
        var random = new Random(seed);
        var luminance = new double[Width * Height];
        foreach (int cell in (int[])[96, 48, 24, 12, 6])
        {
            int wide = (Width / cell) + 3, high = (Height / cell) + 3;
            double[] knots = [.. Enumerable.Range(0, wide * high).Select(_ => (random.NextDouble() * 2) - 1)];
            double strength = 6 * Math.Pow(cell, 0.55);
            for (int y = 0; y < Height; y++)
            {
                for (int x = 0; x < Width; x++)
                {
                    luminance[(y * Width) + x] += strength * Smooth(knots, wide, x / (double)cell, y / (double)cell);
                }
            }
        }

        var pixels = new byte[Width * Height * 3];
        for (int i = 0; i < luminance.Length; i++)
        {
            // The sum of three uniform numbers is close enough to normal.
            double noise = grain * 2 * (random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5);
            for (int band = 0; band < 3; band++)
            {
                pixels[(i * 3) + band] = (byte)Math.Clamp(128 + luminance[i] + noise + (band * 8) - 8, 12, 243);
            }
        }

        return pixels;
    }

    /// <summary>The pixels after saving as JPEG.</summary>
    public static byte[] Saved(byte[] pixels, int quality) => TestPictures.Decode(Jpeg(pixels, quality), "jpegload", out _, out _);

    public static byte[] Jpeg(byte[] pixels, int quality) => TestPictures.Encode(pixels, Width, Height, "jpegsave_buffer", ("Q", quality.ToString()), ("subsample-mode", "off"));

    public static byte[] Png(byte[] pixels) => TestPictures.Encode(pixels, Width, Height, "pngsave_buffer");

    /// <summary>The same picture read at an offset, its far edges repeated.</summary>
    public static byte[] Shifted(byte[] pixels, int dx, int dy)
    {
        var shifted = new byte[pixels.Length];
        for (int i = 0; i < Width * Height; i++)
        {
            int from = (Math.Min((i / Width) + dy, Height - 1) * Width) + Math.Min((i % Width) + dx, Width - 1);
            pixels.AsSpan(from * 3, 3).CopyTo(shifted.AsSpan(i * 3));
        }

        return shifted;
    }

    /// <summary>The host with an ellipse of the donor in <see cref="Place"/>; the donor is read at an offset.</summary>
    public static byte[] Paste(byte[] host, byte[] donor, int dx = 0, int dy = 0) => Paste(host, (x, y) => Pixel(donor, x + dx, y + dy));

    /// <summary>The host with an ellipse of what <paramref name="source"/> gives for each place.</summary>
    public static byte[] Paste(byte[] host, Func<int, int, (double R, double G, double B)> source)
    {
        byte[] pixels = [.. host];
        for (int y = Place.Y; y < Place.Y + Place.Height; y++)
        {
            for (int x = Place.X; x < Place.X + Place.Width; x++)
            {
                double u = ((x + 0.5 - Place.X) / Place.Width * 2) - 1, v = ((y + 0.5 - Place.Y) / Place.Height * 2) - 1;
                if ((u * u) + (v * v) < 1)
                {
                    var (r, g, b) = source(x, y);
                    int at = ((y * Width) + x) * 3;
                    (pixels[at], pixels[at + 1], pixels[at + 2]) = ((byte)Math.Clamp(Math.Round(r), 0, 255), (byte)Math.Clamp(Math.Round(g), 0, 255), (byte)Math.Clamp(Math.Round(b), 0, 255));
                }
            }
        }

        return pixels;
    }

    /// <summary>A pixel, bilinear between four.</summary>
    public static (double R, double G, double B) Pixel(byte[] pixels, double x, double y)
    {
        int left = Math.Clamp((int)Math.Floor(x), 0, Width - 2), top = Math.Clamp((int)Math.Floor(y), 0, Height - 2);
        double fx = Math.Clamp(x - left, 0, 1), fy = Math.Clamp(y - top, 0, 1);
        double Band(int band)
        {
            double At(int i, int j) => pixels[(((j * Width) + i) * 3) + band];
            return (((At(left, top) * (1 - fx)) + (At(left + 1, top) * fx)) * (1 - fy)) + (((At(left, top + 1) * (1 - fx)) + (At(left + 1, top + 1) * fx)) * fy);
        }

        return (Band(0), Band(1), Band(2));
    }

    /// <summary>Looks as a decoder process does.</summary>
    public static EvidenceAnswer Examine(byte[] file, string kind)
    {
        string upload = Path.GetTempFileName(), output = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(upload, file);
            return EvidenceWork.Do(new EvidenceRequest { Upload = upload, Output = output, Limits = new DecodeLimits(), Kind = kind });
        }
        finally
        {
            File.Delete(upload);
            File.Delete(output);
        }
    }

    /// <summary>Intersection over union.</summary>
    public static double Overlap(PixelBox a, PixelBox b)
    {
        double wide = Math.Max(0, Math.Min(a.X + a.Width, b.X + b.Width) - Math.Max(a.X, b.X)), high = Math.Max(0, Math.Min(a.Y + a.Height, b.Y + b.Height) - Math.Max(a.Y, b.Y));
        return wide * high / (((double)a.Width * a.Height) + ((double)b.Width * b.Height) - (wide * high));
    }

    private static double Smooth(double[] knots, int wide, double x, double y)
    {
        int i = (int)x, j = (int)y;
        double fx = x - i, fy = y - j;
        (fx, fy) = (fx * fx * (3 - (2 * fx)), fy * fy * (3 - (2 * fy)));
        double upper = knots[(j * wide) + i] + ((knots[(j * wide) + i + 1] - knots[(j * wide) + i]) * fx);
        double lower = knots[((j + 1) * wide) + i] + ((knots[((j + 1) * wide) + i + 1] - knots[((j + 1) * wide) + i]) * fx);
        return upper + ((lower - upper) * fy);
    }
}
