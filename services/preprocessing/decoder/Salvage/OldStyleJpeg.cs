using Palimpsest.Imaging.Vips;

namespace Palimpsest.Decoder.Salvage;

/// <summary>TIFF 6.0, section 22 ("old-style JPEG", compression 6): scanners put a whole JPEG file into the TIFF, which can be read by itself.</summary>
internal static class OldStyleJpeg
{
    private const int OldStyle = 6;

    /// <summary>Null when this is another compression, or the stream within is not whole.</summary>
    public static PinnedBytes? TryExtract(byte[] file, TiffDirectory directory)
    {
        long start = directory.First(TiffDirectory.JpegStream, -1), length = directory.First(TiffDirectory.JpegStreamLength, -1);
        if (directory.First(TiffDirectory.Compression, 1) != OldStyle || start < 0 || length < 4 || start + length > file.Length)
        {
            return null;
        }

        var stream = file.AsMemory((int)start, (int)length);
        return stream.Span is [0xFF, 0xD8, ..] && stream.Span.IndexOf<byte>([0xFF, 0xDA]) > 0 ? new PinnedBytes(stream) : null;
    }
}
