using System.Text;
using System.Text.RegularExpressions;
using MetadataExtractor;
using MetadataExtractor.Formats.Exif;
using MetadataExtractor.Formats.Tiff;
using MetadataExtractor.IO;
using Palimpsest.Contracts;
using Palimpsest.Imaging;
using Palimpsest.Imaging.Vips;
using Directory = MetadataExtractor.Directory;

namespace Palimpsest.Decoder.Metadata;

/// <summary>
/// Findings in EXIF, XMP and C2PA. EXIF comes as the block that libvips found in the container and is read by MetadataExtractor; XMP and C2PA
/// are searched for in the file's bytes, which needs no XML or box parser. Coordinates are only ever "present".
/// </summary>
internal static partial class MetadataReader
{
    /// <summary>No camera writes more; such a block is an attack on the parser.</summary>
    private const int MaxExifBytes = 1 << 20;

    private const int MaxTextLength = 120;

    private static ReadOnlySpan<byte> ExifPrefix => "Exif\0\0"u8;

    /// <summary>The description box of a C2PA manifest store: "jumd" and the first half of its UUID (C2PA 2.1, 11.1.4.2).</summary>
    private static ReadOnlySpan<byte> C2paDescription => "jumdc2pa\0\u0011\0\u0010"u8;

    private static ReadOnlySpan<byte> XmpBegin => "<x:xmpmeta"u8;

    private static ReadOnlySpan<byte> XmpEnd => "</x:xmpmeta>"u8;

    /// <summary>Reads what there is. Damaged metadata counts as absent: it is no reason to refuse a picture.</summary>
    /// <param name="file">The whole upload.</param>
    /// <param name="format">Its format.</param>
    /// <param name="image">Opened by libvips.</param>
    public static MetadataFacts Read(ReadOnlyMemory<byte> file, string format, VipsImage image)
    {
        var exif = ReadExif(file, format, image);
        string? xmp = FindXmp(file.Span);
        var ifd0 = exif.OfType<ExifIfd0Directory>().FirstOrDefault();
        var sub = exif.OfType<ExifSubIfdDirectory>().FirstOrDefault();
        return new MetadataFacts
        {
            Make = Text(ifd0, ExifDirectoryBase.TagMake),
            Model = Text(ifd0, ExifDirectoryBase.TagModel),
            Software = Text(ifd0, ExifDirectoryBase.TagSoftware) ?? Clean(Attribute(xmp, CreatorTool())),
            TakenAt = Text(sub, ExifDirectoryBase.TagDateTimeOriginal),
            ModifiedAt = Text(ifd0, ExifDirectoryBase.TagDateTime),
            HasExif = exif.Count > 0 && (format != ImageFormats.Tiff || sub is not null),
            HasGps = exif.OfType<GpsDirectory>().Any(d => d.TagCount > 0),
            HasThumbnail = exif.OfType<ExifThumbnailDirectory>().Any(d => d.ContainsTag(ExifThumbnailDirectory.TagThumbnailOffset)),
            HasXmp = xmp is not null,
            HasC2pa = file.Span.IndexOf(C2paDescription) >= 0,
            DigitalSourceType = Clean(Attribute(xmp, SourceType())?.Split('/')[^1]),
        };
    }

    /// <summary>EXIF directories; empty when absent or damaged.</summary>
    internal static IReadOnlyList<Directory> ReadExif(ReadOnlyMemory<byte> file, string format, VipsImage image)
    {
        try
        {
            if (format == ImageFormats.Tiff)
            {
                return new ExifReader().Extract(new ByteArrayReader(Upload.ToArray(file)));
            }

            var block = image.Metadata("exif-data");
            if (block.StartsWith(ExifPrefix))
            {
                block = block[ExifPrefix.Length..];
            }

            return block.Length is > 0 and <= MaxExifBytes ? new ExifReader().Extract(new ByteArrayReader(block.ToArray())) : [];
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // A parser met by hostile bytes throws what it likes.
            return [];
        }
    }

    /// <summary>The first XMP packet's text; null when there is none.</summary>
    internal static string? FindXmp(ReadOnlySpan<byte> file)
    {
        int begin = file.IndexOf(XmpBegin);
        if (begin < 0)
        {
            return null;
        }

        int length = file[begin..].IndexOf(XmpEnd);
        return Encoding.UTF8.GetString(file.Slice(begin, Math.Min(length < 0 ? int.MaxValue : length, Math.Min(MaxExifBytes, file.Length - begin))));
    }

    private static string? Attribute(string? xmp, Regex pattern) => xmp is not null && pattern.Match(xmp) is { Success: true } match ? match.Groups["value"].Value : null;

    internal static string? Text(Directory? directory, int tag) => Clean(directory?.GetString(tag));

    /// <summary>Printable and short: it goes into reports.</summary>
    internal static string? Clean(string? text)
    {
        if (text is null)
        {
            return null;
        }

        string clean = new string([.. text.Where(c => !char.IsControl(c) && !char.IsSurrogate(c)).Take(MaxTextLength)]).Trim();
        return clean.Length > 0 ? clean : null;
    }

    // As attribute name="value" or element <name>value</name>, or with rdf:resource.
    [GeneratedRegex("""DigitalSourceType(?:\s+rdf:resource)?\s*(?:=\s*["']|>\s*)(?<value>[^"'<\s]{1,200})""", RegexOptions.ExplicitCapture)]
    private static partial Regex SourceType();

    [GeneratedRegex("""CreatorTool\s*(?:=\s*["']|>\s*)(?<value>[^"'<]{1,200})""", RegexOptions.ExplicitCapture)]
    private static partial Regex CreatorTool();
}
