using Palimpsest.Imaging.Vips;

namespace Palimpsest.Decoder.Salvage;

/// <summary>
/// An AVIF written anew with its primary picture alone (ISO/IEC 23008-12): damage in boxes of alpha, thumbnails, metadata or a sequence, for which libheif refuses the whole file, is left behind.
/// Only for a picture coded as one AV1 item whose data are all there; not for grids.
/// </summary>
internal static class AvifPrimary
{
    // What makes the pixels what they are; all else is left behind.
    private static readonly string[] Kept = ["av1C", "ispe", "pixi", "irot", "imir", "clap"];

    /// <summary>Null when the primary picture cannot be found whole.</summary>
    public static PinnedBytes? TryExtract(byte[] file)
    {
        try
        {
            return AvifFile.Inside(file, "meta").FirstOrDefault() is { Length: > 4 } meta ? Extract(file, meta[4..]) : null;
        }
        catch (ArgumentOutOfRangeException)
        {
            return null; // a field beyond the end of its box
        }
    }

    private static PinnedBytes? Extract(byte[] file, ReadOnlyMemory<byte> meta)
    {
        var boxes = AvifFile.ByType(meta);
        if (!boxes.TryGetValue("pitm", out var pitm) || !boxes.TryGetValue("iloc", out var iloc) || !boxes.TryGetValue("iprp", out var iprp))
        {
            return null;
        }

        uint primary = new Fields(pitm, 4).Take(Version(pitm) == 0 ? 2 : 4);
        if (Data(file, boxes.GetValueOrDefault("idat"), iloc, primary) is not { Count: > 0 } data || Properties(iprp, primary) is not { } properties)
        {
            return null;
        }

        return AvifFile.Write(data, properties);
    }

    /// <summary>The item's bytes in the file; null when they are elsewhere, or not all there.</summary>
    private static List<ReadOnlyMemory<byte>>? Data(byte[] file, ReadOnlyMemory<byte> idat, ReadOnlyMemory<byte> iloc, uint wanted)
    {
        uint version = Version(iloc);
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

    /// <summary>What describes the item's pixels, in the order it is applied; null when nothing does.</summary>
    private static List<AvifProperty>? Properties(ReadOnlyMemory<byte> iprp, uint wanted)
    {
        var all = AvifFile.Inside(iprp, "ipco").Take(1).SelectMany(AvifFile.Boxes).ToList();
        foreach (var ipma in AvifFile.Inside(iprp, "ipma"))
        {
            var fields = new Fields(ipma, 4);
            bool wide = (new Fields(ipma, 3).Take(1) & 1) != 0;
            for (uint left = fields.Take(4); left > 0; left--)
            {
                bool mine = fields.Take(Version(ipma) == 0 ? 2 : 4) == wanted;
                var found = new List<AvifProperty>();
                for (uint properties = fields.Take(1); properties > 0; properties--)
                {
                    uint field = fields.Take(wide ? 2 : 1), index = field & (wide ? 0x7FFFu : 0x7F);
                    if (index > 0 && index <= all.Count && Kept.Contains(all[(int)index - 1].Type))
                    {
                        var (type, body) = all[(int)index - 1];
                        found.Add(new(type, AvifFile.Box(type, body.Span), field >> (wide ? 15 : 7) != 0));
                    }
                }

                if (mine)
                {
                    return found;
                }
            }
        }

        return null;
    }

    private static uint Version(ReadOnlyMemory<byte> box) => new Fields(box, 0).Take(1);
}
