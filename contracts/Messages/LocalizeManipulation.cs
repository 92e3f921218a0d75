namespace Palimpsest.Contracts;

/// <summary>Command to one localizer: find where the prepared image was manipulated.</summary>
public sealed record LocalizeManipulation
{
    /// <summary>The analysis, <c>an_…</c>.</summary>
    public required string AnalysisId { get; init; }

    /// <summary>One of <see cref="DetectorNames"/>.</summary>
    public required string Detector { get; init; }

    /// <summary>The prepared image.</summary>
    public required BlobReference Prepared { get; init; }

    /// <summary>The client's options.</summary>
    public required AnalysisOptions Options { get; init; }
}
