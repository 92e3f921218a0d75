using System.Buffers.Binary;
using Palimpsest.Contracts;
using Palimpsest.Imaging.Vips;

namespace Palimpsest.Decoder.Salvage;

/// <summary>
/// A tiled TIFF that keeps each channel by itself (PlanarConfiguration 2), which libvips does not read: as one grey TIFF a channel, the same bytes under a directory
/// that lists the tiles of that channel, and joined again.
/// </summary>
internal sealed class TiffPlanes
{
    private const int Separate = 2, Rgb = 2, Cmyk = 5, BlackIsZero = 1;

    private readonly PinnedBytes[] planes;
    private readonly string interpretation;

    private TiffPlanes(PinnedBytes[] planes, string interpretation) => (this.planes, this.interpretation) = (planes, interpretation);

    /// <summary>Null when this is another layout.</summary>
    public static TiffPlanes? TrySplit(byte[] file, TiffDirectory directory)
    {
        var (offsets, counts) = (directory[TiffDirectory.TileOffsets], directory[TiffDirectory.TileByteCounts]);
        long photometric = directory.First(TiffDirectory.Photometric, -1), samples = directory.First(TiffDirectory.SamplesPerPixel, 1), bits = directory.First(TiffDirectory.BitsPerSample, 1);
        int needed = photometric switch { Rgb => 3, Cmyk => 4, _ => 0 };
        if (directory.First(TiffDirectory.PlanarConfiguration, 1) != Separate || needed == 0 || samples < needed || bits is not (8 or 16)
            || directory[TiffDirectory.BitsPerSample].Any(b => b != bits) || offsets.Count == 0 || offsets.Count % samples != 0 || counts.Count != offsets.Count)
        {
            return null;
        }

        int each = (int)(offsets.Count / samples);
        return new TiffPlanes(
            [.. Enumerable.Range(0, needed).Select(i => Plane(file, directory, bits, [.. offsets.Skip(i * each).Take(each)], [.. counts.Skip(i * each).Take(each)]))],
            photometric == Cmyk ? "cmyk" : bits == 16 ? "rgb16" : "srgb");
    }

    /// <summary>The picture with its channels together.</summary>
    /// <exception cref="VipsException">A channel cannot be read.</exception>
    public VipsImage Open()
    {
        var open = new List<VipsImage>();
        try
        {
            foreach (var plane in planes)
            {
                open.Add(RgbDecoding.Open(plane, ImageFormats.Tiff));
            }

            using var joined = VipsImage.JoinBands(open);
            return joined.Apply("copy", ("interpretation", interpretation));
        }
        finally
        {
            open.ForEach(image => image.Dispose());
        }
    }

    private static PinnedBytes Plane(byte[] file, TiffDirectory directory, long bits, long[] offsets, long[] counts)
    {
        int tables = file.Length + (file.Length % 2), start = tables + (8 * offsets.Length);
        (int Tag, long Value)[] entries =
        [
            (TiffDirectory.Width, directory.First(TiffDirectory.Width, 0)), (TiffDirectory.Height, directory.First(TiffDirectory.Height, 0)), (TiffDirectory.BitsPerSample, bits),
            (TiffDirectory.Compression, directory.First(TiffDirectory.Compression, 1)), (TiffDirectory.Photometric, BlackIsZero),
            (TiffDirectory.FillOrder, directory.First(TiffDirectory.FillOrder, 1)), (TiffDirectory.SamplesPerPixel, 1), (TiffDirectory.PlanarConfiguration, 1),
            (TiffDirectory.Predictor, directory.First(TiffDirectory.Predictor, 1)), (TiffDirectory.TileWidth, directory.First(TiffDirectory.TileWidth, 0)),
            (TiffDirectory.TileLength, directory.First(TiffDirectory.TileLength, 0)), (TiffDirectory.TileOffsets, offsets.Length == 1 ? offsets[0] : tables),
            (TiffDirectory.TileByteCounts, counts.Length == 1 ? counts[0] : tables + (4 * offsets.Length)), (TiffDirectory.SampleFormat, directory.First(TiffDirectory.SampleFormat, 1)),
        ];
        byte[] added = new byte[start - file.Length + 2 + (12 * entries.Length) + 4];
        int at = tables - file.Length;
        foreach (long number in (long[])[.. offsets, .. counts])
        {
            Long(number);
        }

        Short(entries.Length);
        foreach (var (tag, value) in entries)
        {
            Short(tag);
            Short(4); // LONG
            Long(tag is TiffDirectory.TileOffsets or TiffDirectory.TileByteCounts ? offsets.Length : 1);
            Long(value);
        }

        byte[] head = file[..8];
        Write(head.AsSpan(4), start);
        return new PinnedBytes(head, file.AsMemory(8), added);

        void Short(int value)
        {
            if (directory.Little)
            {
                BinaryPrimitives.WriteUInt16LittleEndian(added.AsSpan(at), (ushort)value);
            }
            else
            {
                BinaryPrimitives.WriteUInt16BigEndian(added.AsSpan(at), (ushort)value);
            }

            at += 2;
        }

        void Long(long value)
        {
            Write(added.AsSpan(at), value);
            at += 4;
        }

        void Write(Span<byte> to, long value)
        {
            if (directory.Little)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(to, (uint)value);
            }
            else
            {
                BinaryPrimitives.WriteUInt32BigEndian(to, (uint)value);
            }
        }
    }
}
