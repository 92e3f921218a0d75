using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using System.Text.Json;
using Palimpsest.Contracts;

namespace Palimpsest.Imaging;

/// <summary>
/// A decoded upload, memory-mapped: what the networks look at. The file is
/// <code>
/// 0   64-byte header: magic "PLMPREP1", int32 width, height, blocksWide, blocksHigh, int64 coefficientOffset, trailerOffset, trailerLength
/// 64  pixels: height×width×3 bytes, RGB, rows without padding, analysed size, stored orientation
/// …   luminance DCT coefficients: blocksHigh×blocksWide×64 int16, zigzag order, quantised as in the file; absent unless an unreduced JPEG
/// …   trailer: ImageFacts as UTF-8 JSON
/// </code>
/// Numbers are little-endian; sections start at multiples of 64.
/// </summary>
public sealed unsafe class PreparedImage : IDisposable
{
    /// <summary>Bytes of the fixed header; the pixels follow.</summary>
    public const int HeaderBytes = 64;

    private static ReadOnlySpan<byte> Magic => "PLMPREP1"u8;

    private readonly MemoryMappedFile file;
    private readonly MemoryMappedViewAccessor view;
    private readonly byte* start;
    private readonly long coefficientOffset;

    private PreparedImage(MemoryMappedFile file, MemoryMappedViewAccessor view, byte* mapped, long length)
    {
        (this.file, this.view) = (file, view);
        start = mapped + view.PointerOffset;
        var header = new ReadOnlySpan<byte>(start, HeaderBytes);
        if (!header.StartsWith(Magic))
        {
            throw new InvalidDataException("Not a prepared image.");
        }

        Width = BinaryPrimitives.ReadInt32LittleEndian(header[8..]);
        Height = BinaryPrimitives.ReadInt32LittleEndian(header[12..]);
        BlocksWide = BinaryPrimitives.ReadInt32LittleEndian(header[16..]);
        BlocksHigh = BinaryPrimitives.ReadInt32LittleEndian(header[20..]);
        coefficientOffset = BinaryPrimitives.ReadInt64LittleEndian(header[24..]);
        long trailerOffset = BinaryPrimitives.ReadInt64LittleEndian(header[32..]), trailerLength = BinaryPrimitives.ReadInt64LittleEndian(header[40..]);
        long pixelEnd = HeaderBytes + ((long)Width * Height * 3), coefficientEnd = coefficientOffset + ((long)BlocksWide * BlocksHigh * 128);
        if (Width <= 0 || Height <= 0 || BlocksWide < 0 || BlocksHigh < 0 || coefficientOffset < pixelEnd || trailerOffset < coefficientEnd || trailerLength <= 0
            || trailerLength > int.MaxValue || trailerOffset + trailerLength > length)
        {
            throw new InvalidDataException("The prepared image is cut short.");
        }

        Facts = JsonSerializer.Deserialize<ImageFacts>(new ReadOnlySpan<byte>(start + trailerOffset, (int)trailerLength), PlatformJson.Options)
            ?? throw new InvalidDataException("The prepared image has no facts.");
    }

    /// <summary>Analysed width, pixels.</summary>
    public int Width { get; }

    /// <summary>Analysed height, pixels.</summary>
    public int Height { get; }

    /// <summary>8×8 luminance blocks a row; 0 without coefficients.</summary>
    public int BlocksWide { get; }

    /// <summary>Rows of luminance blocks; 0 without coefficients.</summary>
    public int BlocksHigh { get; }

    /// <summary>True for an unreduced JPEG.</summary>
    public bool HasCoefficients => BlocksWide > 0;

    /// <summary>Everything but the pixels.</summary>
    public ImageFacts Facts { get; }

    /// <summary>RGB, H×W×3 bytes.</summary>
    public ReadOnlySpan<byte> Pixels => new(start + HeaderBytes, checked(Width * Height * 3));

    /// <summary>One row of pixels, W×3 bytes.</summary>
    public ReadOnlySpan<byte> Row(int y)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(y);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(y, Height);
        return new(start + HeaderBytes + ((long)y * Width * 3), Width * 3);
    }

    /// <summary>Quantised luminance DCT coefficients, blocksHigh×blocksWide×64, zigzag order; empty without.</summary>
    public ReadOnlySpan<short> Coefficients =>
        MemoryMarshal.Cast<byte, short>(new ReadOnlySpan<byte>(start + coefficientOffset, checked(BlocksWide * BlocksHigh * 128)));

    /// <summary>Maps a prepared file read-only.</summary>
    /// <exception cref="InvalidDataException">Not a prepared image, or cut short.</exception>
    public static PreparedImage Open(string path)
    {
        long length = new FileInfo(path).Length;
        if (length < HeaderBytes)
        {
            throw new InvalidDataException("The prepared image is cut short.");
        }

        var file = MemoryMappedFile.CreateFromFile(path, FileMode.Open, null, 0, MemoryMappedFileAccess.Read);
        MemoryMappedViewAccessor? view = null;
        byte* mapped = null;
        try
        {
            view = file.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
            view.SafeMemoryMappedViewHandle.AcquirePointer(ref mapped);
            return new PreparedImage(file, view, mapped, length);
        }
        catch
        {
            if (mapped != null)
            {
                view!.SafeMemoryMappedViewHandle.ReleasePointer(); // while it is held, disposing does not unmap
            }

            view?.Dispose();
            file.Dispose();
            throw;
        }
    }

    /// <summary>Writes the header and pixels+coefficients are the caller's; appends the trailer and patches the header. The stream must be seekable, positioned anywhere.</summary>
    public static void Finish(Stream stream, int width, int height, int blocksWide, int blocksHigh, long coefficientOffset, ImageFacts facts)
    {
        ArgumentNullException.ThrowIfNull(stream);
        byte[] trailer = JsonSerializer.SerializeToUtf8Bytes(facts, PlatformJson.Options);
        long trailerOffset = Align(Math.Max(coefficientOffset + ((long)blocksWide * blocksHigh * 128), HeaderBytes));
        stream.Position = trailerOffset;
        stream.Write(trailer);
        stream.SetLength(trailerOffset + trailer.Length);
        Span<byte> header = stackalloc byte[HeaderBytes];
        header.Clear();
        Magic.CopyTo(header);
        BinaryPrimitives.WriteInt32LittleEndian(header[8..], width);
        BinaryPrimitives.WriteInt32LittleEndian(header[12..], height);
        BinaryPrimitives.WriteInt32LittleEndian(header[16..], blocksWide);
        BinaryPrimitives.WriteInt32LittleEndian(header[20..], blocksHigh);
        BinaryPrimitives.WriteInt64LittleEndian(header[24..], coefficientOffset);
        BinaryPrimitives.WriteInt64LittleEndian(header[32..], trailerOffset);
        BinaryPrimitives.WriteInt64LittleEndian(header[40..], trailer.Length);
        stream.Position = 0;
        stream.Write(header);
    }

    /// <summary>The next multiple of 64.</summary>
    public static long Align(long offset) => (offset + 63) & ~63L;

    /// <inheritdoc/>
    public void Dispose()
    {
        view.SafeMemoryMappedViewHandle.ReleasePointer();
        view.Dispose();
        file.Dispose();
    }
}
