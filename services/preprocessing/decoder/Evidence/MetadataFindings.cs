using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using MetadataExtractor;
using MetadataExtractor.Formats.Exif;
using Palimpsest.Contracts;
using Palimpsest.Decoder.Metadata;
using Palimpsest.Imaging;
using Palimpsest.Imaging.Vips;
using Directory = MetadataExtractor.Directory;

namespace Palimpsest.Decoder.Evidence;

/// <summary>What the file says of itself, and where that does not agree with itself. Coordinates are only ever "present".</summary>
internal static partial class MetadataFindings
{
    /// <summary>Below this correlation a thumbnail shows something else than the picture.</summary>
    private const double SameThumbnail = 0.75;

    // Programs that edit pictures, and such that generate them; matched as words without regard to case.
    private static readonly Regex Generators = Words(
        "midjourney", "dall-e", "stable diffusion", "comfyui", "automatic1111", "novelai", "firefly", "imagen", "openai", "chatgpt", "invokeai", "leonardo.ai", "ideogram", "flux", "grok", "bing image creator");

    private static readonly Regex Editors = Words(
        "photoshop", "lightroom", "gimp", "affinity", "paint.net", "pixelmator", "snapseed", "picsart", "facetune", "faceapp", "canva", "photopea", "corel", "paintshop", "krita", "darktable",
        "capture one", "luminar", "acdsee", "photoscape", "pixlr", "meitu", "beautyplus", "remini", "vsco", "instagram", "imagemagick", "graphicsmagick", "polarr", "fotor", "befunky", "photodirector", "topaz", "dxo");

    /// <summary>Looks.</summary>
    /// <param name="upload">Opened, no pixel decoded yet.</param>
    /// <param name="scratch">A file that may be overwritten.</param>
    public static Look Examine(Upload upload, string scratch)
    {
        var exif = MetadataReader.ReadExif(upload.Bytes, upload.Format, upload.Image);
        string? xmp = MetadataReader.FindXmp(upload.Bytes.Span);
        var facts = MetadataReader.Read(upload.Bytes, upload.Format, upload.Image);
        var unusual = new List<string>();
        var notable = new List<string>();
        var shown = new List<EvidenceFact>();
        Software(facts, xmp, upload, unusual, notable, shown);
        Dates(exif, facts, unusual, notable, shown);
        Thumbnail(exif, upload, scratch, unusual, shown);
        if (!facts.HasExif && upload.Format == ImageFormats.Jpeg)
        {
            notable.Add("it has no EXIF: never written, or stripped as most platforms do");
        }

        shown.InsertRange(0, [new("EXIF", facts.HasExif ? "present" : "absent"), new("XMP", facts.HasXmp ? "present" : "absent"), new("GPS position", facts.HasGps ? "present" : "absent")]);
        if (facts.Make is not null || facts.Model is not null)
        {
            shown.Add(new("Camera", $"{facts.Make} {facts.Model}".Trim()));
        }

        return new Look
        {
            Finding = unusual.Count > 0 ? EvidenceFindings.Unusual : notable.Count > 0 ? EvidenceFindings.Notable : EvidenceFindings.NothingUnusual,
            Summary = unusual.Count + notable.Count == 0 ? "Nothing unusual: what the file says of itself agrees with itself." : Sentence([.. unusual, .. notable]),
            Facts = shown,
        };
    }

    private static void Software(MetadataFacts facts, string? xmp, Upload upload, List<string> unusual, List<string> notable, List<EvidenceFact> shown)
    {
        var named = new List<string>();
        Add(facts.Software);
        foreach (Match match in xmp is null ? [] : Agents().Matches(xmp).Take(20))
        {
            Add(MetadataReader.Clean(match.Groups["value"].Value));
        }

        // PNG texts: ComfyUI and others write their whole recipe under these keywords.
        var head = upload.Bytes.Span[..Math.Min(upload.Bytes.Length, 1 << 16)];
        if (upload.Format == ImageFormats.Png && (head.IndexOf("tEXtparameters\0"u8) >= 0 || head.IndexOf("tEXtprompt\0"u8) >= 0 || head.IndexOf("tEXtworkflow\0"u8) >= 0))
        {
            unusual.Add("it carries the recipe of an image generator");
        }

        if (named.Count > 0)
        {
            shown.Add(new("Software", string.Join("; ", named.Take(6))));
        }

        if (named.Find(Generators.IsMatch) is { } generator)
        {
            unusual.Add($"it names an image generator ({generator})");
        }
        else if (named.Find(Editors.IsMatch) is { } editor)
        {
            notable.Add($"it was saved by an editing program ({editor}), which honest pictures often are");
        }

        if (facts.DigitalSourceType is { } source)
        {
            shown.Add(new("Digital source type", source));
            if (ContentCredentials.ByAlgorithm(source))
            {
                unusual.Add($"its XMP calls it {source}");
            }
            else if (source.StartsWith("composite", StringComparison.OrdinalIgnoreCase))
            {
                notable.Add($"its XMP calls it {source}: put together from several pictures");
            }
        }

        void Add(string? name)
        {
            if (name is not null && !named.Contains(name))
            {
                named.Add(name);
            }
        }
    }

