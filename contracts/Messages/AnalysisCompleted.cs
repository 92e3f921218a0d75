namespace Palimpsest.Contracts;

/// <summary>Event: a report is stored.</summary>
public sealed record AnalysisCompleted
{
    /// <summary>The analysis, <c>an_…</c>.</summary>
    public required string AnalysisId { get; init; }

    /// <summary>Owner.</summary>
    public required string Tenant { get; init; }

    /// <summary>One of <see cref="Verdicts"/>.</summary>
    public required string Verdict { get; init; }

    /// <summary>Calibrated probability that the picture is manipulated, 0..1.</summary>
    public required double Score { get; init; }
}

/// <summary>Event: the analysis ended without a report.</summary>
public sealed record AnalysisFailed
{
    /// <summary>The analysis, <c>an_…</c>.</summary>
    public required string AnalysisId { get; init; }

    /// <summary>Owner.</summary>
    public required string Tenant { get; init; }

    /// <summary>One of <see cref="ErrorCodes"/>.</summary>
    public required string Code { get; init; }

    /// <summary>What is wrong and what to do, one sentence.</summary>
    public required string Detail { get; init; }
}
