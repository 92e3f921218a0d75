using System.Buffers.Binary;
using Palimpsest.Contracts;

namespace Palimpsest.Tests.Imaging;

/// <summary>Files that libvips refuses and other decoders read: taken when no pixel is missing, refused when one is.</summary>
public sealed class SalvageTests(DecoderFixture fixture) : IClassFixture<DecoderFixture>
{
    private const int Width = 100, Height = 80;
    private static readonly byte[] Pixels = TestPictures.Pixels(Width, Height);

    [Fact]
    public async Task Png_with_a_rubbish_chunk_amid_its_data_keeps_its_pixels()
    {
        byte[] png = TestPictures.Encode(Pixels, Width, Height, "pngsave_buffer", ("interlace", "true"));
        int at = png.AsSpan().IndexOf("IDAT"u8) - 4, length = BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(at)), half = length / 2;
        var broken = new MemoryStream();
        broken.Write(png.AsSpan(0, at));
        Data(png.AsSpan(at + 8, half));
        broken.Write([0, 0, 0, 4, 0xE7, 0xE7, 0xE7, 0xE7, 1, 2, 3, 4, 5, 6, 7, 8]);
        Data(png.AsSpan(at + 8 + half, length - half));
        broken.Write(png.AsSpan(at + 12 + length));

        await ShouldBeReadAsync(broken.ToArray(), Pixels, damaged: true);

