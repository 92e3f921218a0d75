using Palimpsest.Contracts;
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

    private Upload(byte[] bytes, string format, VipsImage image) => (Bytes, Format, Image) = (bytes, format, image);

    /// <summary>The whole file.</summary>
    public byte[] Bytes { get; }

    /// <summary>One of <see cref="ImageFormats"/>.</summary>
    public string Format { get; }

    /// <summary>Opened, pixels as stored.</summary>
    public VipsImage Image { get; }

    /// <summary>Opens and checks.</summary>
    /// <exception cref="RefusalException">Empty, not an image we accept, unreadable, or beyond a limit.</exception>
    public static Upload Open(string path, DecodeLimits limits)
    {
        byte[] bytes = File.ReadAllBytes(path);
        if (bytes.Length == 0)
        {
            throw new RefusalException(ErrorCodes.ImageEmpty, "The file has no bytes; send the picture itself.");
        }

        string format = ImageFormats.Detect(bytes) ?? throw new RefusalException(
            ErrorCodes.UnsupportedFormat, "The bytes are not a JPEG, PNG, WebP, TIFF, GIF or AVIF picture; convert it to one of these.");
        VipsImage? image = null;
        try
        {
            image = RgbDecoding.Open(path, format);
            Check(image, limits);
            return new Upload(bytes, format, image);
        }
        catch (Exception e)
        {
            image?.Dispose();
            throw e is VipsException ? Explain(bytes, format) : e;
        }
    }

    /// <summary>EXIF orientation 1..8.</summary>
    public int Orientation => Image.Orientation is >= 1 and <= 8 and int orientation ? orientation : 1;

    /// <summary>The pipeline to RGB of this size.</summary>
    /// <exception cref="RefusalException">The colour space is unknown.</exception>
    public VipsImage Convert(int width, int height)
    {
        try
        {
            return RgbDecoding.ToRgb(Image, width, height);
        }
        catch (VipsException)
        {
            throw Explain(Bytes, Format);
        }
    }

    /// <summary>Computes all pixels of a pipeline over this upload.</summary>
    /// <exception cref="RefusalException">The file is cut short or damaged.</exception>
    public VipsPixels Decode(VipsImage pipeline)
    {
        try
        {
            return pipeline.ToPixels();
        }
        catch (VipsException)
        {
            throw Explain(Bytes, Format);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Image.Dispose();

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

    private static RefusalException Explain(byte[] bytes, string format) => Truncation.IsCut(bytes, format)
        ? new RefusalException(ErrorCodes.ImageTruncated, "The file ends before the picture does; send it again in full.")
        : new RefusalException(ErrorCodes.ImageCorrupt, $"The {format.ToUpperInvariant()} data cannot be decoded; save the picture again with another program.");
}
