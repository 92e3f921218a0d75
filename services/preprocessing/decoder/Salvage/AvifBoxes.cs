using System.Buffers.Binary;
using Palimpsest.Imaging.Vips;

namespace Palimpsest.Decoder.Salvage;

/// <summary>
/// An AVIF without the boxes that its still picture does not need (ISO/IEC 14496-12; 23008-12): a colour box of a kind that nobody defined, and the film of a sequence. libheif refuses
/// the whole file for damage in either. The boxes become free space, so that nothing moves.
/// </summary>
internal static class AvifBoxes
{
    private const int Header = 8, FullHeader = 12;
    private static readonly byte[] Free = "free"u8.ToArray();

    /// <summary>Null when there is nothing of that kind.</summary>
    public static PinnedBytes? TryMend(byte[] file)
    {
        byte[] mended = [.. file];
        if (!Mend(mended, 0, mended.Length))
        {
            return null;
        }

        // Without its film a sequence is a still picture, and has to call itself one.
        long brands = Math.Min(BinaryPrimitives.ReadUInt32BigEndian(mended), (uint)mended.Length);
        for (int at = Header; at + 4 <= brands; at += 4)
        {
            if (mended.AsSpan(at).StartsWith("avis"u8))
            {
                "avif"u8.CopyTo(mended.AsSpan(at));
            }
        }

        return new PinnedBytes(mended);
    }

    private static bool Mend(Span<byte> file, int at, int end)
    {
        bool changed = false;
        while (at + Header <= end)
        {
            long size = BinaryPrimitives.ReadUInt32BigEndian(file[at..]);
            var type = file.Slice(at + 4, 4);
            if (size < Header || at + size > end)
            {
                // To the end of the file, in 64 bits, or broken: no place for what is looked for here.
                return changed;
            }

            int next = at + (int)size;
            if (type.SequenceEqual("meta"u8))
            {
                changed |= Mend(file, at + FullHeader, next);
            }
            else if (type.SequenceEqual("iprp"u8) || type.SequenceEqual("ipco"u8))
            {
                changed |= Mend(file, at + Header, next);
            }
            else if (type.SequenceEqual("moov"u8) || (type.SequenceEqual("colr"u8) && size >= FullHeader && !IsColour(file.Slice(at + Header, 4))))
            {
                Free.CopyTo(type);
                changed = true;
            }

            at = next;
        }

        return changed;
    }

    private static bool IsColour(ReadOnlySpan<byte> kind) => kind.SequenceEqual("nclx"u8) || kind.SequenceEqual("rICC"u8) || kind.SequenceEqual("prof"u8);
}
