using System.Runtime.InteropServices;
using Palimpsest.Contracts;
using Palimpsest.Decoder.Jpeg;
using Palimpsest.Imaging;
using Palimpsest.Imaging.Vips;

namespace Palimpsest.Decoder.Evidence;

/// <summary>An upload decoded at its own size, stored orientation: colours and a plane of luminance.</summary>
internal sealed unsafe class EvidencePicture : IDisposable
{
    private readonly float* luminance;

    private EvidencePicture(Upload upload, VipsPixels rgb)
    {
        (Upload, Rgb) = (upload, rgb);
        luminance = (float*)NativeMemory.Alloc((nuint)Width * (nuint)Height, sizeof(float));
        for (int y = 0; y < Height; y++)
        {
            ReadLuminance(rgb.Row(y), Row(y));
        }
    }

    /// <summary>Where it comes from.</summary>
    public Upload Upload { get; }

    /// <summary>RGB bytes.</summary>
    public VipsPixels Rgb { get; }

    /// <summary>Pixels a row.</summary>
    public int Width => Rgb.Width;

    /// <summary>Rows.</summary>
    public int Height => Rgb.Height;

    /// <summary>Whole 8×8 blocks a row.</summary>
    public int BlocksWide => Width / 8;

    /// <summary>Rows of whole 8×8 blocks.</summary>
    public int BlocksHigh => Height / 8;

    /// <summary>First value of the luminance plane (Rec. 601, 0..255), rows without padding.</summary>
    public float* Luminance => luminance;

    /// <summary>One row of luminance.</summary>
    public Span<float> Row(int y) => new(luminance + ((long)y * Width), Width);

    /// <summary>Decodes all pixels.</summary>
    /// <exception cref="RefusalException">Cut short or damaged.</exception>
    public static EvidencePicture Open(Upload upload)
    {
        return new EvidencePicture(upload, upload.Decode(upload.Image.Width, upload.Image.Height));
    }

    /// <summary>The file's own facts and coefficients; null for other formats.</summary>
    public (JpegFacts? Facts, LuminanceCoefficients? Coefficients) ReadJpeg(bool wantCoefficients) =>
        Upload.Format == ImageFormats.Jpeg ? JpegFile.Read(Upload.Bytes.Span, wantCoefficients) : (null, null);

    /// <inheritdoc/>
    public void Dispose()
    {
        NativeMemory.Free(luminance);
        Rgb.Dispose();
    }

    private static void ReadLuminance(ReadOnlySpan<byte> rgb, Span<float> row)
    {
        for (int x = 0, at = 0; x < row.Length; x++, at += 3)
        {
            row[x] = (0.299f * rgb[at]) + (0.587f * rgb[at + 1]) + (0.114f * rgb[at + 2]);
        }
    }
}
