using Palimpsest.Contracts;

namespace Palimpsest.Reporting;

/// <summary>A service failed on a step. Besides the contracts' events this is what moves an analysis.</summary>
/// <param name="Step">One of <see cref="Steps"/>.</param>
/// <param name="Detector">For <see cref="Steps.Localize"/>: which.</param>
/// <param name="Passing">The reason will pass (a server was restarting): try the step again a little later.</param>
/// <param name="Detail">What happened, one sentence.</param>
/// <param name="Spread">Share of the wait, 0..1, that is added to it: what failed together must not meet again.</param>
/// <param name="VolumeFull">The blob volume is full: nobody's fault, and it may take an operator.</param>
internal sealed record StepFailed(string Step, string? Detector, bool Passing, string Detail, double Spread = 0, bool VolumeFull = false);

/// <summary>The sweep re-sends the pending step.</summary>
/// <param name="Counted">It counts towards the limit; false after a restart with an empty transport.</param>
/// <param name="Version">Of the record that was looked at: another replica, or an answer, may have been faster. Null: whatever it is.</param>
internal sealed record StepOverdue(bool Counted, int? Version = null);

/// <summary>The sweep gives up waiting.</summary>
/// <param name="Detector">This localizer only, it has no heartbeat; null: whatever is pending.</param>
/// <param name="Reason">Why, one sentence.</param>
/// <param name="Version">As in <see cref="StepOverdue"/>.</param>
internal sealed record StepAbandoned(string? Detector, string Reason, int? Version = null);

/// <summary>The client deleted it.</summary>
internal sealed record AnalysisDeleted;

/// <summary>Its retention time is over.</summary>
internal sealed record AnalysisExpired;

/// <summary>A localizer's map cannot be read back.</summary>
internal sealed record MapLost(string Detector, string Reason);

/// <summary>What is pending.</summary>
internal static class Steps
{
    public const string Preprocess = "preprocess";
    public const string Route = "route";
    public const string Localize = "localize";
}

/// <summary>A message that leaves with the change: a command to a queue.</summary>
internal sealed record Outgoing(string Queue, object Message, DateTimeOffset? NotBefore = null);

/// <summary>What an event changes.</summary>
/// <param name="Record">The analysis afterwards.</param>
/// <param name="Outgoing">Commands to send.</param>
/// <param name="NeedsReport">Every localizer has answered: fuse and finish before saving.</param>
internal sealed record AnalysisChange(Palimpsest.Hosting.AnalysisRecord Record, IReadOnlyList<Outgoing> Outgoing, bool NeedsReport)
{
    /// <summary>The picture's perceptual hash, where the report was made and the prepared file has it. Not part of the record: it has a table of its own.</summary>
    public string? Hash { get; init; }
}
