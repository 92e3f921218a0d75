using Palimpsest.Contracts;
using Palimpsest.Imaging.Vips;

namespace Palimpsest.Decoder.Salvage;

/// <summary>Another way to read a file that libvips refuses as it stands.</summary>
/// <param name="Damaged">True when it disregards a fault of the file; false when the file is sound and only uncommon.</param>
/// <param name="Open">Opens; what it reads from must outlive the image.</param>
internal sealed record SalvageAttempt(bool Damaged, Func<VipsImage> Open);

/// <summary>
/// The second look at a refused file. Other decoders read files that libvips does not: uncommon TIFF layouts, and damage that lies beside the pixels (a checksum, what
/// follows the first frame). Each way ends in a strict decoding or one that leaves no pixel out: nothing here fills in what is missing.
/// </summary>
internal static class SalvageAttempts
{
    // Where libvips would stop: a progressive file of more scans than this costs time out of all proportion to its size.
    private const int MaxScans = 100;

    // TIFF 6.0, tag 259.
    private const int None = 1, FaxRle = 2, FaxG3 = 3, FaxG4 = 4, FaxRleWords = 32771, PackBits = 32773, Deflate = 8, OldDeflate = 32946;

    // zlib's word for a stream that was read to its end and has another sum than it should.
    private const string WrongChecksum = "incorrect data check";

    /// <summary>What may be worth trying, best first; often nothing.</summary>
    /// <param name="path">The file.</param>
    /// <param name="bytes">The same, read.</param>
    /// <param name="format">One of <see cref="ImageFormats"/>.</param>
    /// <param name="complaint">Why it was refused, in libvips' words.</param>
    public static IEnumerable<SalvageAttempt> For(string path, byte[] bytes, string format, string complaint)
    {
        switch (format)
        {
            case ImageFormats.Jpeg when Scans(bytes) <= MaxScans:
                yield return new(true, () => RgbDecoding.OpenNoisyJpeg(path));
                break;
            case ImageFormats.Png when PngRebuilder.TryRebuild(bytes) is { } png:
                yield return new(true, () => RgbDecoding.Open(png, ImageFormats.Png));
                break;
            case ImageFormats.Gif when GifFirstFrame.TryExtract(bytes) is { } gif:
                yield return new(true, () => RgbDecoding.Open(gif, ImageFormats.Gif));
                break;
            case ImageFormats.Avif:
                if (AvifBoxes.TryMend(bytes) is { } avif)
                {
                    yield return new(true, () => RgbDecoding.Open(avif, ImageFormats.Avif));
                }

                if (AvifPrimary.TryExtract(bytes) is { } primary)
                {
                    yield return new(true, () => RgbDecoding.Open(primary, ImageFormats.Avif));
                }

                if (AvifTrack.TryExtract(bytes) is { } sample)
                {
                    yield return new(true, () => RgbDecoding.Open(sample, ImageFormats.Avif));
                }

                break;
            case ImageFormats.Tiff:
                foreach (var attempt in Tiff(path, bytes, complaint))
                {
                    yield return attempt;
                }

                break;
        }
    }

    private static IEnumerable<SalvageAttempt> Tiff(string path, byte[] bytes, string complaint)
    {
        if (TiffDirectory.TryRead(bytes) is not { } directory)
        {
            yield break;
        }

        if (OldStyleJpeg.TryExtract(bytes, directory) is { } jpeg)
        {
            yield return new(false, () => RgbDecoding.Open(jpeg, ImageFormats.Jpeg));
        }

        if (TiffPlanes.TrySplit(bytes, directory) is { } planes)
        {
            yield return new(false, planes.Open);
        }

        // Fax and run-length coding find their feet again on the next row, and plain rows have nothing to lose; of the others damage leaves nothing sound.
        bool harmless = directory.First(TiffDirectory.Compression, None) switch
        {
            None or FaxRle or FaxG3 or FaxG4 or FaxRleWords or PackBits => true,
            Deflate or OldDeflate => complaint.Contains(WrongChecksum, StringComparison.Ordinal),
            _ => false,
        };
        if (harmless && !Truncation.IsCut(bytes, ImageFormats.Tiff))
        {
            yield return new(true, () => RgbDecoding.OpenLooseTiff(path));
        }
    }

    /// <summary>Start-of-scan markers; entropy-coded data cannot hold one.</summary>
    private static int Scans(ReadOnlySpan<byte> file) => file.Count<byte>([0xFF, 0xDA]);
}
