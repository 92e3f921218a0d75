using Palimpsest.Contracts;
using Palimpsest.Decoder.Jpeg;
using Palimpsest.Imaging;
using Palimpsest.Inference;

namespace Palimpsest.Tests.Imaging;

/// <summary>Uploads of every kind through a real decoder process: what is prepared, what is refused and how.</summary>
public sealed class PreparationTests(DecoderFixture fixture) : IClassFixture<DecoderFixture>
{
    [Fact]
    public async Task Jpeg_HasPixelsCoefficientsFactsAndFaces()
    {
        byte[] jpeg = TestPictures.Jpeg(203, 155, 85);
        var face = new Face { Box = new PixelBox { X = 4, Y = 5, Width = 40, Height = 50 }, Confidence = 0.9, Keypoints = new float[12] };
        using var prepared = await fixture.OpenAsync(jpeg, new OneFace(face));

        (prepared.Width, prepared.Height).ShouldBe((203, 155));
        prepared.Pixels.ToArray().ShouldBe(TestPictures.Decode(jpeg, "jpegload", out _, out _));
        prepared.HasCoefficients.ShouldBeTrue();
        prepared.Coefficients.ToArray().ShouldBe(JpegFile.Read(jpeg, true).Coefficients!.Values.ToArray());
        prepared.Facts.Format.ShouldBe("jpeg");
        prepared.Facts.Jpeg!.QualityEstimate.ShouldBe(85);
        prepared.Facts.Faces.ShouldHaveSingleItem().Box.ShouldBe(face.Box);
        prepared.Facts.Warnings.ShouldBeEmpty();
        prepared.Facts.LooksLike.ShouldBe(PerceptualHash.ToText(PerceptualHash.Of(prepared.Pixels, 203, 155, 1)));
    }

