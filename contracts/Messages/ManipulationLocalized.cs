namespace Palimpsest.Contracts;

/// <summary>Event: one localizer's answer.</summary>
public sealed record ManipulationLocalized
{
    /// <summary>The analysis, <c>an_…</c>.</summary>
    public required string AnalysisId { get; init; }

    /// <summary>One of <see cref="DetectorNames"/>.</summary>
    public required string Detector { get; init; }

    /// <summary>completed, not_applicable or error (<see cref="DetectorStates"/>).</summary>
    public required string State { get; init; }

    /// <summary>Uncalibrated image-level probability of manipulation, 0..1; null unless completed.</summary>
    public double? Score { get; init; }

    /// <summary>The localizer's own decision threshold on <see cref="Score"/>.</summary>
    public double? Threshold { get; init; }

    /// <summary>Which model answered; null when none could be loaded.</summary>
    public ModelIdentity? Model { get; init; }

    /// <summary>Probability map (see <c>Palimpsest.Imaging.ProbabilityMap</c>); null unless completed.</summary>
    public BlobReference? Map { get; init; }

    /// <summary>Class-activation map of the detection head, when the model has one.</summary>
    public BlobReference? Activation { get; init; }

    /// <summary>Score of each face, in the order of the prepared image's faces; empty for whole-picture localizers.</summary>
    public IReadOnlyList<double> FaceScores { get; init; } = [];

    /// <summary>Time of the pure detection call, queue and batch wait included, milliseconds.</summary>
    public double DurationMs { get; init; }

    /// <summary>Execution provider that ran: cpu, cuda or tensorrt.</summary>
    public string? Provider { get; init; }

    /// <summary>Why it did not complete, one sentence.</summary>
    public string? Reason { get; init; }
}
