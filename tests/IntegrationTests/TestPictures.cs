using System.Globalization;
using Palimpsest.Imaging.Vips;

namespace Palimpsest.IntegrationTests;

/// <summary>Small photographs that the tests make: grainy shapes saved at one quality, with a patch of another history pasted in.</summary>
internal static class TestPictures
{
    /// <summary>A JPEG; each seed gives another picture.</summary>
    public static byte[] Forged(int seed, int width = 256, int height = 192)
    {
        byte[] host = Decode(Encode(Pixels(width, height, seed), width, height, 70)), donor = Decode(Encode(Pixels(width, height, seed + 1000), width, height, 95));
        for (int y = height / 4; y < height * 3 / 4; y++)
        {
            donor.AsSpan(((y * width) + (width / 4)) * 3, width / 2 * 3).CopyTo(host.AsSpan(((y * width) + (width / 4)) * 3));
        }

        return Encode(host, width, height, 92);
    }

    /// <summary>The same as PNG, whose pixels a browser shows exactly.</summary>
    public static byte[] Png(int seed, int width, int height) => Encode(Decode(Forged(seed, width, height)), width, height, "pngsave_buffer");

    /// <summary>The same picture saved once more, as a platform does.</summary>
    public static byte[] SavedAgain(byte[] jpeg, int quality)
    {
        var (values, width, height) = Read(jpeg);
        return Encode(values, width, height, quality);
    }

    /// <summary>A grainy picture in which one part appears a second time elsewhere.</summary>
    public static byte[] CopyMove(int seed, int width, int height)
    {
        byte[] pixels = Pixels(width, height, seed);
        var random = new Random(seed);
        for (int i = 0; i < 900; i++)
        {
            Stain(pixels, width, random.Next(4, width - 12), random.Next(4, height - 12), random.Next(3, 9), random.Next(-90, 90));
        }

        int size = height / 3;
        for (int y = 0; y < size; y++)
        {
            pixels.AsSpan((((y + (height / 8)) * width) + (width / 16)) * 3, size * 3).CopyTo(pixels.AsSpan((((y + (height / 2)) * width) + (width * 5 / 8)) * 3));
        }

        return Encode(pixels, width, height, 95);
    }

    private static void Stain(byte[] pixels, int width, int x, int y, int size, int change)
    {
        for (int i = 0; i < size * size * 3; i++)
        {
            ref byte value = ref pixels[((((y + (i / 3 / size)) * width) + x + (i / 3 % size)) * 3) + (i % 3)];
            value = (byte)Math.Clamp(value + change, 0, 255);
        }
    }

    /// <summary>Samples of a picture, row by row.</summary>
    public static (byte[] Values, int Width, int Height) Read(byte[] picture)
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, picture);
            using var pixels = Local.Evaluation.Pictures.Decode(path);
            return (pixels.Span.ToArray(), pixels.Width, pixels.Height);
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>Twelve megapixels: a small one, enlarged.</summary>
    public static unsafe byte[] Large(int seed)
    {
        const int Width = 1000, Height = 750;
        fixed (byte* data = Decode(Forged(seed, Width, Height)))
        {
            using var raw = VipsImage.FromMemory(data, Width, Height, 3);
            using var image = raw.Apply("copy", ("interpretation", "srgb"));
            using var large = image.Apply("resize", ("scale", "4"));
            return large.Encode("jpegsave_buffer", ("Q", "90"));
        }
    }

    private static byte[] Pixels(int width, int height, int seed)
    {
        var random = new Random(seed);
        var pixels = new byte[width * height * 3];
        for (int i = 0; i < pixels.Length; i++)
        {
            int x = i / 3 % width, y = i / 3 / width;
            double shape = 128 + (60 * Math.Sin((x + (seed * 13)) / (9.0 + (seed % 5)))) + (40 * Math.Cos((y + seed) / 11.0));
            pixels[i] = (byte)Math.Clamp(shape + random.Next(-9, 10) + (i % 3 * 8), 0, 255);
        }

        return pixels;
    }

    private static byte[] Encode(byte[] pixels, int width, int height, int quality) =>
        Encode(pixels, width, height, "jpegsave_buffer", ("Q", quality.ToString(CultureInfo.InvariantCulture)));

    private static unsafe byte[] Encode(byte[] pixels, int width, int height, string operation, params (string Name, string Value)[] options)
    {
        fixed (byte* data = pixels)
        {
            using var raw = VipsImage.FromMemory(data, width, height, 3);
            using var image = raw.Apply("copy", ("interpretation", "srgb"));
            return image.Encode(operation, options);
        }
    }

    private static byte[] Decode(byte[] jpeg) => Read(jpeg).Values;
}
