using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Palimpsest.Contracts;
using Palimpsest.Decoder.Jpeg;
using Palimpsest.Decoder.Metadata;
using Palimpsest.Imaging;
using Palimpsest.Imaging.Protocol;
using Palimpsest.Imaging.Vips;

namespace Palimpsest.Decoder;

/// <summary>Upload → pixels, coefficients and facts: everything of a prepared image but its faces and trailer.</summary>
internal static class Preparation
{
    /// <summary>Decodes and writes the output file.</summary>
    /// <exception cref="RefusalException">The picture cannot be analysed.</exception>
    public static PreparedLayout Prepare(PrepareRequest request)
    {
        using var upload = Upload.Open(request.Upload, request.Limits);
        int width = upload.Image.Width, height = upload.Image.Height;
        var (analysedWidth, analysedHeight) = RgbDecoding.Reduce(width, height, request.MaxAnalysedPixels);
        bool reduced = analysedWidth != width || analysedHeight != height;
        using var pixels = upload.Decode(analysedWidth, analysedHeight);

        var (jpeg, coefficients) = upload.Format == ImageFormats.Jpeg ? JpegFile.Read(upload.Bytes.Span, wantCoefficients: !reduced) : default;
        if (coefficients is not null && (coefficients.BlocksWide != (width + 7) / 8 || coefficients.BlocksHigh != (height + 7) / 8))
        {
            coefficients = null; // two readers, two opinions on the size: believe neither
        }

        long coefficientOffset = Write(request.Output, pixels, coefficients);
        return new PreparedLayout
        {
            BlocksWide = coefficients?.BlocksWide ?? 0,
            BlocksHigh = coefficients?.BlocksHigh ?? 0,
            CoefficientOffset = coefficientOffset,
            Facts = new ImageFacts
            {
                Format = upload.Format,
                Geometry = new ImageGeometry
                {
                    StoredWidth = width,
                    StoredHeight = height,
                    AnalysedWidth = pixels.Width,
                    AnalysedHeight = pixels.Height,
                    Orientation = upload.Orientation,
                },
                Frames = upload.Image.Pages,
                Jpeg = jpeg,
                Metadata = MetadataReader.Read(upload.Bytes, upload.Format, upload.Image),
                Warnings = Warnings(upload, reduced, pixels),
            },
        };
    }

    private static List<string> Warnings(Upload upload, bool reduced, VipsPixels analysed)
    {
        var warnings = new List<string>();
        if (upload.Image.Pages > 1)
        {
            warnings.Add($"The file has {upload.Image.Pages} frames or pages; only the first was analysed.");
        }

        if (upload.Damaged)
        {
            warnings.Add("The file is damaged or breaks rules of its format; its pixels were read all the same, and what looks like a trace may come from that.");
        }

        if (reduced)
        {
            warnings.Add($"The picture was reduced to {analysed.Width} x {analysed.Height} pixels for analysis; traces finer than that are not seen.");
        }

        return warnings;
    }

    /// <summary>Writes an empty header, pixels and coefficients; returns the coefficients' offset.</summary>
    private static long Write(string path, VipsPixels pixels, LuminanceCoefficients? coefficients)
    {
        using var file = OpenOutput(path);
        Span<byte> header = stackalloc byte[PreparedImage.HeaderBytes];
        header.Clear();
        RandomAccess.Write(file, header, 0);
        RandomAccess.Write(file, pixels.Span, PreparedImage.HeaderBytes);
        long offset = PreparedImage.Align(PreparedImage.HeaderBytes + pixels.Span.Length);
        if (coefficients is not null)
        {
            RandomAccess.Write(file, MemoryMarshal.AsBytes(coefficients.Values), offset);
        }

        return offset;
    }

    /// <summary>
    /// An empty file to write to. Not by FileMode.Create, which truncates a new file too: ext4 takes that for the replacement of a file that somebody needs (auto_da_alloc, ext4(5)) and sends all of
    /// it to the disk when it is closed. A prepared image is read from memory and gone before the disk would have to see it.
    /// </summary>
    private static SafeFileHandle OpenOutput(string path)
    {
        var file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.Write);
        if (RandomAccess.GetLength(file) > 0)
        {
            RandomAccess.SetLength(file, 0); // a first try's, whose process died
        }

        return file;
    }
}
