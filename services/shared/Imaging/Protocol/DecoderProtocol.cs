using System.Text.Json;
using System.Text.Json.Serialization;
using Palimpsest.Contracts;

namespace Palimpsest.Imaging.Protocol;

/// <summary>
/// A request to a decoder process: one line of JSON on its standard input, answered by one line on its standard output
/// (<see cref="DecoderReply"/>). Bulk data goes through files. A new kind of work is a new derived record here and its case in the decoder.
/// </summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "op")]
[JsonDerivedType(typeof(PrepareRequest), "prepare")]
[JsonDerivedType(typeof(RenderRequest), "render")]
[JsonDerivedType(typeof(EvidenceRequest), "evidence")]
public abstract record DecoderRequest
{
    /// <summary>Path of the upload as received.</summary>
    public required string Upload { get; init; }

    /// <summary>Path of the file to write; replaced when it exists.</summary>
    public required string Output { get; init; }

    /// <summary>What is refused before a pixel is decoded.</summary>
    public required DecodeLimits Limits { get; init; }
}

/// <summary>Decode the upload into a prepared image without its trailer (<see cref="PreparedImage"/>); answered with <see cref="PreparedLayout"/>.</summary>
public sealed record PrepareRequest : DecoderRequest
{
    /// <summary>Larger pictures are reduced to this many pixels for analysis.</summary>
    public required long MaxAnalysedPixels { get; init; }
}

/// <summary>Decode the upload in displayed orientation and write it as a picture for people; answered with <see cref="RenderedImage"/>.</summary>
public sealed record RenderRequest : DecoderRequest
{
    /// <summary>Encoding of the output.</summary>
    public required RenderFormat Format { get; init; }

    /// <summary>Longest side of the output, pixels; null for the picture's own size.</summary>
    public int? MaxSide { get; init; }

    /// <summary>Path of a stored <see cref="ProbabilityMap"/> to draw over the picture; null for none.</summary>
    public string? Map { get; init; }

    /// <summary>The grids that <see cref="Map"/> refers to; required with it.</summary>
    public ImageGeometry? Geometry { get; init; }
}

/// <summary>
/// Look at the upload by one classical method; answered with <see cref="EvidenceAnswer"/>. The output file is a map in cells of <see cref="ProbabilityMap.Cell"/> pixels of the stored
/// picture (<see cref="ProbabilityMap.ToBytes"/>), whose values are levels of the method's fixed scale; it stays empty when there is none.
/// </summary>
public sealed record EvidenceRequest : DecoderRequest
{
    /// <summary>One of <see cref="EvidenceNames"/>.</summary>
    public required string Kind { get; init; }
}

/// <summary>Encodings of a rendering.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<RenderFormat>))]
public enum RenderFormat
{
    /// <summary>Lossless.</summary>
    Png,

    /// <summary>Quality 90, for previews.</summary>
    Jpeg,

    /// <summary>Quality 85, for thumbnails.</summary>
    Webp,
}

/// <summary>Limits on the picture's header.</summary>
/// <param name="MaxPixels">Width × height.</param>
/// <param name="MaxSide">Longest side, pixels.</param>
/// <param name="MinSide">Shortest side, pixels.</param>
public sealed record DecodeLimits(long MaxPixels = 50_000_000, int MaxSide = 16_384, int MinSide = 16);

/// <summary>The answer: exactly one of the parts is set; none in the line that says a new process is ready.</summary>
public sealed record DecoderReply
{
    /// <summary>The first line of a process: warm, limited, waiting.</summary>
    public static DecoderReply Ready { get; } = new();

    /// <summary>The picture was refused.</summary>
    public Refusal? Refusal { get; init; }

    /// <summary>A file could not be read or written: worth another try, no word on the picture.</summary>
    public string? Failure { get; init; }

    /// <summary>The operating system's number for it (errno), where <see cref="Failure"/> is its.</summary>
    public int FailureCode { get; init; }

    /// <summary>To a <see cref="PrepareRequest"/>.</summary>
    public PreparedLayout? Prepared { get; init; }

    /// <summary>To a <see cref="RenderRequest"/>.</summary>
    public RenderedImage? Rendered { get; init; }

    /// <summary>To an <see cref="EvidenceRequest"/>.</summary>
    public EvidenceAnswer? Evidence { get; init; }
}

/// <summary>Why a picture cannot be analysed.</summary>
/// <param name="Code">One of <see cref="Contracts.ErrorCodes"/>.</param>
/// <param name="Detail">What is wrong and what to do, one sentence.</param>
public sealed record Refusal(string Code, string Detail);

/// <summary>What a decoder wrote; the arguments that <see cref="PreparedImage.Finish"/> still needs.</summary>
public sealed record PreparedLayout
{
    /// <summary>8×8 luminance blocks a row; 0 without coefficients.</summary>
    public required int BlocksWide { get; init; }

    /// <summary>Rows of luminance blocks.</summary>
    public required int BlocksHigh { get; init; }

    /// <summary>Where the coefficients begin, bytes from the file's start.</summary>
    public required long CoefficientOffset { get; init; }

    /// <summary>Facts, faces not yet among them.</summary>
    public required ImageFacts Facts { get; init; }
}

/// <summary>What a decoder rendered.</summary>
/// <param name="Width">Pixels.</param>
/// <param name="Height">Pixels.</param>
public sealed record RenderedImage(int Width, int Height);

/// <summary>What a method found; boxes and points in displayed pixels.</summary>
public sealed record EvidenceAnswer
{
    /// <summary>Completed or not applicable: one of <see cref="EvidenceStates"/>.</summary>
    public string State { get; init; } = EvidenceStates.Completed;

    /// <summary>One of <see cref="EvidenceFindings"/>; null when not applicable.</summary>
    public string? Finding { get; init; }

    /// <summary>One plain sentence.</summary>
    public required string Summary { get; init; }

    /// <summary>Figures.</summary>
    public IReadOnlyList<EvidenceFact> Facts { get; init; } = [];

    /// <summary>Boxes that stand out, largest first.</summary>
    public IReadOnlyList<PixelBox> Regions { get; init; } = [];

    /// <summary>Copy-move matches.</summary>
    public IReadOnlyList<EvidencePair> Pairs { get; init; } = [];

    /// <summary>A map was written.</summary>
    public bool HasMap { get; init; }

    /// <summary>The map's grids: evidence is of the stored size, whatever size networks see. Null in answers of before 2026-11-29.</summary>
    public ImageGeometry? Geometry { get; init; }

    /// <summary>Perceptual hash, 16 hex digits; for that kind only.</summary>
    public string? Hash { get; init; }
}

/// <summary>The protocol's JSON, generated at compile time so that a decoder starts fast.</summary>
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(DecoderRequest))]
[JsonSerializable(typeof(DecoderReply))]
public sealed partial class DecoderJson : JsonSerializerContext;
