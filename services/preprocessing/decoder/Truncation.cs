using System.Buffers;
using System.Buffers.Binary;
using Palimpsest.Contracts;
using Palimpsest.Decoder.Jpeg;

namespace Palimpsest.Decoder;

/// <summary>
/// Tells a file cut short from a damaged one, after it could not be decoded: the client mends the two differently. Goes by the container's own
/// structure; the decoders' words for the two are the same.
/// </summary>
internal static class Truncation
{
    /// <summary>True when the container says that more should follow.</summary>
    public static bool IsCut(ReadOnlySpan<byte> file, string format) => format switch
    {
        ImageFormats.Jpeg => JpegFile.IsCut(file),
        ImageFormats.Png => EndsInsideChunk(file),
        ImageFormats.Gif => file[^1] != 0x3B,
        ImageFormats.Webp => file.Length < 8L + BinaryPrimitives.ReadUInt32LittleEndian(file[4..]),
        ImageFormats.Avif => EndsInsideBox(file),
        ImageFormats.Tiff => PointsBehindEnd(file),
        _ => false,
    };

    private static readonly SearchValues<byte> ChunkLetters = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);

    /// <summary>PNG: a chunk is length, type, data, checksum; IEND is the last.</summary>
    private static bool EndsInsideChunk(ReadOnlySpan<byte> file)
    {
        long at = 8;
        while (at + 12 <= file.Length)
        {
            var chunk = file[(int)at..];
            if (chunk[4..].StartsWith("IEND"u8) || chunk.Slice(4, 4).ContainsAnyExcept(ChunkLetters))
            {
                return false; // whole, or so damaged that the chunks cannot be followed
            }

            at += 12L + BinaryPrimitives.ReadUInt32BigEndian(chunk);
        }

        return true;
    }

    /// <summary>ISO base media: a box is size, type, content; size 1 means that 64 bits follow, 0 "to the end".</summary>
    private static bool EndsInsideBox(ReadOnlySpan<byte> file)
    {
        long at = 0;
        while (at + 16 <= file.Length)
        {
            long size = BinaryPrimitives.ReadUInt32BigEndian(file[(int)at..]);
            if (size == 1)
            {
                size = BinaryPrimitives.ReadInt64BigEndian(file[(int)(at + 8)..]);
            }

            if (size < 8)
            {
                return false;
            }

            at = size > file.Length ? long.MaxValue - 16 : at + size;
        }

        return at > file.Length;
    }

    /// <summary>TIFF: the first directory, or the strips or tiles it lists, lie behind the end.</summary>
    private static bool PointsBehindEnd(ReadOnlySpan<byte> file)
    {
        bool little = file[0] == 'I';
        if (file.Length < 8 || Short(file, 2) != 42)
        {
            return file.Length < 8; // BigTIFF is rare: not looked into
        }

        long directory = Long(file, 4);
        if (directory + 2 > file.Length)
        {
            return true;
        }

        int entries = Short(file, directory);
        long furthest = directory + 2 + (12L * entries);
        var (offsets, counts) = ((At: 0L, Count: 0L, Wide: true), (At: 0L, Count: 0L, Wide: true));
        for (long at = directory + 2; at < furthest && at + 12 <= file.Length; at += 12)
        {
            var values = (At: at + 8, Count: Long(file, at + 4), Wide: Short(file, at + 2) == 4);
            if (values.Count * (values.Wide ? 4 : 2) > 4)
            {
                values.At = Long(file, at + 8);
            }

            switch (Short(file, at))
            {
                case 273 or 324: // StripOffsets, TileOffsets
                    offsets = values;
                    break;
                case 279 or 325: // StripByteCounts, TileByteCounts
                    counts = values;
                    break;
            }
        }

        for (long i = 0; i < Math.Min(offsets.Count, counts.Count) && furthest <= file.Length; i++)
        {
            if (Value(file, offsets, i) is not { } offset || Value(file, counts, i) is not { } count)
            {
                return true;
            }

            furthest = Math.Max(furthest, offset + count);
        }

        return furthest > file.Length;

        int Short(ReadOnlySpan<byte> data, long at) =>
            little ? BinaryPrimitives.ReadUInt16LittleEndian(data[(int)at..]) : BinaryPrimitives.ReadUInt16BigEndian(data[(int)at..]);

        long Long(ReadOnlySpan<byte> data, long at) =>
            little ? BinaryPrimitives.ReadUInt32LittleEndian(data[(int)at..]) : BinaryPrimitives.ReadUInt32BigEndian(data[(int)at..]);

        long? Value(ReadOnlySpan<byte> data, (long At, long Count, bool Wide) values, long index)
        {
            long at = values.At + (index * (values.Wide ? 4 : 2));
            return at + 4 > data.Length ? null : values.Wide ? Long(data, at) : Short(data, at);
        }
    }
}
