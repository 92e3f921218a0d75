using Palimpsest.Imaging.Vips;

namespace Palimpsest.Decoder.Salvage;

/// <summary>The first picture of an AVIF sequence as an AVIF of its own, from the track's tables (ISO/IEC 14496-12): for when the boxes of its still picture are broken.</summary>
internal static class AvifTrack
{
    private const int EntryBytes = 78; // a visual sample entry up to its boxes
    private const int SizeAt = 24; // in it: width and height

    /// <summary>Null when there is no such track, or its first sample is not all there.</summary>
    public static PinnedBytes? TryExtract(byte[] file)
    {
        try
        {
            foreach (var track in AvifFile.Inside(file, "moov").SelectMany(movie => AvifFile.Inside(movie, "trak")))
            {
                var media = AvifFile.Inside(track, "mdia").ToList();
                bool picture = media.SelectMany(m => AvifFile.Inside(m, "hdlr")).Any(h => h.Length >= 12 && h.Span.Slice(8, 4).SequenceEqual("pict"u8));
                if (picture && media.SelectMany(m => AvifFile.Inside(m, "minf")).SelectMany(m => AvifFile.Inside(m, "stbl")).Select(table => First(file, table)).FirstOrDefault(f => f is not null) is { } found)
                {
                    return found;
                }
            }
        }
        catch (ArgumentOutOfRangeException)
        {
            // A field beyond the end of its box.
        }

        return null;
    }

    private static PinnedBytes? First(byte[] file, ReadOnlyMemory<byte> table)
    {
        var boxes = AvifFile.ByType(table);
        if (!boxes.TryGetValue("stsd", out var description) || !boxes.TryGetValue("stsz", out var sizes) || !(boxes.TryGetValue("stco", out var chunks) || boxes.TryGetValue("co64", out chunks)))
        {
            return null;
        }

        var entry = AvifFile.Inside(description[8..], "av01").FirstOrDefault();
        uint same = new Fields(sizes, 4).Take(4), length = same > 0 ? same : new Fields(sizes, 12).Take(4);
        long offset = new Fields(chunks, 8).Take(boxes.ContainsKey("stco") ? 4 : 8);
        if (entry.Length <= EntryBytes || length == 0 || offset + length > file.Length)
        {
            return null;
        }

        var size = new Fields(entry, SizeAt);
        byte[] extent = [0, 0, 0, 0, .. AvifFile.Number((int)size.Take(2)), .. AvifFile.Number((int)size.Take(2))];
        var coding = AvifFile.Inside(entry[EntryBytes..], "av1C").Select(body => new AvifProperty("av1C", AvifFile.Box("av1C", body.Span), Essential: true)).Take(1);
        return AvifFile.Write([file.AsMemory((int)offset, (int)length)], [new AvifProperty("ispe", AvifFile.Box("ispe", extent), Essential: false), .. coding]);
    }
}
