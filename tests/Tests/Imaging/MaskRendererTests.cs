using System.Diagnostics;
using System.Security.Cryptography;
using Palimpsest.Imaging;
using Palimpsest.Imaging.Rendering;
using Xunit.Abstractions;

namespace Palimpsest.Tests.Imaging;

public sealed class MaskRendererTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    public void Orientation_PutsEveryPixelWhereTheGeometrySays(int orientation)
    {
        var geometry = Geometry(90, 61, 90, 61, orientation);
        var map = RandomMap(geometry, seed: orientation);

        byte[] mask = MaskRenderer.RenderValues(map, geometry);

        mask.Length.ShouldBe(geometry.DisplayedWidth * geometry.DisplayedHeight);
        for (int y = 0; y < 61; y++)
        {
            for (int x = 0; x < 90; x++)
            {
                // A stored pixel's centre, through the geometry's own mapping.
                var (dx, dy) = geometry.ToDisplayed(x + 0.5, y + 0.5);
                int shown = mask[((int)dy * geometry.DisplayedWidth) + (int)dx];
                shown.ShouldBeInRange((int)Math.Floor(Bilinear(map, (x + 0.5) / 4, (y + 0.5) / 4) - 1.5), (int)Math.Ceiling(Bilinear(map, (x + 0.5) / 4, (y + 0.5) / 4) + 1.5));
            }
        }
    }

    [Fact]
    public void Reduced_IsStretchedToTheUploadsSize()
    {
        var geometry = Geometry(4000, 3000, 2364, 1773, orientation: 1);
        var map = RandomMap(geometry, seed: 3);

        byte[] mask = MaskRenderer.RenderValues(map, geometry);

        mask.Length.ShouldBe(12_000_000);
        foreach (var (x, y) in new[] { (0, 0), (3999, 2999), (1234, 987), (17, 2990) })
        {
            double expected = Bilinear(map, (x + 0.5) * 2364 / 4000 / 4, (y + 0.5) * 1773 / 3000 / 4);
            ((double)mask[(y * 4000) + x]).ShouldBe(expected, 1.5);
        }
    }

    [Fact]
    public void Png_HoldsTheValuesExactly()
    {
        var geometry = Geometry(333, 217, 333, 217, orientation: 6);
        var map = RandomMap(geometry, seed: 5);

        byte[] png = MaskRenderer.RenderPng(map, geometry);

        byte[] decoded = TestPictures.Decode(png, "pngload", out int width, out int height);
        (width, height).ShouldBe((217, 333));
        decoded.ShouldBe(MaskRenderer.RenderValues(map, geometry));
    }

    [Fact]
    public void Png_OfTwelveMegapixels_IsFastAndAlwaysTheSame()
    {
        var geometry = Geometry(4000, 3000, 2364, 1773, orientation: 1);
        var map = SmoothMap(geometry);
        string first = Convert.ToHexString(SHA256.HashData(MaskRenderer.RenderPng(map, geometry)));

        var clock = Stopwatch.StartNew();
        byte[] png = MaskRenderer.RenderPng(map, geometry);
        output.WriteLine($"{clock.ElapsedMilliseconds} ms, {png.Length} bytes");

        Convert.ToHexString(SHA256.HashData(png)).ShouldBe(first);
        png.Length.ShouldBeLessThan(2_000_000);
        clock.ElapsedMilliseconds.ShouldBeLessThan(2000); // 150 ms on a quiet machine; this only catches a blunder on a busy one
    }

    [Fact]
    public void Overlay_TintsOnlyWhatWasFound()
    {
        var geometry = Geometry(64, 64, 64, 64, orientation: 1);
        var map = ProbabilityMap.Blank(64, 64);
        for (int y = 0; y < 16; y++)
        {
            map.Values.AsSpan(y * 16, 8).Fill(255);
        }

        var rgb = new byte[64 * 64 * 3];
        rgb.AsSpan().Fill(100);
        OverlayRenderer.Blend(rgb, new MapSampler(map, geometry, 64, 64));

        rgb[0].ShouldBeGreaterThan((byte)180); // red
        rgb[1].ShouldBeLessThan((byte)60);
        rgb[(63 * 3)..(64 * 3)].ShouldBe(new byte[] { 100, 100, 100 });
    }

    private static ImageGeometry Geometry(int storedWidth, int storedHeight, int analysedWidth, int analysedHeight, int orientation) => new()
    {
        StoredWidth = storedWidth, StoredHeight = storedHeight, AnalysedWidth = analysedWidth, AnalysedHeight = analysedHeight, Orientation = orientation,
    };

    private static ProbabilityMap RandomMap(ImageGeometry geometry, int seed)
    {
        var map = ProbabilityMap.Blank(geometry.AnalysedWidth, geometry.AnalysedHeight);
        new Random(seed).NextBytes(map.Values);
        return map;
    }

    private static ProbabilityMap SmoothMap(ImageGeometry geometry)
    {
        var map = ProbabilityMap.Blank(geometry.AnalysedWidth, geometry.AnalysedHeight);
        for (int i = 0; i < map.Values.Length; i++)
        {
            double x = (i % map.Width) - 200, y = (i / map.Width) - 150;
            map.Values[i] = (byte)(255 * Math.Exp(-((x * x) + (y * y)) / 5000));
        }

        return map;
    }

    /// <summary>The definition: linear between cell centres, constant beyond the outermost.</summary>
    private static double Bilinear(ProbabilityMap map, double x, double y)
    {
        x = Math.Clamp(x - 0.5, 0, map.Width - 1);
        y = Math.Clamp(y - 0.5, 0, map.Height - 1);
        int x0 = (int)x, y0 = (int)y, x1 = Math.Min(x0 + 1, map.Width - 1), y1 = Math.Min(y0 + 1, map.Height - 1);
        double At(int cx, int cy) => map.Values[(cy * map.Width) + cx];
        double top = At(x0, y0) + ((At(x1, y0) - At(x0, y0)) * (x - x0)), bottom = At(x0, y1) + ((At(x1, y1) - At(x0, y1)) * (x - x0));
        return top + ((bottom - top) * (y - y0));
    }
}
