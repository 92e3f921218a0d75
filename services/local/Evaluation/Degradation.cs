using System.Globalization;
using Palimpsest.Imaging;
using Palimpsest.Imaging.Vips;

namespace Palimpsest.Local.Evaluation;

/// <summary>
/// What happens to pictures on their way: applied to forged and authentic alike, before analysis. JPEG is 4:2:0 with the standard tables; what is not a
/// recompression is kept without loss (PNG), so that one thing at a time is measured. <c>training/metrics.py</c> has the same names for nearly the same: sizes are equal, but shrinking is Lanczos3 here
/// and an area average there, and noise has other random numbers.
/// </summary>
internal sealed class Degradation
{
    private readonly Func<string, VipsPixels, byte[]> apply;

    private Degradation(string name, string extension, Func<string, VipsPixels, byte[]> apply) => (Name, Extension, this.apply) = (name, extension, apply);

    /// <summary>All values of <c>--degrade</c>.</summary>
    public static IReadOnlyList<string> Names { get; } = ["jpeg90", "jpeg70", "jpeg50", "resize0.7", "resize0.5", "blur1", "noise5", "social"];

    public string Name { get; }

    /// <summary>Of the degraded file.</summary>
    public string Extension { get; }

    /// <summary>By name.</summary>
    /// <exception cref="ManifestException">Unknown.</exception>
    public static Degradation Parse(string name) => name switch
    {
        "jpeg90" or "jpeg70" or "jpeg50" => new(name, ".jpg", (_, pixels) => Jpeg(pixels.AsImage(), int.Parse(name[4..], CultureInfo.InvariantCulture))),
        "resize0.7" or "resize0.5" => new(name, ".png", (_, pixels) => Png(Scaled(pixels, double.Parse(name[6..], CultureInfo.InvariantCulture)))),
        "blur1" => new(name, ".png", (_, pixels) => Png(Rounded(Applied(pixels, "gaussblur", ("sigma", "1"), ("min-ampl", "0.01"), ("precision", "float"))))),
        "noise5" => new(name, ".png", (seed, pixels) =>
        {
            AddNoise(pixels.Span, seed, sigma: 5);
            return Png(pixels.AsImage());
        }),
        "social" => new(name, ".jpg", (_, pixels) => Jpeg(Scaled(pixels, Math.Min(1, 1080.0 / Math.Max(pixels.Width, pixels.Height))), 75)),
        _ => throw new ManifestException($"--degrade: '{name}' is not one of {string.Join(", ", Names)}."),
    };

    /// <summary>Writes the degraded picture (displayed orientation, no metadata) into a folder; the caller deletes it.</summary>
    /// <exception cref="VipsException">The picture cannot be decoded.</exception>
    /// <exception cref="InvalidDataException">Not a picture.</exception>
    public string Apply(string path, string folder)
    {
        using var pixels = Pictures.Decode(path);
        string target = Path.Combine(folder, Guid.NewGuid().ToString("n") + Extension);
        File.WriteAllBytes(target, apply(Path.GetFileName(path), pixels));
        return target;
    }

    private static VipsImage Scaled(VipsPixels pixels, double factor)
    {
        if (factor >= 1)
        {
            return pixels.AsImage();
        }

        double across = Math.Round(pixels.Width * factor) / pixels.Width, down = Math.Round(pixels.Height * factor) / pixels.Height;
        return Applied(pixels, "resize", ("scale", across.ToString("R", CultureInfo.InvariantCulture)), ("vscale", down.ToString("R", CultureInfo.InvariantCulture)));
    }

    private static VipsImage Applied(VipsPixels pixels, string operation, params ReadOnlySpan<(string, string)> arguments)
    {
        using var image = pixels.AsImage();
        return image.Apply(operation, arguments);
    }

    /// <summary>Floats are cut off where they become bytes: the picture would be half a level darker.</summary>
    private static VipsImage Rounded(VipsImage image)
    {
        using (image)
        {
            return image.Apply("round", ("round", "rint"));
        }
    }

    private static byte[] Jpeg(VipsImage image, int quality)
    {
        using (image)
        {
            using var srgb = image.Apply("copy", ("interpretation", "srgb"));
            return srgb.Encode("jpegsave_buffer", ("Q", quality.ToString(CultureInfo.InvariantCulture)), ("subsample-mode", "on"), ("keep", "none"));
        }
    }

    private static byte[] Png(VipsImage image)
    {
        using (image)
        {
            using var bytes = image.Apply("cast", ("format", "uchar"));
            using var srgb = bytes.Apply("copy", ("interpretation", "srgb"));
            return srgb.Encode("pngsave_buffer", ("compression", "1"), ("keep", "none"));
        }
    }

    /// <summary>Gaussian noise; the same file gets the same noise on every machine.</summary>
    internal static void AddNoise(Span<byte> values, string seed, double sigma)
    {
#pragma warning disable CA5394 // noise, not a secret
        var random = new Random(unchecked((int)Fnv1a(seed)));
        for (int i = 0; i < values.Length; i++)
        {
            // Box and Muller 1958; 1 − u keeps the logarithm finite.
            double normal = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
            values[i] = (byte)Math.Clamp(Math.Round(values[i] + (sigma * normal)), 0, 255);
        }
#pragma warning restore CA5394
    }

    private static uint Fnv1a(string text)
    {
        uint hash = 2166136261;
        foreach (char c in text)
        {
            hash = (hash ^ c) * 16777619;
        }

        return hash;
    }
}
