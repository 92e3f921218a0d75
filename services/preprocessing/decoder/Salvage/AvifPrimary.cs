using System.Buffers.Binary;
using System.Text;
using Palimpsest.Imaging.Vips;

namespace Palimpsest.Decoder.Salvage;

/// <summary>
/// An AVIF written anew with its primary picture alone (ISO/IEC 23008-12): damage in boxes of alpha, thumbnails, metadata or a sequence, for which libheif refuses the whole file, is left behind.
/// Only for a picture coded as one AV1 item whose data are all there; not for grids.
/// </summary>
internal static class AvifPrimary
{
    private const int Header = 8, MaxProperties = 127;

    // What makes the pixels what they are; all else is left behind.
    private static readonly string[] Kept = ["av1C", "ispe", "pixi", "irot", "imir", "clap"];

    /// <summary>Null when the primary picture cannot be found whole.</summary>
    public static PinnedBytes? TryExtract(byte[] file)
    {
        try
        {
            var boxes = Boxes(file).ToLookup(b => b.Type, b => b.Body);
            return boxes["meta"].FirstOrDefault() is { Length: > 4 } meta ? Extract(file, meta[4..]) : null;
        }
        catch (ArgumentOutOfRangeException)
        {
            return null; // a field beyond the end of its box
        }
    }

    private static PinnedBytes? Extract(byte[] file, ReadOnlyMemory<byte> meta)
    {
        var boxes = Boxes(meta).GroupBy(b => b.Type).ToDictionary(g => g.Key, g => g.First().Body);
        if (!boxes.TryGetValue("pitm", out var pitm) || !boxes.TryGetValue("iloc", out var iloc) || !boxes.TryGetValue("iprp", out var iprp))
        {
            return null;
        }

        uint primary = pitm.Span[0] == 0 ? new Fields(pitm, 4).Take(2) : new Fields(pitm, 4).Take(4);
        if (Data(file, boxes.GetValueOrDefault("idat"), iloc, primary) is not { Count: > 0 } data || Properties(iprp, primary) is not { } properties)
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

    /// <summary>The item's bytes in the file; null when they are elsewhere, or not all there.</summary>
    private static List<ReadOnlyMemory<byte>>? Data(byte[] file, ReadOnlyMemory<byte> idat, ReadOnlyMemory<byte> iloc, uint wanted)
    {
        int version = iloc.Span[0];
        var fields = new Fields(iloc, 4);
        int sizes = (int)fields.Take(2), offsetBytes = sizes >> 12, lengthBytes = (sizes >> 8) & 15, baseBytes = (sizes >> 4) & 15, indexBytes = version > 0 ? sizes & 15 : 0;
        for (uint left = fields.Take(version < 2 ? 2 : 4); left > 0; left--)
        {
            uint item = fields.Take(version < 2 ? 2 : 4), method = version > 0 ? fields.Take(2) & 15 : 0;
            fields.Take(2);
            long origin = fields.Take(baseBytes);
            var from = method == 1 ? idat : file;
            var found = new List<ReadOnlyMemory<byte>>();
            long total = 0;
            uint extents = fields.Take(2);
            if (extents > 1 && offsetBytes + lengthBytes + indexBytes == 0)
            {
                return null; // as many as one likes in no space
            }

            for (; extents > 0; extents--)
            {
                fields.Take(indexBytes);
                long offset = origin + fields.Take(offsetBytes), length = fields.Take(lengthBytes);
                if (item != wanted)
                {
                    continue;
                }

                length = length == 0 ? from.Length - offset : length;
                total += length;
                if (method > 1 || length <= 0 || offset + length > from.Length || total > from.Length)
                {
                    return null; // elsewhere, cut short, or the same bytes again and again
                }

                found.Add(from.Slice((int)offset, (int)length));
            }

            if (item == wanted)
            {
                return found;
            }
        }

        return null;
    }

    /// <summary>What describes the item's pixels, in the order it is applied; null without its coding and size.</summary>
    private static List<(byte[] Box, bool Essential)>? Properties(ReadOnlyMemory<byte> iprp, uint wanted)
    {
        var boxes = Boxes(iprp).ToList();
        var all = Boxes(boxes.Find(b => b.Type == "ipco").Body).ToList();
        foreach (var (_, ipma) in boxes.Where(b => b.Type == "ipma"))
        {
            var fields = new Fields(ipma, 4);
            bool wide = (ipma.Span[3] & 1) != 0;
            for (uint left = fields.Take(4); left > 0; left--)
            {
                bool mine = fields.Take(ipma.Span[0] == 0 ? 2 : 4) == wanted;
                var found = new List<(string Type, byte[] Box, bool Essential)>();
                for (uint properties = fields.Take(1); properties > 0; properties--)
                {
                    uint field = fields.Take(wide ? 2 : 1), index = field & (wide ? 0x7FFFu : 0x7F);
                    if (index > 0 && index <= all.Count && Kept.Contains(all[(int)index - 1].Type))
                    {
                        var (type, body) = all[(int)index - 1];
                        found.Add((type, Box(type, body.Span), field >> (wide ? 15 : 7) != 0));
                    }
                }

                if (mine)
                {
                    bool whole = found.Count <= MaxProperties && found.Exists(p => p.Type == "av1C") && found.Exists(p => p.Type == "ispe");
                    return whole ? [.. found.Select(p => (p.Box, p.Essential))] : null;
                }
            }
        }

        return null;
    }

    /// <summary>Boxes one behind the other, as long as they fit; one that reaches beyond the end is the last and ends there.</summary>
    private static IEnumerable<(string Type, ReadOnlyMemory<byte> Body)> Boxes(ReadOnlyMemory<byte> within)
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

    private static byte[] Box(string type, ReadOnlySpan<byte> body)
    {
        byte[] box = new byte[Header + body.Length];
        BinaryPrimitives.WriteInt32BigEndian(box, box.Length);
        Encoding.Latin1.GetBytes(type, box.AsSpan(4));
        body.CopyTo(box.AsSpan(Header));
        return box;
    }

    private static byte[] Number(int value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(bytes, value);
        return bytes;
    }

    /// <summary>Big-endian numbers of 0 to 8 bytes; throws <see cref="ArgumentOutOfRangeException"/> behind the end. Those of 8 bytes are cut: no file here is as long.</summary>
    private sealed class Fields(ReadOnlyMemory<byte> bytes, int start)
    {
        private int at = start;

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
}
