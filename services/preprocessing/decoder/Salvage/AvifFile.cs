using System.Buffers.Binary;
using System.Text;
using Palimpsest.Imaging.Vips;

namespace Palimpsest.Decoder.Salvage;

/// <summary>What describes the pixels of an AV1 picture: a box of its own, and whether a reader must understand it.</summary>
internal readonly record struct AvifProperty(string Type, byte[] Box, bool Essential);

/// <summary>Boxes (ISO/IEC 14496-12), and an AVIF of one picture made from them (ISO/IEC 23008-12).</summary>
internal static class AvifFile
{
    private const int Header = 8, MaxProperties = 127;

    /// <summary>An AVIF with one picture alone; null when its properties do not say how it is coded and how large it is.</summary>
    public static PinnedBytes? Write(IReadOnlyList<ReadOnlyMemory<byte>> data, IReadOnlyList<AvifProperty> properties)
    {
        if (properties.Count > MaxProperties || !properties.Any(p => p.Type == "av1C") || !properties.Any(p => p.Type == "ispe"))
        {
            return null;
        }

        byte[] association = [0, 0, 0, 0, 0, 0, 0, 1, 0, 1, (byte)properties.Count, .. properties.Select((p, i) => (byte)((p.Essential ? 0x80 : 0) | (i + 1)))];
        byte[] content = [.. data.SelectMany(d => d.ToArray())];
        byte[] start = Box("ftyp", "avif\0\0\0\0avifmif1miaf"u8);
        byte[] Meta(int offset) => Box(
            "meta",
            [
                0, 0, 0, 0, .. Box("hdlr", "\0\0\0\0\0\0\0\0pict\0\0\0\0\0\0\0\0\0\0\0\0\0"u8), .. Box("pitm", [0, 0, 0, 0, 0, 1]),
                .. Box("iloc", [0, 0, 0, 0, 0x44, 0, 0, 1, 0, 1, 0, 0, 0, 1, .. Number(offset), .. Number(content.Length)]),
                .. Box("iinf", [0, 0, 0, 0, 0, 1, .. Box("infe", "\x02\0\0\0\0\x01\0\0av01\0"u8)]),
                .. Box("iprp", [.. Box("ipco", [.. properties.SelectMany(p => p.Box)]), .. Box("ipma", association)]),
            ]);
        byte[] first = Meta(0);
        return new PinnedBytes(start, Meta(start.Length + first.Length + Header), Box("mdat", content));
    }

    /// <summary>Boxes one behind the other, as long as they fit; one that reaches beyond the end is the last and ends there.</summary>
    public static IEnumerable<(string Type, ReadOnlyMemory<byte> Body)> Boxes(ReadOnlyMemory<byte> within)
    {
        for (int at = 0; at + Header <= within.Length;)
        {
            long size = BinaryPrimitives.ReadUInt32BigEndian(within.Span[at..]);
            int header = size == 1 ? Header + 8 : Header;
            if (at + header > within.Length)
            {
                yield break;
            }

            size = size switch { 0 => within.Length - at, 1 => (long)Math.Min(BinaryPrimitives.ReadUInt64BigEndian(within.Span[(at + Header)..]), long.MaxValue), _ => size };
            if (size < header)
            {
                yield break;
            }

            int end = (int)Math.Min(at + size, within.Length);
            yield return (Encoding.Latin1.GetString(within.Span.Slice(at + 4, 4)), within[(at + header)..end]);
            at = end;
        }
    }

    /// <summary>The contents of the boxes of one type.</summary>
    public static IEnumerable<ReadOnlyMemory<byte>> Inside(ReadOnlyMemory<byte> within, string type) => Boxes(within).Where(b => b.Type == type).Select(b => b.Body);

    /// <summary>The contents of the first box of each type.</summary>
    public static Dictionary<string, ReadOnlyMemory<byte>> ByType(ReadOnlyMemory<byte> within) => Boxes(within).GroupBy(b => b.Type).ToDictionary(g => g.Key, g => g.First().Body);

    /// <summary>A box around bytes.</summary>
    public static byte[] Box(string type, ReadOnlySpan<byte> body)
    {
        byte[] box = new byte[Header + body.Length];
        BinaryPrimitives.WriteInt32BigEndian(box, box.Length);
        Encoding.Latin1.GetBytes(type, box.AsSpan(4));
        body.CopyTo(box.AsSpan(Header));
        return box;
    }

    /// <summary>Four bytes, big-endian.</summary>
    public static byte[] Number(int value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(bytes, value);
        return bytes;
    }
}

/// <summary>Big-endian numbers of 0 to 8 bytes; throws <see cref="ArgumentOutOfRangeException"/> behind the end. Those of 8 bytes are cut: no file here is as long.</summary>
internal sealed class Fields(ReadOnlyMemory<byte> bytes, int start)
{
    private int at = start;

    /// <summary>The next number.</summary>
    public uint Take(int count)
    {
        var field = bytes.Span.Slice(at, count);
        at += count;
        ulong value = 0;
        foreach (byte b in field)
        {
            value = (value << 8) | b;
        }

        return (uint)Math.Min(value, uint.MaxValue);
    }
}
