using System.Buffers.Binary;
using Palimpsest.Imaging.Vips;

namespace Palimpsest.Decoder.Salvage;

/// <summary>
/// An AVIF without colour boxes of a kind that nobody defined (ISO/IEC 14496-12, colr), for which libheif refuses the whole file. They become free space, so that nothing moves.
/// </summary>
internal static class AvifBoxes
{
    private const int Header = 8, FullHeader = 12, Deepest = 3; // meta, iprp, ipco
    private static readonly byte[] Free = "free"u8.ToArray();

    /// <summary>Null when there is nothing of that kind.</summary>
    public static PinnedBytes? TryMend(byte[] file)
    {
        byte[] mended = [.. file];
        return Mend(mended, 0, mended.Length, 0) ? new PinnedBytes(mended) : null;
    }

    private static bool Mend(Span<byte> file, int at, int end, int depth)
    {
        bool changed = false;
        while (at + Header <= end && depth <= Deepest)
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
                changed |= Mend(file, at + FullHeader, next, depth + 1);
            }
            else if (type.SequenceEqual("iprp"u8) || type.SequenceEqual("ipco"u8))
            {
                changed |= Mend(file, at + Header, next, depth + 1);
            }
            else if (type.SequenceEqual("colr"u8) && size >= FullHeader && !IsColour(file.Slice(at + Header, 4)))
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
