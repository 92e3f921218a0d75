using System.Text.Json;
using Palimpsest.Contracts;
using Palimpsest.Imaging;
using Palimpsest.Routing;

namespace Palimpsest.Tests.Routing;

public sealed class RouterFeaturesTests
{
    [Theory]
    [InlineData(300, 211)]
    [InlineData(640, 513)]
    [InlineData(97, 60)]
    public void Features_are_those_that_training_computes(int width, int height)
    {
        using var golden = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Root(), "training", "golden", "router-features.json")));
        golden.RootElement.GetProperty("version").GetString().ShouldBe(RouterFeatures.Version);
        var picture = golden.RootElement.GetProperty("cases").GetProperty($"router-{width}x{height}.png");
        double[] expected = [.. picture.GetProperty("features").EnumerateArray().Select(v => v.GetDouble())];
        var faces = picture.GetProperty("faces").EnumerateArray().Select(face => new PixelBox { X = face[0].GetInt32(), Y = face[1].GetInt32(), Width = face[2].GetInt32(), Height = face[3].GetInt32() });

        float[] actual = RouterFeatures.Compute(GoldenPicture(width, height), width, height, [.. faces]);

        actual.Length.ShouldBe(expected.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            ((double)actual[i]).ShouldBe(expected[i], 1e-4, $"feature {i}");
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    public void Features_are_those_of_the_picture_as_it_is_shown(int orientation)
    {
        const int Width = 768, Height = 512; // whole cells, which are the same from both sides
        byte[] shown = GoldenPicture(Width, Height), stored = new byte[shown.Length];
        Turning.Apply<byte>(shown, Width, Height, 3, Turning.Inverse(orientation), stored);
        var (width, height) = Turning.Size(Width, Height, orientation);
        var box = new PixelBox { X = 100, Y = 40, Width = 90, Height = 120 };
        var turned = new ImageGeometry { StoredWidth = Width, StoredHeight = Height, AnalysedWidth = Width, AnalysedHeight = Height, Orientation = Turning.Inverse(orientation) }.ToDisplayed(box);

        float[] expected = RouterFeatures.Compute(shown, Width, Height, [box]), actual = RouterFeatures.Compute(stored, width, height, [turned], Turning.SwapsAxes(orientation));

        actual.Zip(expected).Max(p => Math.Abs(p.First - p.Second)).ShouldBeLessThan(1e-4f);
    }

    /// <summary>The formula of training/features.py, <c>golden_picture</c>.</summary>
    private static byte[] GoldenPicture(int width, int height)
    {
        var rgb = new byte[width * height * 3];
        for (long y = 0; y < height; y++)
        {
            for (long x = 0; x < width; x++)
            {
                long q = ((1103515245L * ((y * width) + x)) + 12345) % (1L << 31), at = ((y * width) + x) * 3;
                rgb[at] = (byte)(((7 * x) + (13 * y) + (x * y / 8)) % 256);
                rgb[at + 1] = (byte)(((x * x) + (3 * y * y)) / 64 % 256);
                rgb[at + 2] = (byte)(((x ^ y) * 5 + (q / 65536 % 32)) % 256);
            }
        }

        return rgb;
    }

    private static string Root()
    {
        string folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Platform.sln")))
        {
            folder = Path.GetDirectoryName(folder) ?? throw new DirectoryNotFoundException("The repository's root was not found.");
        }

        return folder;
    }
}
