using System.Data.Common;
using Microsoft.Extensions.Logging;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>
/// Loads, applies an event, saves: with the outgoing messages and the webhook schedule in the same transaction, and again from the start when somebody else saved first.
/// </summary>
internal sealed partial class AnalysisUpdater(
    IAnalysisStore store, IBlobStore blobs, IPlatformCache cache, Analysis analysis, ReportWriter writer, BatchCompletion batches, StepProgress progress,
    ReportingOptions options, NearDuplicates duplicates, RecentRecords recent, TimeProvider time, ILogger<AnalysisUpdater> log, IWebhookScheduler webhooks)
{
    // Each conflict means that another event of this analysis was saved; an analysis has about ten events.
    private const int Attempts = 25;

    /// <summary>Applies one event.</summary>
    /// <param name="analysisId">Whose.</param>
    /// <param name="event">What happened.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <param name="asked">When the command that it answers went into the outbox; null: that came from another service, or nothing is known of it.</param>
    /// <returns>The record as it stands now; null when there is no such analysis.</returns>
    /// <exception cref="TimeoutException">Others kept saving first; transient.</exception>
    public async Task<AnalysisRecord?> ApplyAsync(string analysisId, object @event, CancellationToken cancellationToken, DateTimeOffset? asked = null)
    {
        // What this process saved last is not read back. It may be out of date: then saving fails and the next attempt reads.
        var known = recent.Find(analysisId);
        for (int attempt = 0; attempt < Attempts; attempt++, known = null)
        {
            if ((known ?? await store.LoadAsync(analysisId, cancellationToken)) is not { } before)
            {
                LogUnknown(@event.GetType().Name, analysisId);
                return null;
            }

            var now = time.GetUtcNow();
            if (analysis.Apply(before, @event, now) is not { } change)
            {
                if (known is not null)
                {
                    continue; // whether it changes nothing, only the record as it stands can tell
                }

                await RemoveLateAsync(before, cancellationToken);
                return before;
            }

            var after = change.NeedsReport ? await FinishAsync(change.Record, now, cancellationToken) : change;
            if (await SaveAsync(before, after, cancellationToken) is { } saved)
            {
                recent.Remember(saved);
                await AfterwardsAsync(before, saved, after.Hash, asked, cancellationToken);
                return saved;
            }
        }

        throw new TimeoutException($"{analysisId} was saved by others {Attempts} times in a row.");
    }

    /// <summary>
    /// A step that was at work while the analysis was erased, or a second time while it ended, has left its blobs and tells of them now. So does the event that ended it, if this process
    /// died between the commit and the tidying.
    /// </summary>
    private Task RemoveLateAsync(AnalysisRecord record, CancellationToken cancellationToken) =>
        record.ErasedAt is not null ? blobs.DeleteAnalysisAsync(record.Id, cancellationToken)
        : AnalysisStatuses.IsTerminal(record.Status) ? blobs.DeleteAsync(BlobKeys.Prepared(record.Id), cancellationToken)
        : Task.CompletedTask;

    private async Task<AnalysisChange> FinishAsync(AnalysisRecord ready, DateTimeOffset now, CancellationToken cancellationToken)
    {
        try
        {
            var (findings, hash) = await writer.WriteAsync(ready, cancellationToken);
            return new AnalysisChange(Analysis.Succeed(ready, findings, now), [], NeedsReport: false) { Hash = hash };
        }
        catch (MapLostException lost)
        {
            LogMapLost(lost.Detector, ready.Id, lost.Message);
            var change = analysis.Apply(ready, new MapLost(lost.Detector, lost.Message), now)!;
            return change.NeedsReport ? await FinishAsync(change.Record, now, cancellationToken) : change;
        }
        catch (Exception e) when (e is BlobNotFoundException or InvalidDataException)
        {
            LogPreparedLost(ready.Id, e.Message);
            return new AnalysisChange(Analysis.Fail(ready, ErrorCodes.ProcessingCrashed, "The prepared picture was lost before the report was made; submit it again.", now), [], NeedsReport: false);
        }
    }

    private async Task<AnalysisRecord?> SaveAsync(AnalysisRecord before, AnalysisChange change, CancellationToken cancellationToken)
    {
        var record = change.Record;
        var messages = change.Outgoing.Select(o => Message(record, o)).ToList();
        bool ended = AnalysisStatuses.IsTerminal(record.Status) && !AnalysisStatuses.IsTerminal(before.Status);
        if (ended && Announcement(record) is { } announcement)
        {
            messages.Add(announcement);
        }

        bool scheduled = false;
        var saved = await store.TrySaveAsync(record, messages, ended ? async t => scheduled = await ScheduleAsync(t, record, cancellationToken) : null, cancellationToken);
        if (saved is not null && scheduled)
        {
            webhooks.Wake();
        }

        return saved;
    }

    /// <summary>The webhooks of an end, of the analysis and of its batch; true when there are any.</summary>
    private async Task<bool> ScheduleAsync(DbTransaction transaction, AnalysisRecord record, CancellationToken cancellationToken)
    {
        bool own = await webhooks.ScheduleAsync(transaction, record, cancellationToken);
        return await batches.EndedAsync(transaction, record, cancellationToken) || own;
    }

    /// <summary>What need not be in the transaction: losing it costs a recomputation or a late erasure, never a result.</summary>
    private async Task AfterwardsAsync(AnalysisRecord before, AnalysisRecord saved, string? hash, DateTimeOffset? asked, CancellationToken cancellationToken)
    {
        progress.Observe(before, saved, time.GetUtcNow(), asked);
        if (AnalysisStatuses.IsTerminal(before.Status) || !AnalysisStatuses.IsTerminal(saved.Status))
        {
            return;
        }

        ReportingMetrics.Ended(saved);
        if (before.Findings.Prepared is { } prepared)
        {
            // The verdict is out; its pixels are still here.
            await duplicates.RememberAsync(saved, hash, prepared, cancellationToken);
            await blobs.DeleteAsync(prepared.Key, cancellationToken);
        }

        if (saved is { Status: AnalysisStatuses.Succeeded, Findings.IsWhole: true, Request: { CacheKey: { } key, ZeroRetention: false } } && options.ResultCacheHours > 0)
        {
            await cache.SetAsync(key, saved.Id, TimeSpan.FromHours(options.ResultCacheHours), cancellationToken);
        }
    }

    private OutboxMessage Message(AnalysisRecord record, Outgoing outgoing)
    {
        var message = outgoing.Message switch
        {
            PreprocessImage m => OutboxMessage.Command(time, outgoing.Queue, record.Id, m),
            ImagePreprocessed m => OutboxMessage.Command(time, outgoing.Queue, record.Id, m),
            LocalizeManipulation m => OutboxMessage.Command(time, outgoing.Queue, record.Id, m),
            _ => throw new ArgumentException($"{outgoing.Message.GetType().Name} is not sent by reporting.", nameof(outgoing)),
        };
        // The sweep has no request around it, and without a collector nor has a message: theirs join the trace of the submission.
        return message with { NotBefore = outgoing.NotBefore, Traceparent = PlatformTelemetry.RecordedTraceparent ?? record.Request.Traceparent };
    }

    private OutboxMessage? Announcement(AnalysisRecord record) => record.Status switch
    {
        AnalysisStatuses.Succeeded => OutboxMessage.Event(time, record.Id, new AnalysisCompleted
        {
            AnalysisId = record.Id, Tenant = record.Tenant, Verdict = record.Findings.Result!.Verdict, Score = record.Findings.Result.Score,
        }),
        AnalysisStatuses.Failed => OutboxMessage.Event(time, record.Id, new AnalysisFailed
        {
            AnalysisId = record.Id, Tenant = record.Tenant, Code = record.Findings.Error!.Code, Detail = record.Findings.Error.Detail,
        }),
        _ => null,
    };

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Event} of {AnalysisId}, which is not in the database, is dropped")]
    private partial void LogUnknown(string @event, string analysisId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The map of {Detector} for {AnalysisId} cannot be used: {Reason}")]
    private partial void LogMapLost(string detector, string analysisId, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "The prepared image of {AnalysisId} cannot be used: {Reason}")]
    private partial void LogPreparedLost(string analysisId, string reason);
}
