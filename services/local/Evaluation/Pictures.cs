using System.Globalization;
using Palimpsest.Contracts;
using Palimpsest.Imaging.Vips;

namespace Palimpsest.Local.Evaluation;

/// <summary>Reads pictures of the person at the keyboard, in this process: a labelled set is trusted, unlike an upload.</summary>
internal static class Pictures
{
    /// <summary>RGB pixels in displayed orientation.</summary>
    /// <exception cref="InvalidDataException">Not a picture by its bytes.</exception>
    /// <exception cref="VipsException">It cannot be decoded.</exception>
    public static VipsPixels Decode(string path)
    {
        using var opened = RgbDecoding.Open(path, FormatOf(path));
        using var rgb = RgbDecoding.ToRgb(opened, opened.Width, opened.Height);
        using var stored = rgb.ToPixels();
        using var image = stored.AsImage();
        using var displayed = RgbDecoding.Orient(image, opened.Orientation);
        return displayed.ToPixels();
    }

    /// <summary>A mask's first channel at the given size, nearest neighbour when it has another.</summary>
    public static byte[] DecodeMask(string path, int width, int height)
    {
        using var pixels = Decode(path);
        var mask = new byte[width * height];
        for (int y = 0; y < height; y++)
        {
            var row = pixels.Row((int)(((2L * y) + 1) * pixels.Height / (2L * height)));
            for (int x = 0; x < width; x++)
            {
                mask[(y * width) + x] = row[(int)(((2L * x) + 1) * pixels.Width / (2L * width)) * pixels.Bands];
            }
        }

        return mask;
    }

    /// <summary>A small JPEG for the report.</summary>
    public static byte[] Thumbnail(VipsPixels pixels, int longSide)
    {
        using var image = pixels.AsImage();
        using var tagged = image.Apply("copy", ("interpretation", pixels.Bands == 1 ? "b-w" : "srgb"));
        string scale = Math.Min(1, (double)longSide / Math.Max(pixels.Width, pixels.Height)).ToString("R", CultureInfo.InvariantCulture);
        using var small = tagged.Apply("resize", ("scale", scale));
        return small.Encode("jpegsave_buffer", ("Q", "80"), ("keep", "none"));
    }

    /// <summary>A small JPEG of one-channel values.</summary>
    public static unsafe byte[] Thumbnail(byte[] values, int width, int height, int longSide)
    {
        fixed (byte* pointer = values)
        {
            using var image = VipsImage.FromMemory(pointer, width, height, 1);
            using var tagged = image.Apply("copy", ("interpretation", "b-w"));
            string scale = Math.Min(1, (double)longSide / Math.Max(width, height)).ToString("R", CultureInfo.InvariantCulture);
            using var small = tagged.Apply("resize", ("scale", scale));
            return small.Encode("jpegsave_buffer", ("Q", "80"), ("keep", "none"));
        }
    }

    private static string FormatOf(string path)
    {
        using var file = File.OpenRead(path);
        Span<byte> prefix = stackalloc byte[ImageFormats.PrefixBytes];
        int read = file.ReadAtLeast(prefix, prefix.Length, throwOnEndOfStream: false);
        return ImageFormats.Detect(prefix[..read]) ?? throw new InvalidDataException($"{path} is not a picture of an accepted format.");
    }
}
