namespace Palimpsest.Contracts;

/// <summary>The accepted formats, told by their first bytes; names and media types sent by a client are never believed.</summary>
public static class ImageFormats
{
    /// <summary>Bytes that <see cref="Detect"/> needs to see; fewer only if the file is shorter.</summary>
    public const int PrefixBytes = 64;

    /// <summary>JPEG (ITU-T T.81).</summary>
    public const string Jpeg = "jpeg";

    /// <summary>PNG (ISO/IEC 15948).</summary>
    public const string Png = "png";

    /// <summary>WebP (RFC 9649).</summary>
    public const string Webp = "webp";

    /// <summary>TIFF 6.0 and BigTIFF.</summary>
    public const string Tiff = "tiff";

    /// <summary>GIF87a and GIF89a.</summary>
    public const string Gif = "gif";

    /// <summary>AVIF (ISO/IEC 23000-22 with AV1).</summary>
    public const string Avif = "avif";

    /// <summary>For texts.</summary>
    public const string Accepted = "JPEG, PNG, WebP, TIFF, GIF or AVIF";

    /// <summary>All accepted formats.</summary>
    public static IReadOnlyList<string> All { get; } = [Jpeg, Png, Webp, Tiff, Gif, Avif];

    /// <summary>The format of a file that begins so; null when it is none of ours.</summary>
    public static string? Detect(ReadOnlySpan<byte> prefix) => prefix switch
    {
        [0xFF, 0xD8, 0xFF, ..] => Jpeg,
        [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A, ..] => Png,
        [(byte)'R', (byte)'I', (byte)'F', (byte)'F', _, _, _, _, (byte)'W', (byte)'E', (byte)'B', (byte)'P', ..] => Webp,
        [(byte)'I', (byte)'I', 42 or 43, 0, ..] or [(byte)'M', (byte)'M', 0, 42 or 43, ..] => Tiff,
        [(byte)'G', (byte)'I', (byte)'F', (byte)'8', (byte)'7' or (byte)'9', (byte)'a', ..] => Gif,
        [_, _, _, _, (byte)'f', (byte)'t', (byte)'y', (byte)'p', ..] when HasAvifBrand(prefix) => Avif,
        _ => null,
    };

    /// <summary>The media type of an accepted format.</summary>
    public static string MediaType(string format) => "image/" + format;

    private static bool HasAvifBrand(ReadOnlySpan<byte> prefix)
    {
        // The ftyp box: size, "ftyp", major brand, minor version, compatible brands.
        int size = (int)Math.Min(System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(prefix), (uint)prefix.Length);
        for (int at = 8; at + 4 <= size; at += 4)
        {
            if (at != 12 && (prefix[at..].StartsWith("avif"u8) || prefix[at..].StartsWith("avis"u8)))
            {
                return true;
            }
        }

        return false;
    }
}
