using System.Buffers.Binary;

namespace Palimpsest.Imaging;

/// <summary>
/// A probability for every cell of <see cref="Cell"/>×<see cref="Cell"/> analysed pixels, stored orientation: ⌈w/4⌉×⌈h/4⌉ bytes, 255 = certain.
/// Maps travel and are kept at this size; a mask of the upload's size is rendered from it on request.
/// </summary>
public sealed class ProbabilityMap
{
    /// <summary>Side of a cell in analysed pixels.</summary>
    public const int Cell = 4;

    private const uint Magic = 0x31504D50; // "PMP1" little endian
    private const int HeaderBytes = 12;

    /// <summary>A map over existing values.</summary>
    /// <param name="width">Cells a row.</param>
    /// <param name="height">Rows.</param>
    /// <param name="values">Row-major, <paramref name="width"/>×<paramref name="height"/> bytes.</param>
    public ProbabilityMap(int width, int height, byte[] values)
    {
        ArgumentNullException.ThrowIfNull(values);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(height);
        ArgumentOutOfRangeException.ThrowIfNotEqual(values.Length, width * height);
        (Width, Height, Values) = (width, height, values);
    }

    /// <summary>Cells a row.</summary>
    public int Width { get; }

    /// <summary>Rows.</summary>
    public int Height { get; }

    /// <summary>Row-major probabilities, 255 = 1.</summary>
    public byte[] Values { get; }

    /// <summary>An all-zero map for an analysed size.</summary>
    public static ProbabilityMap Blank(int analysedWidth, int analysedHeight)
    {
        int width = (analysedWidth + Cell - 1) / Cell, height = (analysedHeight + Cell - 1) / Cell;
        return new ProbabilityMap(width, height, new byte[width * height]);
    }

    /// <summary>The stored form: magic, width, height (little-endian 32 bit), values.</summary>
    public byte[] ToBytes()
    {
        var bytes = new byte[HeaderBytes + Values.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, Magic);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(4), Width);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(8), Height);
        Values.CopyTo(bytes, HeaderBytes);
        return bytes;
    }

    /// <summary>Reads the stored form.</summary>
    /// <exception cref="InvalidDataException">Not a map, or cut short.</exception>
    public static ProbabilityMap FromBytes(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < HeaderBytes || BinaryPrimitives.ReadUInt32LittleEndian(bytes) != Magic)
        {
            throw new InvalidDataException("Not a probability map.");
        }

        int width = BinaryPrimitives.ReadInt32LittleEndian(bytes[4..]), height = BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]);
        if (width <= 0 || height <= 0 || (long)width * height != bytes.Length - HeaderBytes)
        {
            throw new InvalidDataException("The probability map is cut short.");
        }

        return new ProbabilityMap(width, height, bytes[HeaderBytes..].ToArray());
    }
}
