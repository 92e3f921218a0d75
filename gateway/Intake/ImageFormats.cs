namespace Palimpsest.Gateway;

/// <summary>Which of the accepted formats some bytes begin with. A first sieve: the decoder has the last word.</summary>
internal static class ImageFormats
{
    /// <summary>Bytes needed to tell.</summary>
    public const int HeadBytes = 32;

    /// <summary>The formats, for error texts.</summary>
    public const string Accepted = "JPEG, PNG, WebP, TIFF, GIF or AVIF";

    /// <summary>jpeg, png, webp, tiff, gif, avif, or null.</summary>
    public static string? Detect(ReadOnlySpan<byte> head) => head switch
    {
        _ when head.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF]) => "jpeg",
        _ when head.StartsWith((ReadOnlySpan<byte>)[0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) => "png",
        _ when head.StartsWith("GIF87a"u8) || head.StartsWith("GIF89a"u8) => "gif",
        _ when head.Length >= 12 && head.StartsWith("RIFF"u8) && head[8..].StartsWith("WEBP"u8) => "webp",
        _ when head.StartsWith("II*\0"u8) || head.StartsWith("MM\0*"u8) => "tiff",
        // ISO base media: box size, "ftyp", major brand, minor version, compatible brands.
        _ when head.Length >= 12 && head[4..].StartsWith("ftyp"u8) && IsAvif(head[8..]) => "avif",
        _ => null,
    };

    private static bool IsAvif(ReadOnlySpan<byte> brands)
    {
        for (int at = 0; at + 4 <= brands.Length; at += at == 0 ? 8 : 4)
        {
            if (brands[at..].StartsWith("avif"u8) || brands[at..].StartsWith("avis"u8))
            {
                return true;
            }
        }

        return false;
    }
}
