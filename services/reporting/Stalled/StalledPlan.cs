using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>What to do with analyses whose step is overdue. Pure.</summary>
internal sealed class StalledPlan(ReportingOptions options, StepProgress progress, IReadOnlyList<DetectorHeartbeat> detectors, DateTimeOffset now)
{
    private int probes = options.SweepProbe;

    /// <summary>The event to apply; null: it only waits in a queue that moves.</summary>
    public object? Decide(AnalysisRecord record)
    {
        var waited = now - record.StageSince;
        if (waited >= TimeSpan.FromHours(options.FinalDeadlineHours))
        {
            return new StepAbandoned(null, $"No answer within {options.FinalDeadlineHours:0.##} hours.");
        }

        if (Gone(record, waited) is { } gone)
        {
            return new StepAbandoned(gone, $"No instance of the {gone} localizer is alive.");
        }

        var waiting = StepProgress.Waiting(record.Findings).ToList();
        bool overtaken = waiting.Any(key => progress.Overtook(key, record.StageSince, TimeSpan.FromSeconds(options.OvertakenSeconds)));
        if (!overtaken && !(waiting.Any(key => progress.IsQuiet(key, now, options.Step)) && probes-- > 0))
        {
            return null;
        }

        if (record.StageAttempts < options.MaxResends)
        {
            return new StepOverdue(Counted: true);
        }

        // While nothing at all comes back, nobody is there to answer: what was accepted is sent again, no more often than the last time, until somebody is.
        return overtaken || now - record.CreatedAt >= TimeSpan.FromHours(options.FinalDeadlineHours)
            ? new StepAbandoned(null, $"No answer after {record.StageAttempts + 1} tries.")
            : new StepOverdue(Counted: false);
    }

    private string? Gone(AnalysisRecord record, TimeSpan waited)
    {
        var limit = TimeSpan.FromSeconds(options.DetectorGoneSeconds);
        return waited < limit || Analysis.Pending(record.Findings) != Steps.Localize ? null : record.Findings.Detectors
            .Where(d => d.State == DetectorStates.Pending)
            .Select(d => d.Name)
            .FirstOrDefault(name => detectors.FirstOrDefault(b => b.Name == name) is not { } beat || now - beat.SeenAt >= limit);
    }
}
