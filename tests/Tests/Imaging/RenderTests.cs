using Palimpsest.Imaging;
using Palimpsest.Imaging.Protocol;
using Palimpsest.Imaging.Rendering;

namespace Palimpsest.Tests.Imaging;

/// <summary>Pictures for people, made by a real decoder process.</summary>
public sealed class RenderTests(DecoderFixture fixture) : IClassFixture<DecoderFixture>
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
    public async Task Overlay_IsTheDisplayedPictureUnderTheMask(int orientation)
    {
        // White square in the stored top left corner; the map finds exactly it.
        var pixels = new byte[64 * 48 * 3];
        for (int y = 0; y < 16; y++)
        {
            pixels.AsSpan(y * 64 * 3, 24 * 3).Fill(255);
        }

        byte[] jpeg = TestPictures.WithExif(TestPictures.Encode(pixels, 64, 48, "jpegsave_buffer", ("Q", "100"), ("subsample-mode", "off")), orientation);
        var geometry = new ImageGeometry { StoredWidth = 64, StoredHeight = 48, AnalysedWidth = 64, AnalysedHeight = 48, Orientation = orientation };
        var map = ProbabilityMap.Blank(64, 48);
        for (int y = 0; y < 4; y++)
        {
            map.Values.AsSpan(y * 16, 6).Fill(255);
        }

        string output = fixture.NewPath();
        var (image, _) = await fixture.Pool.RenderAsync(fixture.Save(jpeg), output, RenderFormat.Png, null, (fixture.Save(map.ToBytes()), geometry), CancellationToken.None);

        (image!.Width, image.Height).ShouldBe((geometry.DisplayedWidth, geometry.DisplayedHeight));
        byte[] rgb = TestPictures.Decode(await File.ReadAllBytesAsync(output), "pngload", out int width, out int height);
        (width, height).ShouldBe((geometry.DisplayedWidth, geometry.DisplayedHeight));
        byte[] mask = MaskRenderer.RenderValues(map, geometry);
        for (int i = 0; i < mask.Length; i++)
        {
            // Found: white turned reddish. Not found: black as it was.
            if (mask[i] == 255)
            {
                rgb[i * 3].ShouldBeGreaterThan((byte)200);
                rgb[(i * 3) + 1].ShouldBeLessThan((byte)120);
            }
            else if (mask[i] == 0)
            {
                rgb[i * 3].ShouldBeLessThan((byte)30);
            }
        }
    }

    [Theory]
    [InlineData(RenderFormat.Jpeg, "jpegload")]
    [InlineData(RenderFormat.Webp, "webpload")]
    [InlineData(RenderFormat.Png, "pngload")]
    public async Task Thumbnail_HasTheLongestSideAskedFor(RenderFormat format, string loader)
    {
        string output = fixture.NewPath();
        var (image, _) = await fixture.Pool.RenderAsync(fixture.Save(TestPictures.WithExif(TestPictures.Jpeg(300, 200), 6)), output, format, 96, null, CancellationToken.None);

        (image!.Width, image.Height).ShouldBe((64, 96));
        byte[] encoded = await File.ReadAllBytesAsync(output);
        TestPictures.Decode(encoded, loader, out int width, out int height);
        (width, height).ShouldBe((64, 96));
        encoded.AsSpan().IndexOf("Exif"u8).ShouldBe(-1);
    }
}
