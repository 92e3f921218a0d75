using System.Buffers.Binary;
using Palimpsest.Imaging.Vips;

namespace Palimpsest.Decoder.Salvage;

/// <summary>
/// A GIF with its first frame alone (GIF89a, sections 17 to 23): libvips reads the table of all frames first and gives up on damage in any of them.
/// Only when the frame's data give every one of its pixels.
/// </summary>
internal static class GifFirstFrame
{
    private const byte Extension = 0x21, GraphicControl = 0xF9, ImageDescriptor = 0x2C, Trailer = 0x3B;
    private const int HeaderBytes = 13, DescriptorBytes = 10;

    /// <summary>Null when no whole frame is found.</summary>
    public static PinnedBytes? TryExtract(byte[] file)
    {
        if (file.Length < HeaderBytes)
        {
            return null;
        }

        int at = HeaderBytes + ColourTable(file[10]), start = at;
        ReadOnlyMemory<byte> control = default;
        while (at + 1 < file.Length && file[at] is not (ImageDescriptor or Trailer))
        {
            if (file[at] != Extension)
            {
                at++; // between blocks nothing has a meaning: on to the next that has
                continue;
            }

            int end = SkipBlocks(file, at + 2, out bool whole);
            control = file[at + 1] == GraphicControl && whole ? file.AsMemory(at, end - at) : control;
            at = end;
        }

        if (at + DescriptorBytes + 1 >= file.Length || file[at] != ImageDescriptor)
        {
            return null;
        }

        int data = at + DescriptorBytes + ColourTable(file[at + 9]) + 1;
        long pixels = (long)BinaryPrimitives.ReadUInt16LittleEndian(file.AsSpan(at + 5)) * BinaryPrimitives.ReadUInt16LittleEndian(file.AsSpan(at + 7));
        if (data >= file.Length || pixels == 0 || !LzwCount.Reaches(file, data, file[data - 1], pixels))
        {
            return null;
        }

        // Where the blocks run out of the file, those that are whole are all there is.
        int stop = SkipBlocks(file, data, out bool terminated);
        byte[] tail = terminated ? [Trailer] : [0, Trailer];
        return new PinnedBytes(file.AsMemory(0, start), control, file.AsMemory(at, stop - at), tail);
    }

    /// <summary>Bytes of the table that packed fields announce.</summary>
    private static int ColourTable(byte packed) => (packed & 0x80) != 0 ? 3 << ((packed & 7) + 1) : 0;

    /// <summary>The position behind the last whole sub-block.</summary>
    private static int SkipBlocks(ReadOnlySpan<byte> file, int at, out bool terminated)
    {
        while (at < file.Length && file[at] != 0)
        {
            if (at + 1 + file[at] > file.Length)
            {
                terminated = false;
                return at;
            }

            at += 1 + file[at];
        }

        terminated = at < file.Length;
        return terminated ? at + 1 : file.Length;
    }
}