    [Theory]
    [InlineData("pngsave_buffer", "png")]
    [InlineData("webpsave_buffer", "webp")]
    [InlineData("tiffsave_buffer", "tiff")]
    [InlineData("gifsave_buffer", "gif")]
    [InlineData("heifsave_buffer", "avif")]
    public async Task EveryFormat_IsRecognisedAndDecoded(string saver, string format)
    {
        (string, string)[] arguments = saver switch
        {
            "webpsave_buffer" => [("lossless", "true")],
            "heifsave_buffer" => [("compression", "av1"), ("lossless", "true"), ("effort", "0")],
            _ => [],
        };
        byte[] pixels = TestPictures.Pixels(80, 48);
        using var prepared = await fixture.OpenAsync(TestPictures.Encode(pixels, 80, 48, saver, arguments));

        prepared.Facts.Format.ShouldBe(format);
        (prepared.Width, prepared.Height, prepared.HasCoefficients).ShouldBe((80, 48, false));
        double difference = prepared.Pixels.ToArray().Zip(pixels, (a, b) => Math.Abs(a - b)).Average();
        difference.ShouldBeLessThan(format == "gif" ? 8 : format == "avif" ? 1 : 0.001); // GIF has 256 colours
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public async Task GreyAndAlpha_BecomeRgb(int bands)
    {
        byte[] pixels = TestPictures.Pixels(40, 32, bands);
        using var prepared = await fixture.OpenAsync(TestPictures.Encode(pixels, 40, 32, "pngsave_buffer"));

        byte[] expected = [.. Enumerable.Range(0, 40 * 32).SelectMany(i => Enumerable.Range(0, 3).Select(c => pixels[(i * bands) + (bands < 3 ? 0 : c)]))];
        prepared.Pixels.ToArray().ShouldBe(expected);
    }

    [Fact]
    public async Task TiffByteForByte_KeepsItsPixels()
    {
        using var prepared = await fixture.OpenAsync(TestPictures.Tiff(64, 48));

        byte[] grey = TestPictures.Pixels(64, 48, 1);
        prepared.Pixels.ToArray().ShouldBe([.. grey.SelectMany(g => new[] { g, g, g })]);
        prepared.Facts.Metadata.HasExif.ShouldBeFalse();
    }

    [Fact]
    public async Task SixteenBits_AreCutToEight()
    {
        byte[] pixels = TestPictures.Pixels(40, 32);
        using var prepared = await fixture.OpenAsync(TestPictures.Encode(pixels, 40, 32, "pngsave_buffer", ("bitdepth", "16")));

        prepared.Pixels.ToArray().Zip(pixels, (a, b) => Math.Abs(a - b)).Max().ShouldBeLessThanOrEqualTo(1);
    }

    [Fact]
    public async Task Cmyk_BecomesRgbWithoutCoefficients()
    {
        // Left half no ink, right half all black.
        var inks = new byte[64 * 32 * 4];
        for (int i = 0; i < 64 * 32; i++)
        {
            inks[(i * 4) + 3] = (byte)(i % 64 < 32 ? 0 : 255);
        }

        using var prepared = await fixture.OpenAsync(TestPictures.Encode(inks, 64, 32, "jpegsave_buffer", null, "cmyk", ("Q", "100")));

        prepared.HasCoefficients.ShouldBeFalse();
        prepared.Row(10)[..3].ToArray().ShouldAllBe(v => v > 240);
        prepared.Row(10)[^3..].ToArray().ShouldAllBe(v => v < 60);
    }

    [Fact]
    public async Task AboveTheLimit_IsReducedWithAWarningAndWithoutCoefficients()
    {
        byte[] jpeg = TestPictures.Jpeg(3000, 2000, 70);
        using var prepared = await fixture.OpenAsync(jpeg);

        ((long)prepared.Width * prepared.Height).ShouldBeInRange(4_150_000, 4_194_304);
        prepared.Facts.Geometry.StoredWidth.ShouldBe(3000);
        prepared.Facts.Geometry.Reduced.ShouldBeTrue();
        prepared.HasCoefficients.ShouldBeFalse();
        prepared.Facts.Warnings.ShouldHaveSingleItem().ShouldContain("reduced");
    }

    [Theory]
    [InlineData("gifsave_buffer", "gif")]
    [InlineData("tiffsave_buffer", "tiff")]
    [InlineData("webpsave_buffer", "webp")]
    public async Task SeveralFrames_TheFirstIsAnalysedWithAWarning(string saver, string format)
    {
        byte[] three = TestPictures.Encode(TestPictures.Pixels(64, 144), 64, 144, saver, ("page-height", 48));
        using var prepared = await fixture.OpenAsync(three);

        prepared.Facts.Format.ShouldBe(format);
        (prepared.Width, prepared.Height, prepared.Facts.Frames).ShouldBe((64, 48, 3));
        prepared.Facts.Warnings.ShouldHaveSingleItem().ShouldContain("only the first");
    }

    [Fact]
    public async Task Exif_IsReadAndCoordinatesAreOnlyPresent()
    {
        byte[] jpeg = TestPictures.WithExif(TestPictures.Jpeg(), 6, gps: true, (0x10F, "Canon"), (0x110, "EOS 5D"), (0x131, "Adobe Photoshop"));
        using var prepared = await fixture.OpenAsync(jpeg);

        var metadata = prepared.Facts.Metadata;
        (metadata.Make, metadata.Model, metadata.Software).ShouldBe(("Canon", "EOS 5D", "Adobe Photoshop"));
        (metadata.HasExif, metadata.HasGps, metadata.HasXmp, metadata.HasC2pa).ShouldBe((true, true, false, false));
        (prepared.Facts.Geometry.Orientation, prepared.Facts.Geometry.DisplayedWidth).ShouldBe((6, 64));
    }

    [Fact]
    public async Task XmpSourceTypeAndC2pa_AreFound()
    {
        byte[] xmp = [.. "http://ns.adobe.com/xap/1.0/\0"u8, .. """
            <x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
            xmp:CreatorTool="Some Generator 2"/></rdf:RDF></x:xmpmeta>
            """u8];
        byte[] jumbf = [.. "JP\0\u0001\0\0\0\u0001\0\0\0\u0040jumb\0\0\0\u001ejumdc2pa\0\u0011\0\u0010"u8, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71, 3, .. "c2pa\0"u8];
        byte[] jpeg = TestPictures.InsertSegment(TestPictures.InsertSegment(TestPictures.Jpeg(), 0xEB, jumbf), 0xE1, xmp);
        using var prepared = await fixture.OpenAsync(jpeg);

        var metadata = prepared.Facts.Metadata;
        (metadata.HasXmp, metadata.HasC2pa, metadata.DigitalSourceType, metadata.Software).ShouldBe((true, true, "trainedAlgorithmicMedia", "Some Generator 2"));
    }

    public static TheoryData<string, byte[], string> Refusals()
    {
        byte[] jpeg = TestPictures.Jpeg(200, 160), png = TestPictures.Encode(TestPictures.Pixels(200, 160), 200, 160, "pngsave_buffer");
        byte[] Saved(string saver, params (string, string)[] arguments) => TestPictures.Encode(TestPictures.Pixels(200, 160), 200, 160, saver, arguments);
        byte[] Half(byte[] bytes) => bytes[..(bytes.Length / 2)];
        byte[] Scrambled(byte[] bytes)
        {
            byte[] copy = [.. bytes];
            new Random(3).NextBytes(copy.AsSpan(60, copy.Length - 80));
            return copy;
        }

        return new TheoryData<string, byte[], string>
        {
            { "empty", [], ErrorCodes.ImageEmpty },
            { "text", "Dear all, see attached."u8.ToArray(), ErrorCodes.UnsupportedFormat },
            { "svg", "<svg xmlns='http://www.w3.org/2000/svg'/>"u8.ToArray(), ErrorCodes.UnsupportedFormat },
            { "bmp", [.. "BM"u8, .. new byte[100]], ErrorCodes.UnsupportedFormat },
            { "one pixel", TestPictures.Encode([1, 2, 3], 1, 1, "pngsave_buffer"), ErrorCodes.ImageTooSmall },
            { "fifteen rows", TestPictures.Jpeg(400, 15), ErrorCodes.ImageTooSmall },
            { "one row of 16384", TestPictures.Encode(TestPictures.Pixels(16384, 1), 16384, 1, "pngsave_buffer"), ErrorCodes.ImageTooSmall },
            { "100 megapixels", TestPictures.HugePng(10_000, 10_000), ErrorCodes.TooManyPixels },
            { "too wide", TestPictures.HugePng(20_000, 100), ErrorCodes.TooManyPixels },
            { "half a jpeg", Half(jpeg), ErrorCodes.ImageTruncated },
            { "half a progressive jpeg", Half(Saved("jpegsave_buffer", ("interlace", "true"))), ErrorCodes.ImageTruncated },
            { "jpeg header", jpeg[..150], ErrorCodes.ImageTruncated },
            { "half a png", Half(png), ErrorCodes.ImageTruncated },
            { "half a webp", Half(Saved("webpsave_buffer")), ErrorCodes.ImageTruncated },
            { "half a gif", Half(Saved("gifsave_buffer")), ErrorCodes.ImageTruncated },
            { "half an avif", Half(Saved("heifsave_buffer", ("compression", "av1"), ("effort", "0"))), ErrorCodes.ImageTruncated },
            { "scrambled png", Scrambled(png), ErrorCodes.ImageCorrupt },
            { "scrambled webp", Scrambled(Saved("webpsave_buffer")), ErrorCodes.ImageCorrupt },
            { "png of 49 megapixels without data", TestPictures.HugePng(7_000, 7_000), ErrorCodes.ImageCorrupt },
            { "half a tiff", Half(Saved("tiffsave_buffer")), ErrorCodes.ImageTruncated },
            { "tiff without its last strip", TestPictures.Tiff(200, 160)[..^900], ErrorCodes.ImageTruncated },
            { "twelve channels", TestPictures.Encode(TestPictures.Pixels(40, 40, 12), 40, 40, "tiffsave_buffer"), ErrorCodes.UnsupportedFormat },
        };
    }

    [Theory]
    [MemberData(nameof(Refusals))]
    public async Task Refused_WithItsCode(string name, byte[] upload, string code)
    {
        var (layout, refusal) = await fixture.PrepareAsync(upload);

        layout.ShouldBeNull(name);
        refusal.ShouldNotBeNull();
        refusal.Code.ShouldBe(code, name);
        refusal.Detail.ShouldEndWith(".");
    }

    [Fact]
    public async Task WhatAProcessThatDiedHasWritten_IsReplaced()
    {
        string output = fixture.NewPath();
        await File.WriteAllBytesAsync(output, Enumerable.Repeat((byte)7, 1 << 20).ToArray());

        var (layout, _) = await fixture.Pool.PrepareAsync(fixture.Save(TestPictures.Encode(new byte[40 * 32 * 3], 40, 32, "pngsave_buffer")), output, CancellationToken.None);

        layout.ShouldNotBeNull();
        new FileInfo(output).Length.ShouldBe(PreparedImage.HeaderBytes + (40 * 32 * 3));
        File.ReadAllBytes(output).ShouldAllBe(b => b == 0);
    }

    [Fact]
    public async Task TiffOfFiftyMegapixels_IsReadWithinTheHeap()
    {
        byte[] tiff = TestPictures.Encode(new byte[7000 * 7000 * 3], 7000, 7000, "tiffsave_buffer");
        tiff.Length.ShouldBeGreaterThan(140 << 20);

        var (layout, refusal) = await fixture.PrepareAsync(tiff);

        (layout?.Facts.Geometry.StoredWidth).ShouldBe(7000, refusal?.Detail);
    }

    [Fact]
    public async Task TiledTiff_IsReadInRows()
    {
        byte[] pixels = TestPictures.Pixels(300, 200);
        using var prepared = await fixture.OpenAsync(TestPictures.Encode(pixels, 300, 200, "tiffsave_buffer", ("tile", "true"), ("tile-width", "64"), ("tile-height", "48")));

        prepared.Pixels.SequenceEqual(pixels).ShouldBeTrue();
    }

    [Fact]
    public async Task APicture_SaysNothingOfTheOneBefore()
    {
        byte[] xmp = [.. "http://ns.adobe.com/xap/1.0/\0"u8, .. Enumerable.Repeat((byte)' ', 20_000), .. "<x:xmpmeta></x:xmpmeta>"u8];
        using var before = await fixture.OpenAsync(TestPictures.InsertSegment(TestPictures.Jpeg(640, 480), 0xE1, xmp));
        using var after = await fixture.OpenAsync(TestPictures.Jpeg(64, 48));

        (before.Facts.Metadata.HasXmp, after.Facts.Metadata.HasXmp).ShouldBe((true, false));
    }

    [Fact]
    public async Task MissingUpload_IsAFailureNotARefusal() =>
        await Should.ThrowAsync<IOException>(() => fixture.Pool.PrepareAsync(fixture.NewPath(), fixture.NewPath(), CancellationToken.None));

    private sealed class OneFace(Face face) : IFaceFinder
    {
        public IReadOnlyList<Face> Find(ReadOnlySpan<byte> rgb, int width, int height, CancellationToken cancellationToken)
        {
            rgb.Length.ShouldBe(width * height * 3);
            return [face];
        }
    }
}
