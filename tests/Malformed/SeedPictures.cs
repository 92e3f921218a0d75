using Palimpsest.Tests.Imaging;

namespace Palimpsest.Malformed;

/// <summary>Small whole pictures of every accepted format and most of its variants, to be broken.</summary>
internal static class SeedPictures
{
    private const int Width = 120, Height = 90;

    public static IReadOnlyList<byte[]> All()
    {
        byte[] pixels = TestPictures.Pixels(Width, Height), grey = TestPictures.Pixels(Width, Height, 1), alpha = TestPictures.Pixels(Width, Height, 4), frames = TestPictures.Pixels(64, 96);
        byte[] Saved(string saver, params (string, string)[] arguments) => TestPictures.Encode(pixels, Width, Height, saver, arguments);
        return
        [
            TestPictures.WithExif(TestPictures.Jpeg(Width, Height), 6, gps: true, (0x10F, "Maker")),
            TestPictures.Jpeg(Width, Height, 75, ("interlace", "true")),
            TestPictures.Jpeg(Width, Height, 60, ("subsample-mode", "off"), ("restart-interval", "4")),
            TestPictures.Encode(grey, Width, Height, "jpegsave_buffer"),
            TestPictures.Encode(alpha, Width, Height, "jpegsave_buffer", null, "cmyk"),
            Saved("pngsave_buffer"),
            Saved("pngsave_buffer", ("interlace", "true"), ("bitdepth", "16")),
            Saved("pngsave_buffer", ("palette", "true")),
            TestPictures.Encode(grey, Width, Height, "pngsave_buffer", ("bitdepth", "1")),
            TestPictures.Encode(alpha, Width, Height, "pngsave_buffer"),
            Saved("webpsave_buffer"),
            Saved("webpsave_buffer", ("lossless", "true")),
            TestPictures.Encode(alpha, Width, Height, "webpsave_buffer"),
            TestPictures.Encode(frames, 64, 96, "webpsave_buffer", ("page-height", "48")),
            TestPictures.Encode(frames, 64, 96, "gifsave_buffer", ("page-height", "48")),
            Saved("gifsave_buffer", ("interlace", "true")),
            Saved("tiffsave_buffer", ("compression", "lzw")),
            Saved("tiffsave_buffer", ("compression", "deflate"), ("tile", "true"), ("tile-width", "64"), ("tile-height", "64")),
            Saved("tiffsave_buffer", ("compression", "jpeg")),
            TestPictures.Encode(grey, Width, Height, "tiffsave_buffer", ("compression", "ccittfax4"), ("bitdepth", "1")),
            Saved("tiffsave_buffer", ("bigtiff", "true")),
            TestPictures.Tiff(Width, Height),
            Saved("heifsave_buffer", ("compression", "av1"), ("effort", "0")),
            TestPictures.Encode(alpha, Width, Height, "heifsave_buffer", ("compression", "av1"), ("effort", "0")),
        ];
    }

    /// <summary>Endlessly: each seed in turn, broken.</summary>
    public static IEnumerable<byte[]> Broken(int seed)
    {
        var random = new Random(seed);
        var seeds = All();
        for (int i = 0; ; i++)
        {
            yield return PictureMutator.Mutate(seeds[i % seeds.Count], random);
        }
    }
}
