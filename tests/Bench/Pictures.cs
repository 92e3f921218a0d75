using Palimpsest.Imaging.Vips;

namespace Palimpsest.Bench;

/// <summary>Grainy pictures of one size, another one for each seed, so that no answer comes from the cache unless that is what is measured.</summary>
/// <param name="Width">Pixels.</param>
/// <param name="Height">Pixels.</param>
/// <param name="Quality">Of the JPEG; 0: a PNG.</param>
internal sealed record Pictures(int Width, int Height, int Quality = 85)
{
    private static int seed;

    /// <summary>1.03 megapixels.</summary>
    public static Pictures Megapixel { get; } = new(1152, 896);

    /// <summary>A moderation queue's ordinary picture.</summary>
    public static Pictures Small { get; } = new(512, 384);

    /// <summary>What the no-op pipeline is fed.</summary>
    public static Pictures Tiny { get; } = new(64, 64, 0);

    /// <summary>A JPEG file of about a megabyte.</summary>
    public static Pictures Megabyte { get; } = new(1920, 1280, 92);

    /// <summary>Several, made on all cores.</summary>
    public byte[][] Next(int count)
    {
        var made = new byte[count][];
        Parallel.For(0, count, i => made[i] = Next());
        return made;
    }

    public unsafe byte[] Next()
    {
        int mine = Interlocked.Increment(ref seed);
#pragma warning disable CA5394 // grain, not a secret
        var random = new Random(mine);
        var pixels = new byte[Width * Height * 3];
        var grain = new byte[4096 + (mine % 7)];
        random.NextBytes(grain);
        int[] column = [.. Enumerable.Range(0, Width).Select(x => (int)(60 * Math.Sin((x + mine) / 17.0)))], row = [.. Enumerable.Range(0, Height).Select(y => (int)(40 * Math.Cos(y / 11.0)))];
        int shift = random.Next(4096);
        for (int y = 0, i = 0; y < Height; y++)
        {
            for (int x = 0; x < Width; x++)
            {
                for (int c = 0; c < 3; c++, i++)
                {
                    pixels[i] = (byte)Math.Clamp(128 + column[x] + row[y] + (grain[(i + shift) % grain.Length] % 19) - 9, 0, 255);
                }
            }
        }
#pragma warning restore CA5394

        fixed (byte* data = pixels)
        {
            using var raw = VipsImage.FromMemory(data, Width, Height, 3);
            using var image = raw.Apply("copy", ("interpretation", "srgb"));
            return Quality > 0 ? image.Encode("jpegsave_buffer", ("Q", $"{Quality}")) : image.Encode("pngsave_buffer", ("compression", "1"));
        }
    }
}
