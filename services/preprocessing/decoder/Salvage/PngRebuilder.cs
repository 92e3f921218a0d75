using System.Buffers.Binary;
using System.IO.Compression;
using Palimpsest.Imaging.Vips;

namespace Palimpsest.Decoder.Salvage;

/// <summary>
/// A PNG written anew from its header, palette and pixel stream, when that stream still gives every row: wrong checksums, broken other chunks and a missing end are
/// left behind. A stream that gives too little, or rows of unknown filters, is not mended.
/// </summary>
internal static class PngRebuilder
{
    private const int MaxRowBytes = 64 << 20;
    private const int MaxSide = 1 << 20;

    /// <summary>Null when the pixel stream is not whole, or larger than is worth a second look.</summary>
    public static PinnedBytes? TryRebuild(byte[] file)
    {
        var (header, palette, transparency, stream) = ReadChunks(file);
        if (header.Length != 13 || stream.Length == 0 || Rows(header.Span) is not { } rows)
        {
            return null;
        }

        long length = rows.Sum(r => (long)r.Count * r.Bytes);
        if (length is 0 or > MaxRowBytes || Inflate(stream, (int)length) is not { } pixels || !FiltersAreKnown(pixels, rows))
        {
            return null;
        }

        using var packed = new MemoryStream();
        using (var deflate = new ZLibStream(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            deflate.Write(pixels);
        }

        return new PinnedBytes(
            file.AsMemory(0, 8), Chunk("IHDR"u8, header.Span), palette.IsEmpty ? default : Chunk("PLTE"u8, palette.Span),
            transparency.IsEmpty ? default : Chunk("tRNS"u8, transparency.Span), Chunk("IDAT"u8, packed.ToArray()), Chunk("IEND"u8, []));
    }

    private static (ReadOnlyMemory<byte> Header, ReadOnlyMemory<byte> Palette, ReadOnlyMemory<byte> Transparency, MemoryStream Stream) ReadChunks(byte[] file)
    {
        ReadOnlyMemory<byte> header = default, palette = default, transparency = default;
        var stream = new MemoryStream();
        for (long at = 8; at + 8 < file.Length;)
        {
            var chunk = file.AsSpan((int)at);
            long length = BinaryPrimitives.ReadUInt32BigEndian(chunk);
            int there = (int)Math.Min(length, chunk.Length - 8);
            var type = chunk.Slice(4, 4);
            var body = file.AsMemory((int)at + 8, there);
            bool sound = length + 12 <= chunk.Length && BinaryPrimitives.ReadUInt32BigEndian(chunk[((int)length + 8)..]) == Checksum(chunk.Slice(4, (int)length + 4));
            if (type.SequenceEqual("IDAT"u8))
            {
                stream.Write(body.Span);
            }
            else if (sound && type.SequenceEqual("IHDR"u8))
            {
                header = body;
            }
            else if (sound && type.SequenceEqual("PLTE"u8))
            {
                palette = body;
            }
            else if (sound && type.SequenceEqual("tRNS"u8))
            {
                transparency = body;
            }

            at += 12 + length;
        }

        stream.Position = 0;
        return (header, palette, transparency, stream);
    }

    /// <summary>Rows of each pass and their bytes, filter included (ISO/IEC 15948, 7.2 and 8.2); null for what is no PNG.</summary>
    private static List<(int Count, long Bytes)>? Rows(ReadOnlySpan<byte> header)
    {
        long width = BinaryPrimitives.ReadUInt32BigEndian(header), height = BinaryPrimitives.ReadUInt32BigEndian(header[4..]);
        int samples = header[9] switch { 0 or 3 => 1, 2 => 3, 4 => 2, 6 => 4, _ => 0 };
        if (samples == 0 || header[8] is not (1 or 2 or 4 or 8 or 16) || header[12] > 1 || width > MaxSide || height > MaxSide)
        {
            return null;
        }

        int bits = samples * header[8];
        ReadOnlySpan<(int X, int Y, int StepX, int StepY)> passes = header[12] == 0
            ? [(0, 0, 1, 1)] : [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];
        var rows = new List<(int, long)>();
        foreach (var (x, y, stepX, stepY) in passes)
        {
            long across = (width - x + stepX - 1) / stepX, down = (height - y + stepY - 1) / stepY;
            if (across > 0 && down > 0)
            {
                rows.Add(((int)down, 1 + (((across * bits) + 7) / 8)));
            }
        }

        return rows;
    }

    private static byte[]? Inflate(Stream stream, int length)
    {
        byte[] pixels = new byte[length];
        try
        {
            using var inflate = new ZLibStream(stream, CompressionMode.Decompress);
            return inflate.ReadAtLeast(pixels, length, throwOnEndOfStream: false) == length ? pixels : null;
        }
        catch (InvalidDataException)
        {
            return null;
        }
    }

    private static bool FiltersAreKnown(ReadOnlySpan<byte> pixels, List<(int Count, long Bytes)> rows)
    {
        long at = 0;
        foreach (var (count, bytes) in rows)
        {
            for (int i = 0; i < count; i++, at += bytes)
            {
                if (pixels[(int)at] > 4)
                {
                    return false;
                }
            }
        }

        return true;
    }

    private static byte[] Chunk(ReadOnlySpan<byte> type, ReadOnlySpan<byte> body)
    {
        byte[] chunk = new byte[12 + body.Length];
        BinaryPrimitives.WriteInt32BigEndian(chunk, body.Length);
        type.CopyTo(chunk.AsSpan(4));
        body.CopyTo(chunk.AsSpan(8));
        BinaryPrimitives.WriteUInt32BigEndian(chunk.AsSpan(8 + body.Length), Checksum(chunk.AsSpan(4, 4 + body.Length)));
        return chunk;
    }

    private static uint Checksum(ReadOnlySpan<byte> data) => ~Imaging.Rendering.Crc32.Update(~0u, data);
}
