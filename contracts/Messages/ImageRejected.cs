namespace Palimpsest.Contracts;

/// <summary>Event: the upload cannot be analysed. A refusal, not a fault: it is final.</summary>
public sealed record ImageRejected
{
    /// <summary>The analysis, <c>an_…</c>.</summary>
    public required string AnalysisId { get; init; }

    /// <summary>Stable code, e.g. <c>image_truncated</c>; see <see cref="ErrorCodes"/>.</summary>
    public required string Code { get; init; }

    /// <summary>What is wrong and what to do, one sentence.</summary>
    public required string Detail { get; init; }
}
