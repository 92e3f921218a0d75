namespace Palimpsest.Contracts;

/// <summary>Command to preprocessing: decode this upload, find facts and faces, store it prepared.</summary>
public sealed record PreprocessImage
{
    /// <summary>The analysis, <c>an_…</c>.</summary>
    public required string AnalysisId { get; init; }

    /// <summary>The upload as received.</summary>
    public required BlobReference Upload { get; init; }

    /// <summary>The client's options.</summary>
    public required AnalysisOptions Options { get; init; }
}
