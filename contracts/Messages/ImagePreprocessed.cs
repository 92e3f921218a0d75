namespace Palimpsest.Contracts;

/// <summary>Event: the upload was decoded; facts, faces, pixels and JPEG coefficients lie in <see cref="Prepared"/>.</summary>
public sealed record ImagePreprocessed
{
    /// <summary>The analysis, <c>an_…</c>.</summary>
    public required string AnalysisId { get; init; }

    /// <summary>The prepared image (see <c>Palimpsest.Imaging.PreparedImage</c> for the layout).</summary>
    public required BlobReference Prepared { get; init; }

    /// <summary>Format found in the bytes: jpeg, png, webp, tiff, gif or avif.</summary>
    public required string Format { get; init; }

    /// <summary>Width in displayed orientation, pixels.</summary>
    public required int Width { get; init; }

    /// <summary>Height in displayed orientation, pixels.</summary>
    public required int Height { get; init; }

    /// <summary>How many faces were found.</summary>
    public required int FaceCount { get; init; }

    /// <summary>The client's options.</summary>
    public required AnalysisOptions Options { get; init; }

    /// <summary>Things the client should know, e.g. that only the first frame was analysed.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];
}
