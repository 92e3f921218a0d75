using Palimpsest.Imaging.Vips;

namespace Palimpsest.Bench;

/// <summary>Grainy JPEGs of quality 85, another one for each seed.</summary>
internal static class BenchPictures
{
    public const int Width = 512;
    public const int Height = 384;

    public static unsafe byte[] Jpeg(int seed)
    {
#pragma warning disable CA5394 // grain, not a secret
        var random = new Random(seed);
        var pixels = new byte[Width * Height * 3];
        for (int i = 0; i < pixels.Length; i++)
        {
            int x = i / 3 % Width, y = i / 3 / Width;
            pixels[i] = (byte)Math.Clamp(128 + (60 * Math.Sin((x + seed) / 17.0)) + (40 * Math.Cos(y / 11.0)) + random.Next(-9, 10), 0, 255);
        }
#pragma warning restore CA5394

        fixed (byte* data = pixels)
        {
            using var raw = VipsImage.FromMemory(data, Width, Height, 3);
            using var image = raw.Apply("copy", ("interpretation", "srgb"));
            return image.Encode("jpegsave_buffer", ("Q", "85"));
        }
    }
}
