using Palimpsest.Contracts;
using Palimpsest.Imaging;

namespace Palimpsest.Inference;

/// <summary>A manipulation localizer: one picture in, a score and a map out. The seam between the consumers and the networks.</summary>
public interface IDetector
{
    /// <summary>One of <see cref="DetectorNames"/>.</summary>
    string Name { get; }

    /// <summary>The loaded model; null while none could be loaded, then <see cref="Unavailable"/> says why.</summary>
    ModelIdentity? Model { get; }

    /// <summary>Why no model is loaded; null when one is.</summary>
    string? Unavailable { get; }

    /// <summary>cpu, cuda or tensorrt.</summary>
    string Provider { get; }

    /// <summary>Looks at one prepared picture. Thread-safe; concurrent calls are batched.</summary>
    /// <exception cref="DetectorUnavailableException">No model is loaded.</exception>
    /// <exception cref="InferenceException">The network failed on this picture (wrong shape, NaN, runtime error).</exception>
    Task<Detection> DetectAsync(PreparedImage image, AnalysisOptions options, CancellationToken cancellationToken);
}

/// <summary>What a localizer found.</summary>
public sealed record Detection
{
    /// <summary><see cref="DetectorStates.Completed"/> or <see cref="DetectorStates.NotApplicable"/>.</summary>
    public required string State { get; init; }

    /// <summary>Uncalibrated image-level probability, 0..1.</summary>
    public double? Score { get; init; }

    /// <summary>Where; cells of <see cref="ProbabilityMap.Cell"/> analysed pixels.</summary>
    public ProbabilityMap? Map { get; init; }

    /// <summary>Class-activation map of the detection head, same grid.</summary>
    public ProbabilityMap? Activation { get; init; }

    /// <summary>Score of each face, in the prepared image's order.</summary>
    public IReadOnlyList<double> FaceScores { get; init; } = [];

    /// <summary>Why not applicable.</summary>
    public string? Reason { get; init; }
}

/// <summary>No model is loaded: missing, or its SHA-256 does not match its manifest.</summary>
public sealed class DetectorUnavailableException(string message) : Exception(message);

/// <summary>The network failed on one picture.</summary>
public sealed class InferenceException(string message, Exception? inner = null) : Exception(message, inner);