    private static void Dates(IReadOnlyList<Directory> exif, MetadataFacts facts, List<string> unusual, List<string> notable, List<EvidenceFact> shown)
    {
        string? digitised = MetadataReader.Text(exif.OfType<ExifSubIfdDirectory>().FirstOrDefault(), ExifDirectoryBase.TagDateTimeDigitized);
        foreach (var (label, text) in new[] { ("Taken", facts.TakenAt), ("Digitised", digitised), ("Changed", facts.ModifiedAt) })
        {
            if (text is not null)
            {
                shown.Add(new(label, text));
            }
        }

        var (taken, changed) = (Date(facts.TakenAt), Date(facts.ModifiedAt));
        if (taken is { } t && changed is { } c && c < t)
        {
            unusual.Add("it was changed before it was taken");
        }
        else if (taken is { } from && changed is { } to && to - from > TimeSpan.FromMinutes(1))
        {
            notable.Add("it was changed after it was taken");
        }

        if (taken is { } at && Date(digitised) is { } scanned && scanned < at)
        {
            unusual.Add("it was digitised before it was taken");
        }

        if (facts.HasExif && facts.Make is not null && taken is null)
        {
            notable.Add("it names a camera but not when the picture was taken");
        }
    }

    private static void Thumbnail(IReadOnlyList<Directory> exif, Upload upload, string scratch, List<string> unusual, List<EvidenceFact> shown)
    {
        if (ThumbnailBytes(exif, upload) is not { } jpeg)
        {
            return;
        }

        try
        {
            File.WriteAllBytes(scratch, jpeg);
            using var small = RgbDecoding.Open(scratch, ImageFormats.Jpeg);
            if (small.Width is < 32 or > 1024 || small.Height is < 32 or > 1024)
            {
                return;
            }

            using var converted = RgbDecoding.ToRgb(small, small.Width, small.Height);
            using var thumbnail = converted.ToPixels();
            using var picture = upload.Decode(upload.Image.Width, upload.Image.Height);
            double same = ThumbnailComparison.Correlate(thumbnail, picture);
            shown.Add(new("Embedded thumbnail", $"{thumbnail.Width} x {thumbnail.Height} pixels, correlation with the picture {same:0.00}"));
            if (same < SameThumbnail)
            {
                unusual.Add("its embedded thumbnail shows something else than the picture");
            }
        }
        catch (VipsException)
        {
            shown.Add(new("Embedded thumbnail", "cannot be decoded"));
        }
    }

    private static byte[]? ThumbnailBytes(IReadOnlyList<Directory> exif, Upload upload)
    {
        var directory = exif.OfType<ExifThumbnailDirectory>().FirstOrDefault();
        if (directory is null || upload.Format == ImageFormats.Tiff || !directory.TryGetInt64(ExifThumbnailDirectory.TagThumbnailOffset, out long offset)
            || !directory.TryGetInt64(ExifThumbnailDirectory.TagThumbnailLength, out long length))
        {
            return null;
        }

        var block = upload.Image.Metadata("exif-data");
        block = block.StartsWith("Exif\0\0"u8) ? block[6..] : block;
        return offset > 0 && offset < block.Length && length is > 4 and < 1 << 20 && offset + length <= block.Length && block[(int)offset] == 0xFF && block[(int)offset + 1] == 0xD8
            ? block.Slice((int)offset, (int)length).ToArray() : null;
    }

    private static Regex Words(params IEnumerable<string> words) =>
        new($@"(?<!\p{{L}})(?:{string.Join('|', words.Select(Regex.Escape))})(?!\p{{L}})", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1));

    private static DateTime? Date(string? text) =>
        DateTime.TryParseExact(text, ["yyyy:MM:dd HH:mm:ss", "yyyy-MM-dd HH:mm:ss"], CultureInfo.InvariantCulture, DateTimeStyles.None, out var date) ? date : null;

    private static string Sentence(List<string> findings)
    {
        var text = new StringBuilder(string.Join("; ", findings)).Append('.');
        text[0] = char.ToUpperInvariant(text[0]);
        return text.ToString();
    }

    [GeneratedRegex("""(?:softwareAgent|CreatorTool)\s*(?:=\s*["']|>\s*)(?<value>[^"'<]{1,200})""", RegexOptions.ExplicitCapture)]
    private static partial Regex Agents();
}