        void Data(ReadOnlySpan<byte> part)
        {
            byte[] chunk = [0, 0, 0, 0, .. "IDAT"u8, .. part, 0, 0, 0, 0];
            BinaryPrimitives.WriteInt32BigEndian(chunk, part.Length);
            BinaryPrimitives.WriteUInt32BigEndian(chunk.AsSpan(8 + part.Length), ~Palimpsest.Imaging.Rendering.Crc32.Update(~0u, chunk.AsSpan(4, part.Length + 4)));
            broken.Write(chunk);
        }
    }

    [Fact]
    public async Task Png_without_its_last_rows_is_refused()
    {
        byte[] png = TestPictures.Encode(Pixels, Width, Height, "pngsave_buffer");
        (await fixture.PrepareAsync(png[..^600])).Refusal!.Code.ShouldBe(ErrorCodes.ImageTruncated);
    }

    [Fact]
    public async Task Gif_with_a_broken_second_frame_gives_its_first()
    {
        byte[] gif = TestPictures.Encode(TestPictures.Pixels(64, 96), 64, 96, "gifsave_buffer", ("page-height", "48"));
        int second = gif.AsSpan(2000).IndexOf((byte[])[0x2C, 0, 0, 0, 0]) + 2000;
        gif.AsSpan(second + 11, 40).Fill(0xFF);

        var (layout, refusal) = await fixture.PrepareAsync(gif);
        refusal.ShouldBeNull();
        layout!.Facts.Geometry.StoredHeight.ShouldBe(48);
    }

    [Fact]
    public async Task Gif_with_rubbish_between_its_blocks_keeps_its_pixels()
    {
        byte[] gif = TestPictures.Encode(Pixels, Width, Height, "gifsave_buffer");
        int blocks = 13 + (3 << ((gif[10] & 7) + 1));
        byte[] whole = TestPictures.Decode(gif, "gifload", out _, out _);
        int bands = whole.Length / (Width * Height);

        await ShouldBeReadAsync([.. gif[..blocks], 1, 2, 3, .. gif[blocks..]], [.. whole.Where((_, i) => i % bands < 3)], damaged: true);
    }

    [Fact]
    public async Task Gif_whose_data_end_early_is_refused()
    {
        byte[] gif = TestPictures.Encode(Pixels, Width, Height, "gifsave_buffer");
        // The last whole sub-block becomes the end of the data.
        int at = gif.AsSpan().IndexOf((byte)0x2C) is var image && image > 0 ? image + 11 : 0, last = at;
        for (; gif[at] != 0; at += 1 + gif[at])
        {
            last = at;
        }

        (await fixture.PrepareAsync([.. gif[..last], 0, 0x3B])).Refusal.ShouldNotBeNull();
    }

    [Fact]
    public async Task Jpeg_with_hundreds_of_corrupt_spots_is_read()
    {
        // Rubbish before many restart markers: each gives a warning, and libvips gives up after a hundred.
        byte[] jpeg = TestPictures.Jpeg(640, 640, 90, ("restart-interval", "1"));
        var noisy = new List<byte>();
        int spots = 0;
        for (int i = 0; i < jpeg.Length; i++)
        {
            if (i > 600 && i + 1 < jpeg.Length && jpeg[i] == 0xFF && jpeg[i + 1] is >= 0xD0 and <= 0xD7 && spots++ < 300)
            {
                noisy.AddRange([1, 2, 3]);
            }

            noisy.Add(jpeg[i]);
        }

        spots.ShouldBeGreaterThan(250);
        var (layout, refusal) = await fixture.PrepareAsync([.. noisy]);
        refusal.ShouldBeNull();
        layout!.Facts.Warnings.ShouldContain(w => w.Contains("damaged", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(false, 1)]
    [InlineData(true, 1)]
    [InlineData(false, 8)]
    public async Task Tiled_tiff_with_separate_channels_is_read(bool big, int compression) =>
        await ShouldBeReadAsync(PlanarTiff(big, compression), Pixels, damaged: false);

    [Fact]
    public async Task Tiff_with_old_style_jpeg_is_read()
    {
        byte[] jpeg = TestPictures.Jpeg(Width, Height, 85);
        byte[] tiff = Tiff(big: true, [(256, [Width]), (257, [Height]), (258, [8, 8, 8]), (259, [6]), (262, [6]), (273, [8]), (277, [3]), (278, [Height]), (279, [jpeg.Length]), (513, [8]), (514, [jpeg.Length])], jpeg);

        await ShouldBeReadAsync(tiff, TestPictures.Decode(jpeg, "jpegload", out _, out _), damaged: false);
    }

    [Fact]
    public async Task Old_style_jpeg_of_another_size_is_not_believed()
    {
        byte[] jpeg = TestPictures.Jpeg(64, 64);
        byte[] tiff = Tiff(big: true, [(256, [Width]), (257, [Height]), (258, [8, 8, 8]), (259, [6]), (262, [6]), (273, [8]), (277, [3]), (278, [Height]), (279, [jpeg.Length]), (513, [8]), (514, [jpeg.Length])], jpeg);

        (await fixture.PrepareAsync(tiff)).Refusal!.Code.ShouldBe(ErrorCodes.ImageCorrupt);
    }

    [Theory]
    [InlineData("infe", 1)] // the name of an item's entry
    [InlineData("hdlr", 0)]
    [InlineData("iinf", 9)] // how many items there are
    public async Task Avif_with_a_broken_box_beside_its_pixels_keeps_them(string box, int at)
    {
        byte[] avif = TestPictures.Encode(TestPictures.Pixels(Width, Height, 4), Width, Height, "heifsave_buffer", ("compression", "av1"), ("lossless", "true"), ("effort", "0"));
        using var whole = await fixture.OpenAsync(avif);
        byte[] expected = whole.Pixels.ToArray();
        avif[avif.AsSpan().IndexOf(System.Text.Encoding.ASCII.GetBytes(box)) + at] ^= 0x50;

        await ShouldBeReadAsync(avif, expected, damaged: true);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)] // offsets of 64 bits
    public async Task Avif_sequence_with_a_broken_still_gives_its_first_picture(bool wide)
    {
        byte[] avif = TestPictures.Encode(Pixels, Width, Height, "heifsave_buffer", ("compression", "av1"), ("lossless", "true"), ("effort", "0"), ("keep", "none"));
        byte[] coding = Inner(avif, "av1C"), sample = Inner(avif, "mdat"), start = Box("ftyp", [.. "avis\0\0\0\0avisavifmif1miaf"u8]), still = Box("meta", [0, 0, 0, 0, .. "nothing"u8]);
        byte[] entry = [.. new byte[24], 0, Width, 0, Height, .. new byte[50], .. Box("av1C", coding)];
        byte[] Movie(int offset) => Box("moov", Box("trak", Box("mdia", [
            .. Box("hdlr", [0, 0, 0, 0, 0, 0, 0, 0, .. "pict"u8, .. new byte[13]]),
            .. Box("minf", Box("stbl", [
                .. Box("stsd", [0, 0, 0, 0, 0, 0, 0, 1, .. Box("av01", entry)]),
                .. Box("stsz", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, .. Number(sample.Length)]),
                .. wide ? Box("co64", [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, .. Number(offset)]) : Box("stco", [0, 0, 0, 0, 0, 0, 0, 1, .. Number(offset)]),
            ])),
        ])));
        int before = start.Length + still.Length + Movie(0).Length + 8;
        using var whole = await fixture.OpenAsync(avif);

        await ShouldBeReadAsync([.. start, .. still, .. Movie(before), .. Box("mdat", sample)], whole.Pixels.ToArray(), damaged: true);

        static byte[] Box(string type, byte[] body) => [.. Number(body.Length + 8), .. System.Text.Encoding.ASCII.GetBytes(type), .. body];
        static byte[] Number(int value) => [(byte)(value >> 24), (byte)(value >> 16), (byte)(value >> 8), (byte)value];
        static byte[] Inner(byte[] file, string type)
        {
            int at = file.AsSpan().IndexOf(System.Text.Encoding.ASCII.GetBytes(type)) - 4;
            return file[(at + 8)..(at + BinaryPrimitives.ReadInt32BigEndian(file.AsSpan(at)))];
        }
    }

    [Fact]
    public async Task Avif_whose_primary_picture_is_cut_is_refused()
    {
        byte[] avif = TestPictures.Encode(TestPictures.Pixels(Width, Height, 4), Width, Height, "heifsave_buffer", ("compression", "av1"), ("lossless", "true"), ("effort", "0"));
        avif[avif.AsSpan().IndexOf("infe"u8) + 1] ^= 0x50;
        avif = avif[..(avif.AsSpan().IndexOf("mdat"u8) + 100)];

        (await fixture.PrepareAsync(avif)).Refusal.ShouldNotBeNull();
    }

    private async Task ShouldBeReadAsync(byte[] upload, byte[] expected, bool damaged)
    {
        using var prepared = await fixture.OpenAsync(upload);
        (prepared.Width, prepared.Height).ShouldBe((Width, Height));
        prepared.Pixels.ToArray().ShouldBe(expected);
        prepared.Facts.Warnings.Any(w => w.Contains("damaged", StringComparison.Ordinal)).ShouldBe(damaged);
    }

    /// <summary>Tiles of 64 pixels, each channel by itself.</summary>
    private static byte[] PlanarTiff(bool big, int compression)
    {
        const int Tile = 64, Across = (Width + Tile - 1) / Tile, Down = (Height + Tile - 1) / Tile;
        var (data, offsets, counts) = (new MemoryStream(), new List<int>(), new List<int>());
        for (int i = 0; i < 3 * Across * Down; i++)
        {
            var (band, left, top) = (i / (Across * Down), i % Across * Tile, i / Across % Down * Tile);
            byte[] tile = [.. Enumerable.Range(0, Tile * Tile).Select(n => (X: left + (n % Tile), Y: top + (n / Tile)))
                .Select(p => p.X < Width && p.Y < Height ? Pixels[(((p.Y * Width) + p.X) * 3) + band] : (byte)0)];
            if (compression == 8)
            {
                using var packed = new MemoryStream();
                using (var zlib = new System.IO.Compression.ZLibStream(packed, System.IO.Compression.CompressionLevel.Fastest, leaveOpen: true))
                {
                    zlib.Write(tile);
                }

                tile = packed.ToArray();
            }

            offsets.Add(8 + (int)data.Length);
            counts.Add(tile.Length);
            data.Write(tile);
        }

        return Tiff(
            big, [(256, [Width]), (257, [Height]), (258, [8, 8, 8]), (259, [compression]), (262, [2]), (277, [3]), (284, [2]), (322, [Tile]), (323, [Tile]), (324, [.. offsets]), (325, [.. counts])],
            data.ToArray());
    }

    /// <summary>Data at byte 8, then a directory of numbers; <paramref name="big"/>: big-endian.</summary>
    private static byte[] Tiff(bool big, (int Tag, int[] Values)[] tags, byte[] data)
    {
        var file = new MemoryStream();
        file.Write(big ? "MM\0*"u8 : "II*\0"u8);
        int tables = 8 + data.Length + (data.Length % 2), start = tables + tags.Sum(t => t.Values.Length > 1 ? 4 * t.Values.Length : 0);
        Long(start);
        file.Write(data);
        file.Write(new byte[data.Length % 2]);
        foreach (int value in tags.Where(t => t.Values.Length > 1).SelectMany(t => t.Values))
        {
            Long(value);
        }

        Short(tags.Length);
        foreach (var (tag, values) in tags)
        {
            Short(tag);
            Short(4);
            Long(values.Length);
            Long(values.Length > 1 ? tables : values[0]);
            tables += values.Length > 1 ? 4 * values.Length : 0;
        }

        Long(0);
        return file.ToArray();

        void Short(int value) => file.Write(big ? [(byte)(value >> 8), (byte)value] : [(byte)value, (byte)(value >> 8)]);

        void Long(int value)
        {
            Short(big ? value >> 16 : value & 0xFFFF);
            Short(big ? value & 0xFFFF : value >> 16);
        }
    }
}
