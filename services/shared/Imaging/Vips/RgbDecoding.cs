using System.Globalization;
using Palimpsest.Contracts;

namespace Palimpsest.Imaging.Vips;

/// <summary>
/// Opens an accepted format and brings it to 8-bit RGB as stored: no colour management, since forensic traces live in the stored values;
/// CMYK is converted, 16 bits are cut to 8, grey is tripled, alpha is dropped. Call it in a decoder process only.
/// </summary>
public static class RgbDecoding
{
    private const int SrgbInterpretation = 22;

    /// <summary>Reads the header; no pixel is decoded yet. First frame or page only.</summary>
    /// <param name="path">The upload.</param>
    /// <param name="format">One of <see cref="ImageFormats"/>, by the file's bytes.</param>
    /// <exception cref="VipsException">The header cannot be read.</exception>
    public static VipsImage Open(string path, string format)
    {
        var name = ("filename", path);
        var strict = ("fail-on", "truncated");
        var streamed = ("access", "sequential");
        return format switch
        {
            ImageFormats.Jpeg => VipsImage.Create("jpegload", name, strict, streamed),
            ImageFormats.Png => VipsImage.Create("pngload", name, strict, streamed),
            ImageFormats.Webp => VipsImage.Create("webpload", name, strict, streamed),
            ImageFormats.Tiff => VipsImage.Create("tiffload", name, ("fail-on", "error"), streamed), // libtiff calls a missing strip an error
            ImageFormats.Gif => VipsImage.Create("gifload", name, strict, streamed),
            ImageFormats.Avif => VipsImage.Create("heifload", name, strict, streamed),
            _ => throw new ArgumentOutOfRangeException(nameof(format), format, "Not an accepted format."),
        };
    }

    /// <summary>Opens a file that was rebuilt in memory.</summary>
    /// <param name="encoded">The file; must outlive the image.</param>
    /// <param name="format">One of <see cref="ImageFormats"/>.</param>
    /// <exception cref="VipsException">The header cannot be read.</exception>
    public static VipsImage Open(PinnedBytes encoded, string format) => format switch
    {
        ImageFormats.Jpeg => VipsImage.FromEncoded("jpegload_source", encoded, ("fail-on", "truncated"), ("access", "sequential")),
        ImageFormats.Png => VipsImage.FromEncoded("pngload_source", encoded, ("fail-on", "truncated"), ("access", "sequential")),
        ImageFormats.Tiff => VipsImage.FromEncoded("tiffload_source", encoded, ("fail-on", "error")),
        ImageFormats.Gif => VipsImage.FromEncoded("gifload_source", encoded, ("fail-on", "truncated"), ("access", "sequential")),
        ImageFormats.Avif => VipsImage.FromEncoded("heifload_source", encoded, ("fail-on", "truncated"), ("access", "sequential")),
        _ => throw new ArgumentOutOfRangeException(nameof(format), format, "Not a format that is rebuilt."),
    };

    /// <summary>Opens a JPEG however many warnings its data give; libvips gives up after a hundred. Only for files of few scans.</summary>
    /// <exception cref="VipsException">The header cannot be read.</exception>
    public static VipsImage OpenNoisyJpeg(string path) =>
        VipsImage.Create("jpegload", ("filename", path), ("fail-on", "truncated"), ("access", "sequential"), ("unlimited", "true"));

    /// <summary>Opens a TIFF whose data break rules of their coding. What cannot be read at all counts in <see cref="UnreadTiles"/>.</summary>
    /// <exception cref="VipsException">The header cannot be read.</exception>
    public static VipsImage OpenLooseTiff(string path) => VipsImage.Create("tiffload", ("filename", path), ("fail-on", "none"), ("access", "sequential"));

    /// <summary>Tiles and strips that loose reading left empty since the process began.</summary>
    public static long UnreadTiles => VipsNative.UnreadTiles;

    /// <summary>The pipeline from <paramref name="opened"/> to RGB bytes of the given size (the same, or smaller).</summary>
    /// <exception cref="VipsException">The colour space has no way to RGB.</exception>
    public static VipsImage ToRgb(VipsImage opened, int width, int height)
    {
        ArgumentNullException.ThrowIfNull(opened);
        var image = opened.Apply("copy");
        if (!(image.Interpretation == SrgbInterpretation && image.IsByte && image.Bands >= 3))
        {
            image = Replace(image, "colourspace", ("space", "srgb"));
        }

        if (image.Bands > 3)
        {
            image = Replace(image, "extract_band", ("band", "0"), ("n", "3"));
        }

        if (!image.IsByte)
        {
            image = Replace(image, "cast", ("format", "uchar"));
        }

        if (image.Width != width || image.Height != height)
        {
            image = Replace(image, "resize", ("scale", Ratio(width, image.Width)), ("vscale", Ratio(height, image.Height)));
        }

        return image;
    }

    /// <summary>The largest size of at most <paramref name="maxPixels"/> with the picture's proportions; the size itself when within.</summary>
    public static (int Width, int Height) Reduce(int width, int height, long maxPixels)
    {
        long pixels = (long)width * height;
        if (pixels <= maxPixels)
        {
            return (width, height);
        }

        double scale = Math.Sqrt((double)maxPixels / pixels);
        return (Math.Max(1, (int)(width * scale)), Math.Max(1, (int)(height * scale)));
    }

    /// <summary>Turns stored pixels into displayed ones (TIFF 6.0 tag 274).</summary>
    public static VipsImage Orient(VipsImage image, int orientation)
    {
        ArgumentNullException.ThrowIfNull(image);
        var turned = orientation switch
        {
            3 => image.Apply("rot", ("angle", "d180")),
            5 or 6 => image.Apply("rot", ("angle", "d90")),
            7 or 8 => image.Apply("rot", ("angle", "d270")),
            _ => image.Apply("copy"),
        };
        return orientation switch
        {
            2 or 5 or 7 => Replace(turned, "flip", ("direction", "horizontal")),
            4 => Replace(turned, "flip", ("direction", "vertical")),
            _ => turned,
        };
    }

    private static string Ratio(int target, int source) => ((double)target / source).ToString("R", CultureInfo.InvariantCulture);

    // libvips holds its own reference to the input, so ours can go at once.
    private static VipsImage Replace(VipsImage image, string operation, params ReadOnlySpan<(string, string)> arguments)
    {
        using (image)
        {
            return image.Apply(operation, arguments);
        }
    }
}
