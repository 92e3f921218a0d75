using Palimpsest.Contracts;
using Palimpsest.Imaging;

namespace Palimpsest.Reporting;

/// <summary>What fusion knows of one localizer. State other than completed: no score, no map.</summary>
internal sealed record DetectorEvidence
{
    /// <summary>One of <see cref="DetectorNames"/>.</summary>
    public required string Name { get; init; }

    /// <summary>One of <see cref="DetectorStates"/>.</summary>
    public required string State { get; init; }

    /// <summary>Uncalibrated image-level probability; set when completed.</summary>
    public double? RawScore { get; init; }

    /// <summary>Where; set when completed. Its grid is that of the analysed picture.</summary>
    public ProbabilityMap? Map { get; init; }

    /// <summary>Raw score of each face, in the order of the picture's faces.</summary>
    public IReadOnlyList<double> FaceScores { get; init; } = [];

    /// <summary>Why it did not complete, one sentence.</summary>
    public string? Reason { get; init; }
}

/// <summary>The report's numbers.</summary>
internal sealed record FusedReport
{
    /// <summary>One of <see cref="Verdicts"/>.</summary>
    public required string Verdict { get; init; }

    /// <summary>Calibrated probability that the picture is manipulated.</summary>
    public required double Score { get; init; }

    /// <summary>Probability of the stated verdict; for uncertain max(score, 1 − score).</summary>
    public required double Confidence { get; init; }

    /// <summary>shallowfake, deepfake, both or none.</summary>
    public required string Kind { get; init; }

    /// <summary>The fused map, as it is shown.</summary>
    public required ProbabilityMap Map { get; init; }

    /// <summary>Share of pixels above the mask threshold.</summary>
    public required double ManipulatedArea { get; init; }

    /// <summary>Largest first.</summary>
    public required IReadOnlyList<RegionDocument> Regions { get; init; }

    /// <summary>Displayed pixels, with scores where scored.</summary>
    public required IReadOnlyList<FaceDocument> Faces { get; init; }

    /// <summary>Calibrated score of each completed localizer.</summary>
    public required IReadOnlyDictionary<string, double> Scores { get; init; }

    /// <summary>Plain sentences about coverage and agreement.</summary>
    public required IReadOnlyList<string> Warnings { get; init; }

    /// <summary>Which calibration.</summary>
    public required string CalibrationVersion { get; init; }
}
