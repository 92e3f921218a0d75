using System.Runtime.InteropServices;
using Palimpsest.Contracts;
using Palimpsest.Decoder.Salvage;
using Palimpsest.Imaging;
using Palimpsest.Imaging.Protocol;
using Palimpsest.Imaging.Vips;

namespace Palimpsest.Decoder;

/// <summary>The picture cannot be analysed; carries what the client is told.</summary>
internal sealed class RefusalException(string code, string detail) : Exception(detail)
{
    public Refusal Refusal { get; } = new(code, detail);
}

/// <summary>An upload whose header was read and found within the limits; no pixel is decoded yet.</summary>
internal sealed class Upload : IDisposable
{
    /// <summary>CMYK with a few extra inks; multispectral pictures would cost their factor in memory.</summary>
    private const int MaxBands = 8;

    private const int Kept = 4 << 20;

    /// <summary>
    /// For files up to 4 MiB, one at a time: the next one is read into the same memory, rather than have the system fill new pages with zeros. Behind a file there may be an earlier one's end.
    /// </summary>
    [ThreadStatic]
    private static byte[]? kept;

    private readonly string path;
    private SalvageAttempt? source; // keeps the memory that Image reads from

    private Upload(string path, ReadOnlyMemory<byte> bytes, string format, VipsImage image) => (this.path, Bytes, Format, Image) = (path, bytes, format, image);

    /// <summary>The whole file; until the thread opens the next one.</summary>
    public ReadOnlyMemory<byte> Bytes { get; }

    /// <summary>One of <see cref="ImageFormats"/>.</summary>
    public string Format { get; }

    /// <summary>Opened, pixels as stored.</summary>
    public VipsImage Image { get; }

    /// <summary>The pixels could be read although the file has a fault.</summary>
    public bool Damaged { get; private set; }

    /// <summary>Opens and checks.</summary>
    /// <exception cref="RefusalException">Empty, not an image we accept, unreadable, or beyond a limit.</exception>
    public static Upload Open(string path, DecodeLimits limits)
    {
        var bytes = ReadAll(path);
        if (bytes.Length == 0)
        {
            throw new RefusalException(ErrorCodes.ImageEmpty, "The file has no bytes; send the picture itself.");
        }

        string format = ImageFormats.Detect(bytes.Span) ?? throw new RefusalException(
            ErrorCodes.UnsupportedFormat, $"The bytes are not a {ImageFormats.Accepted} picture; convert it to one of these.");
        VipsImage? image = null;
        try
        {
            (image, var attempt) = OpenHeader(path, bytes, format);
            Check(image, limits);
            return new Upload(path, bytes, format, image) { Damaged = attempt is { Damaged: true }, source = attempt };
        }
        catch (Exception e)
        {
            image?.Dispose();
            throw e is VipsException ? Explain(bytes, format) : e;
        }
    }

    /// <summary>EXIF orientation 1..8.</summary>
    public int Orientation => Image.Orientation is >= 1 and <= 8 and int orientation ? orientation : 1;

    /// <summary>Decodes to RGB bytes of this size.</summary>
    /// <exception cref="RefusalException">The file is cut short or damaged, or its colour space is unknown.</exception>
    public VipsPixels Decode(int width, int height)
    {
        try
        {
            var pixels = Decode(Image, width, height);
            GC.KeepAlive(source);
            return pixels;
        }
        catch (VipsException e)
        {
            return Salvage(width, height, e.Message) ?? throw Explain(Bytes, Format);
        }
    }

    /// <summary>A file as an array of its own: a copy of what lies in kept memory, and a larger one itself.</summary>
    internal static byte[] ToArray(ReadOnlyMemory<byte> file) =>
        MemoryMarshal.TryGetArray(file, out var part) && part.Array is { } array && array.Length == part.Count ? array : file.ToArray();

    /// <inheritdoc/>
    public void Dispose() => Image.Dispose();

    private static ReadOnlyMemory<byte> ReadAll(string path)
    {
        using var file = File.OpenHandle(path);
        try
        {
            int length = checked((int)RandomAccess.GetLength(file)), read = 0;
            byte[] bytes = length > Kept ? GC.AllocateUninitializedArray<byte>(length) : kept ??= GC.AllocateUninitializedArray<byte>(Kept);
            while (read < length && RandomAccess.Read(file, bytes.AsSpan(read, length - read), read) is > 0 and int more)
            {
                read += more;
            }

            return bytes.AsMemory(0, read);
        }
        catch (Exception e) when (e is OutOfMemoryException or OverflowException)
        {
            throw new RefusalException(
                ErrorCodes.ImageTooLarge, $"The file has {new FileInfo(path).Length >> 20} MiB, more than a decoder may hold; save the picture compressed, or raise Decoder:ManagedHeapBytes and Decoder:MemoryBytes.");
        }
    }

    private static VipsPixels Decode(VipsImage image, int width, int height)
    {
        using var pipeline = RgbDecoding.ToRgb(image, width, height);
        return (width, height) == (image.Width, image.Height) ? pipeline.ReadPixels() : pipeline.ToPixels();
    }

    private static (VipsImage Image, SalvageAttempt? Attempt) OpenHeader(string path, ReadOnlyMemory<byte> bytes, string format)
    {
        try
        {
            return (RgbDecoding.Open(path, format), null);
        }
        catch (VipsException e)
        {
            foreach (var attempt in SalvageAttempts.For(path, ToArray(bytes), format, e.Message))
            {
                try
                {
                    return (attempt.Open(), attempt);
                }
                catch (VipsException)
                {
                    // Not this way.
                }
            }

            throw;
        }
    }

    private VipsPixels? Salvage(int width, int height, string complaint)
    {
        foreach (var attempt in SalvageAttempts.For(path, ToArray(Bytes), Format, complaint))
        {
            try
            {
                long unread = RgbDecoding.UnreadTiles;
                using var image = attempt.Open();
                if ((image.Width, image.Height) != (Image.Width, Image.Height))
                {
                    continue; // what was checked against the limits was another picture
                }

                var pixels = Decode(image, width, height);
                GC.KeepAlive(attempt);
                if (RgbDecoding.UnreadTiles == unread)
                {
                    Damaged |= attempt.Damaged;
                    return pixels;
                }

                pixels.Dispose();
            }
            catch (VipsException)
            {
                // Not this way.
            }
        }

        return null;
    }

    private static void Check(VipsImage image, DecodeLimits limits)
    {
        if (image.Bands > MaxBands)
        {
            throw new RefusalException(ErrorCodes.UnsupportedFormat, $"The picture has {image.Bands} channels; save it as RGB.");
        }

        int width = image.Width, height = image.Height;
        if ((long)width * height > limits.MaxPixels || Math.Max(width, height) > limits.MaxSide)
        {
            throw new RefusalException(
                ErrorCodes.TooManyPixels,
                $"The picture is {width} x {height} pixels; the limit is {limits.MaxPixels / 1_000_000} megapixels and {limits.MaxSide} pixels a side.");
        }

        if (Math.Min(width, height) < limits.MinSide)
        {
            throw new RefusalException(ErrorCodes.ImageTooSmall, $"The picture is {width} x {height} pixels; at least {limits.MinSide} on each side are needed.");
        }
    }

    private static RefusalException Explain(ReadOnlyMemory<byte> bytes, string format) => Truncation.IsCut(bytes.Span, format)
        ? new RefusalException(ErrorCodes.ImageTruncated, "The file ends before the picture does; send it again in full.")
        : new RefusalException(ErrorCodes.ImageCorrupt, $"The {format.ToUpperInvariant()} data cannot be decoded; save the picture again with another program.");
}
