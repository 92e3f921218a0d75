namespace Palimpsest.Inference;

/// <summary>
/// Which localizer a process serves. A type rather than a string, because consumers, endpoints and background services are told apart by type
/// when both localizers live in one process.
/// </summary>
public interface ILocalizerKind
{
    /// <summary>One of <see cref="Palimpsest.Contracts.DetectorNames"/>.</summary>
    static abstract string Name { get; }
}
