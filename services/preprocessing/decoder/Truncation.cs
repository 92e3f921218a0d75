using System.Buffers.Binary;
using Palimpsest.Imaging;

namespace Palimpsest.Decoder;

/// <summary>Tells a file cut short from a damaged one, after it could not be decoded: the client mends the two differently.</summary>
internal static class Truncation
{
    private static readonly string[] Words = ["truncated", "premature end", "end of file", "unexpected end", "end-of-file", "eof", "end of stream", "not enough data", "read error"];

    /// <summary>True when the decoder says so, or the container's own end or length shows it.</summary>
    public static bool IsLikely(string error, ReadOnlySpan<byte> file, string format) =>
        Words.Any(word => error.Contains(word, StringComparison.OrdinalIgnoreCase)) || IsCut(file, format);

    private static ReadOnlySpan<byte> EndOfImage => [0xFF, 0xD9];

    private static bool IsCut(ReadOnlySpan<byte> file, string format) => format switch
    {
        ImageFormats.Jpeg => file.LastIndexOf(EndOfImage) < 0,
        ImageFormats.Png => file.LastIndexOf("IEND"u8) < 0,
        ImageFormats.Gif => file[^1] != 0x3B,
        ImageFormats.Webp => file.Length < 8L + BinaryPrimitives.ReadUInt32LittleEndian(file[4..]),
        ImageFormats.Avif => EndsInsideBox(file),
        _ => false,
    };

    private static bool EndsInsideBox(ReadOnlySpan<byte> file)
    {
        long at = 0;
        while (at + 8 <= file.Length)
        {
            long size = BinaryPrimitives.ReadUInt32BigEndian(file[(int)at..]);
            if (size == 1 && at + 16 <= file.Length)
            {
                size = BinaryPrimitives.ReadInt64BigEndian(file[(int)(at + 8)..]);
            }

            if (size < 8)
            {
                return false;
            }

            at = size > file.Length ? long.MaxValue - 8 : at + size;
        }

        return at != file.Length;
    }
}
