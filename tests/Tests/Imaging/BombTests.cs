using System.Buffers.Binary;
using System.Diagnostics;
using System.IO.Compression;
using Palimpsest.Contracts;
using Palimpsest.Decoding;
using Palimpsest.Malformed;
using Xunit.Abstractions;

namespace Palimpsest.Tests.Imaging;

/// <summary>Small files that would be large pictures: refused, or read, before memory or time go.</summary>
public sealed class BombTests(ITestOutputHelper output)
{
    private const long MemoryBound = 700L << 20;

    public static TheoryData<string, Func<byte[]>, string?> Bombs() => new()
    {
        { "10,000 x 10,000 announced", () => TestPictures.HugePng(10_000, 10_000), ErrorCodes.TooManyPixels },
        { "2 billion x 2 billion announced", () => TestPictures.HugePng(int.MaxValue, int.MaxValue), null },
        { "JPEG of 65,500 x 65,500 announced", () => Announced(TestPictures.Jpeg(), 65_500), ErrorCodes.TooManyPixels },
        { "one row of 16,384", () => TestPictures.Encode(new byte[16_384 * 3], 16_384, 1, "pngsave_buffer"), ErrorCodes.ImageTooSmall },
        { "one column of 16,384", () => TestPictures.Encode(new byte[16_384 * 3], 1, 16_384, "pngsave_buffer"), ErrorCodes.ImageTooSmall },
        { "GIF of 50,000 frames", () => Frames(50_000), "" },
        { "deflate bomb of 7,000 x 7,000 in 50 kB", () => DeflateBomb(7_000), "" },
        { "deflate bomb behind an announced 32 x 32", () => DeflateBomb(7_000, announced: 32), "" },
        { "ICC profile of a gigabyte deflated", () => Profile(1 << 30), "" },
        { "progressive JPEG of 5,000 scans", () => ManyScans(5_000), null },
        { "14 MB of ICC in a JPEG", () => Segments(0xE2, [.. "ICC_PROFILE\0\u0001\u00FF"u8], 220), "" },
        { "14 MB of EXIF in a JPEG", () => Segments(0xE1, [.. "Exif\0\0II*\0\u0008\0\0\0\u00FF\u00FF"u8], 220), "" },
    };

    /// <summary>Expected code; "" for a picture that is read; null for any refusal.</summary>
    [Theory]
    [MemberData(nameof(Bombs))]
    public async Task Bomb_takes_neither_memory_nor_time(string name, Func<byte[]> make, string? expected)
    {
        byte[] bomb = make();
        await using var pool = DecoderFixture.CreatePool(new DecoderOptions { Processes = 1 });
        await pool.StartAsync(CancellationToken.None);
        int process = pool.ProcessIds.ShouldHaveSingleItem();
        string folder = Directory.CreateTempSubdirectory("palimpsest-bomb-").FullName;
        try
        {
            await File.WriteAllBytesAsync(Path.Combine(folder, "upload"), bomb);
            await using var memory = new TreeMemory(() => process);
            long start = Stopwatch.GetTimestamp();
            var (layout, refusal) = await pool.PrepareAsync(Path.Combine(folder, "upload"), Path.Combine(folder, "prepared"), CancellationToken.None);
            var time = Stopwatch.GetElapsedTime(start);

            output.WriteLine($"{name}: {bomb.Length:N0} bytes, {refusal?.Code ?? "read"}, {time.TotalSeconds:0.00} s, peak-rss {memory.PeakBytes >> 20} MB");
            (layout is null).ShouldBe(expected != "", refusal?.Detail);
            if (expected is { Length: > 0 })
            {
                refusal!.Code.ShouldBe(expected);
            }

            pool.ProcessIds.ShouldHaveSingleItem().ShouldBe(process);
            time.ShouldBeLessThan(TimeSpan.FromSeconds(10));
            memory.PeakBytes.ShouldBeInRange(1, MemoryBound);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static byte[] Announced(byte[] jpeg, ushort side)
    {
        int frame = jpeg.AsSpan().IndexOf((byte[])[0xFF, 0xC0]);
        BinaryPrimitives.WriteUInt16BigEndian(jpeg.AsSpan(frame + 5), side);
        BinaryPrimitives.WriteUInt16BigEndian(jpeg.AsSpan(frame + 7), side);
        return jpeg;
    }

    private static byte[] Frames(int count)
    {
        byte[] gif = TestPictures.Encode(TestPictures.Pixels(64, 48), 64, 48, "gifsave_buffer");
        int image = gif.AsSpan().IndexOf((byte[])[0x2C, 0, 0, 0, 0]);
        byte[] dot = [0x2C, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0];
        return [.. gif[..^1], .. Enumerable.Repeat(dot, count).SelectMany(d => d), 0x3B];
    }

    private static byte[] DeflateBomb(int side, int announced = 0)
    {
        byte[] png = TestPictures.HugePng(announced > 0 ? announced : side, announced > 0 ? announced : side);
        using var data = new MemoryStream();
        using (var zlib = new ZLibStream(data, CompressionLevel.SmallestSize, leaveOpen: true))
        {
            byte[] row = new byte[1 + (side * 3)];
            for (int y = 0; y < side; y++)
            {
                zlib.Write(row);
            }
        }

        return [.. png[..33], .. Chunk("IDAT"u8, data.ToArray()), .. Chunk("IEND"u8, [])];
    }

    private static byte[] Profile(int bytes)
    {
        byte[] png = TestPictures.Encode(TestPictures.Pixels(64, 48), 64, 48, "pngsave_buffer");
        using var data = new MemoryStream();
        data.Write("x\0\0"u8);
        using (var zlib = new ZLibStream(data, CompressionLevel.Fastest, leaveOpen: true))
        {
            byte[] block = new byte[1 << 20];
            for (int i = 0; i < bytes; i += block.Length)
            {
                zlib.Write(block);
            }
        }

        return [.. png[..33], .. Chunk("iCCP"u8, data.ToArray()), .. png[33..]];
    }

    /// <summary>A large progressive JPEG whose last scan is repeated: each costs a pass over all coefficients.</summary>
    private static byte[] ManyScans(int count)
    {
        byte[] jpeg = TestPictures.Encode(new byte[4_000 * 4_000 * 3], 4_000, 4_000, "jpegsave_buffer", ("interlace", "true"));
        int last = jpeg.AsSpan().LastIndexOf((byte[])[0xFF, 0xDA]);
        byte[] scan = jpeg[last..(last + 24)];
        return [.. jpeg[..^2], .. Enumerable.Repeat(scan, count).SelectMany(s => s), 0xFF, 0xD9];
    }

    private static byte[] Segments(byte marker, byte[] head, int count)
    {
        byte[] body = new byte[65_500];
        head.CopyTo(body, 0);
        byte[] jpeg = TestPictures.Jpeg(), segment = TestPictures.InsertSegment([0xFF, 0xD8], marker, body)[2..];
        return [.. jpeg[..2], .. Enumerable.Repeat(segment, count).SelectMany(s => s), .. jpeg[2..]];
    }

    private static byte[] Chunk(ReadOnlySpan<byte> type, byte[] body)
    {
        byte[] chunk = [0, 0, 0, 0, .. type, .. body, 0, 0, 0, 0];
        BinaryPrimitives.WriteInt32BigEndian(chunk, body.Length);
        BinaryPrimitives.WriteUInt32BigEndian(chunk.AsSpan(8 + body.Length), ~Palimpsest.Imaging.Rendering.Crc32.Update(~0u, chunk.AsSpan(4, body.Length + 4)));
        return chunk;
    }
}
