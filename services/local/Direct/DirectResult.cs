using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Imaging;

namespace Palimpsest.Local.Direct;

/// <summary>One picture through the pipeline without a server: a result, or why there is none.</summary>
internal sealed record DirectResult
{
    /// <summary>The file.</summary>
    public required string Path { get; init; }

    /// <summary>One of <see cref="ErrorCodes"/>; null when there is a result.</summary>
    public string? ErrorCode { get; init; }

    /// <summary>One sentence.</summary>
    public string? Error { get; init; }

    /// <summary>The fused result.</summary>
    public AnalysisResult? Result { get; init; }

    /// <summary>Each localizer with state, raw and calibrated score.</summary>
    public IReadOnlyList<DetectorFinding> Detectors { get; init; } = [];

    /// <summary>The router's judgement.</summary>
    public RoutingDocument? Routing { get; init; }

    /// <summary>Localizers that the router sent the picture to at once, without waiting for another's answer.</summary>
    public IReadOnlyList<string> RoutedTo { get; init; } = [];

    /// <summary>Sizes and orientation; null when the picture was rejected.</summary>
    public ImageGeometry? Geometry { get; init; }

    /// <summary>The fused probability map.</summary>
    public ProbabilityMap? Map { get; init; }

    /// <summary>Plain sentences.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>Time from the file to the result, milliseconds.</summary>
    public double DurationMs { get; init; }
}
