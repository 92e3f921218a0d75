using System.Text;
using System.Text.RegularExpressions;
using Palimpsest.Contracts;
using Palimpsest.Decoder.Metadata;

namespace Palimpsest.Decoder.Evidence;

/// <summary>
/// Whether the file carries C2PA content credentials (a JUMBF manifest store) and which digital source type they or XMP state. Found by searching the bytes: no box or CBOR parser meets
/// hostile input, and no signature is verified.
/// </summary>
internal static partial class ContentCredentials
{
    /// <summary>Bytes behind the store's description that are searched; stores with thumbnails are longer, what is looked for comes in text.</summary>
    private const int MaxSearched = 8 << 20;

    private static ReadOnlySpan<byte> Description => "jumdc2pa\0\u0011\0\u0010"u8;

    public static Look Examine(Upload upload)
    {
        var file = upload.Bytes.Span;
        int at = file.IndexOf(Description);
        string? stated = MetadataReader.Read(upload.Bytes, upload.Format, upload.Image).DigitalSourceType;
        if (at < 0)
        {
            return new Look
            {
                Finding = stated is null ? EvidenceFindings.NothingUnusual : ByAlgorithm(stated) ? EvidenceFindings.Unusual : EvidenceFindings.Notable,
                Summary = stated is null
                    ? "Nothing unusual: the file carries no content credentials, which is no evidence of anything."
                    : $"No content credentials, but the metadata give the digital source type {stated}.",
                Facts = [new("C2PA manifest", "absent"), .. stated is null ? Array.Empty<EvidenceFact>() : [new("Digital source type (XMP)", stated)]],
            };
        }

        string text = Encoding.Latin1.GetString(file.Slice(at, Math.Min(MaxSearched, file.Length - at)));
        string? source = SourceTypes().Matches(text).Select(m => m.Groups["type"].Value).OrderByDescending(ByAlgorithm).FirstOrDefault() ?? stated;
        string? generator = MetadataReader.Clean(Generators().Match(text) is { Success: true } match ? match.Groups["name"].Value : null);
        string[] actions = [.. Actions().Matches(text).Select(m => m.Value).Distinct().Take(8)];
        bool made = source is not null && ByAlgorithm(source);
        return new Look
        {
            Finding = made ? EvidenceFindings.Unusual : EvidenceFindings.Notable,
            Summary = $"Content credentials are present{(source is null ? "" : made ? $" and say the picture was made or changed by an algorithm ({source})" : $" and state {source}")}; their signature was not verified.",
            Facts =
            [
                new("C2PA manifest", "present, signature not verified"),
                .. source is null ? Array.Empty<EvidenceFact>() : [new("Digital source type", source)],
                .. generator is null ? Array.Empty<EvidenceFact>() : [new("Claim generator", generator)],
                .. actions.Length == 0 ? Array.Empty<EvidenceFact>() : [new("Actions", string.Join(", ", actions))],
            ],
        };
    }

    /// <summary>IPTC's digital source types of pictures that an algorithm made or helped to make, composites with such parts included; a composite of photographs alone is none.</summary>
    public static bool ByAlgorithm(string type) => type.Contains("algorithmic", StringComparison.OrdinalIgnoreCase) || type.Equals("compositeSynthetic", StringComparison.OrdinalIgnoreCase);

    [GeneratedRegex("digitalsourcetype/(?<type>[A-Za-z]{4,60})", RegexOptions.ExplicitCapture)]
    private static partial Regex SourceTypes();

    // CBOR text behind the key: one or two bytes of length, then the name.
    [GeneratedRegex("""(?:claim_generator(?!_info)|softwareAgent)[\x60-\x7b][\x00-\xff]?(?<name>[A-Za-z][ -~]{2,80})""", RegexOptions.ExplicitCapture)]
    private static partial Regex Generators();

    [GeneratedRegex(@"c2pa\.(?:created|edited|opened|placed|cropped|resized|color_adjustments|drawing|filtered|converted|published|removed|transcoded)")]
    private static partial Regex Actions();
}
