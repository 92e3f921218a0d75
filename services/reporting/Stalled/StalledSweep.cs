using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>
/// Finishes what got stuck: messages lost by a crash of the in-memory transport, by a broker that lost its disk, by a service that died after its
/// acknowledgement. At start and every <see cref="ReportingOptions.SweepSeconds"/>.
/// </summary>
internal sealed partial class StalledSweep(
    PlatformDatabase database, PlatformSettings settings, IAnalysisStore store, AnalysisUpdater updater, StepProgress progress, IDetectorRegistry detectors,
    ReportingOptions options, TimeProvider time, ILogger<StalledSweep> log) : BackgroundService
{
    private const string InStages = "SELECT stage, count(*), min(stage_since) FROM analyses WHERE stage_due IS NOT NULL GROUP BY stage";

    /// <summary>All that is pending, by the index of that: in the order of ids, or in pages of it, SQLite would go through all that was ever analysed.</summary>
    internal const string Unfinished = "SELECT id FROM analyses WHERE stage_due IS NOT NULL AND stage_since < @before AND id NOT IN (SELECT analysis_id FROM outbox)";

    /// <summary>One look at everything overdue.</summary>
    public async Task SweepAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var alive = await detectors.ListAsync(cancellationToken);
        foreach (string stage in new[] { Stages.Preprocessing, Stages.Routing, Stages.Localizing })
        {
            var plan = new StalledPlan(options, progress, alive, now);
            // In one reading: of a long queue all but a few only wait. The overtaken ones are among the oldest.
            int moved = 0;
            foreach (var record in await store.OverdueAsync(stage, now, options.SweepBatch * 4, cancellationToken))
            {
                if (moved >= options.SweepBatch || plan.Decide(record) is not { } decision)
                {
                    continue;
                }

                LogMoved(decision is StepOverdue ? "Sending again" : "Giving up", Analysis.Pending(record.Findings), record.Id);
                await MoveAsync(record, decision, cancellationToken);
                moved++;
            }
        }

        await MeasureAsync(now, cancellationToken);
    }

    /// <summary>What waits in each stage, for operators. The record knows it whatever the broker says.</summary>
    private async Task MeasureAsync(DateTimeOffset now, CancellationToken cancellationToken)
    {
        var stages = (await database.QueryAsync<(string Stage, long Count, long Since)>(InStages, null, cancellationToken)).ToDictionary(s => s.Stage, StringComparer.Ordinal);
        foreach (string stage in new[] { Stages.Preprocessing, Stages.Routing, Stages.Localizing })
        {
            // A stage that has emptied says nought, not what it said last.
            bool any = stages.TryGetValue(stage, out var waiting);
            ReportingMetrics.InStage(stage, any ? waiting.Count : 0, any ? now - DateTimeOffset.FromUnixTimeMilliseconds(waiting.Since) : TimeSpan.Zero);
        }
    }

    /// <summary>Embedded, at start: whatever was in the in-memory transport is gone, so every pending step is sent again.</summary>
    public async Task ResumeAsync(DateTimeOffset before, CancellationToken cancellationToken)
    {
        int count = 0;
        foreach (string id in await database.QueryAsync<string>(Unfinished, new { before = before.ToUnixTimeMilliseconds() }, cancellationToken))
        {
            if (await store.LoadAsync(id, cancellationToken) is { } record)
            {
                await MoveAsync(record, new StepOverdue(Counted: false), cancellationToken);
                count++;
            }
        }

        if (count > 0)
        {
            LogResumed(count);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var started = progress.Since;
        bool resumed = !settings.Embedded;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                if (!resumed)
                {
                    await ResumeAsync(started, stoppingToken);
                    resumed = true;
                }

                await SweepAsync(stoppingToken);
                await Task.Delay(TimeSpan.FromSeconds(options.SweepSeconds), time, stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                LogFailed(e);
                await Task.Delay(TimeSpan.FromSeconds(Math.Min(5, options.SweepSeconds)), time, stoppingToken);
            }
        }
    }

    private async Task MoveAsync(AnalysisRecord record, object decision, CancellationToken cancellationToken)
    {
        object exact = decision switch
        {
            StepOverdue e => e with { Version = record.Version },
            StepAbandoned e => e with { Version = record.Version },
            _ => decision,
        };
        var after = await updater.ApplyAsync(record.Id, exact, cancellationToken);
        if (decision is StepOverdue && after?.Version > record.Version)
        {
            ReportingMetrics.Resent(Analysis.Pending(record.Findings));
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Action}: the {Step} step of {AnalysisId} is stalled")]
    private partial void LogMoved(string action, string step, string analysisId);

    [LoggerMessage(Level = LogLevel.Information, Message = "Resumed {Count} analyses that a stop had interrupted")]
    private partial void LogResumed(int count);

    [LoggerMessage(Level = LogLevel.Error, Message = "The stalled-work sweep failed; trying again")]
    private partial void LogFailed(Exception exception);
}
