using System.Buffers.Binary;

namespace Palimpsest.Decoder.Salvage;

/// <summary>The first directory of a TIFF 6.0 file; BigTIFF is not read. Whole numbers only: other types are left out.</summary>
internal sealed class TiffDirectory
{
    public const int Width = 256, Height = 257, BitsPerSample = 258, Compression = 259, Photometric = 262, FillOrder = 266, SamplesPerPixel = 277, PlanarConfiguration = 284, Predictor = 317;
    public const int TileWidth = 322, TileLength = 323, TileOffsets = 324, TileByteCounts = 325, SampleFormat = 339, JpegStream = 513, JpegStreamLength = 514;

    private const int EntryBytes = 12, MaxValues = 1 << 16;

    private readonly Dictionary<int, long[]> values = [];

    private TiffDirectory(bool little) => Little = little;

    /// <summary>Byte order of the file.</summary>
    public bool Little { get; }

    /// <summary>A tag's numbers; empty when it is absent or out of the file.</summary>
    public IReadOnlyList<long> this[int tag] => values.GetValueOrDefault(tag) ?? [];

    /// <summary>A tag's first number.</summary>
    public long First(int tag, long otherwise) => this[tag] is [var value, ..] ? value : otherwise;

    /// <summary>Null when there is no directory in the file.</summary>
    public static TiffDirectory? TryRead(ReadOnlySpan<byte> file)
    {
        if (file.Length < 8 || (file[0] != 'I' && file[0] != 'M'))
        {
            return null;
        }

        var directory = new TiffDirectory(file[0] == 'I');
        long start = directory.Long(file, 4);
        if (directory.Short(file, 2) != 42 || start + 2 > file.Length)
        {
            return null;
        }

        int entries = directory.Short(file, (int)start);
        for (long at = start + 2; entries > 0 && at + EntryBytes <= file.Length; entries--, at += EntryBytes)
        {
            if (directory.Numbers(file, (int)at) is { } numbers)
            {
                directory.values.TryAdd(directory.Short(file, (int)at), numbers);
            }
        }

        return directory;
    }

    private long[]? Numbers(ReadOnlySpan<byte> file, int entry)
    {
        int type = Short(file, entry + 2), size = type switch { 3 => 2, 4 => 4, _ => 0 };
        long count = Long(file, entry + 4), at = size * count > 4 ? Long(file, entry + 8) : entry + 8;
        if (size == 0 || count is 0 or > MaxValues || at + (size * count) > file.Length)
        {
            return null;
        }

        long[] numbers = new long[count];
        for (int i = 0; i < count; i++)
        {
            numbers[i] = size == 2 ? Short(file, (int)at + (2 * i)) : Long(file, (int)at + (4 * i));
        }

        return numbers;
    }

    private int Short(ReadOnlySpan<byte> file, int at) => Little ? BinaryPrimitives.ReadUInt16LittleEndian(file[at..]) : BinaryPrimitives.ReadUInt16BigEndian(file[at..]);

    private long Long(ReadOnlySpan<byte> file, int at) => Little ? BinaryPrimitives.ReadUInt32LittleEndian(file[at..]) : BinaryPrimitives.ReadUInt32BigEndian(file[at..]);
}
