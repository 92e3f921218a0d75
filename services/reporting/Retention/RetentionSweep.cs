using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>
/// Erases what has been kept long enough: by default at <c>ExpiresAt</c>; with <c>retention: zero</c> as soon as the result is delivered or delivery was given up, and without a
/// webhook after a short grace. Also removes blobs that no analysis speaks of.
/// </summary>
internal sealed partial class RetentionSweep(
    PlatformDatabase database, IAnalysisStore store, IBlobStore blobs, AnalysisEraser eraser, ReportingOptions options, TimeProvider time, ILogger<RetentionSweep> log) : BackgroundService
{
    private static readonly TimeSpan OrphanInterval = TimeSpan.FromHours(1);

    private const string Deliveries = """
        SELECT count(*) AS "Total", coalesce(sum(CASE WHEN state = 'pending' THEN 1 ELSE 0 END), 0) AS "Pending", max(delivered_at) AS "Delivered"
        FROM webhook_deliveries WHERE analysis_id = @id AND tenant = @tenant
        """;

    /// <summary>Erases what is due.</summary>
    /// <returns>How many.</returns>
    public async Task<int> EraseAsync(CancellationToken cancellationToken)
    {
        int erased = 0;
        while (true)
        {
            var now = time.GetUtcNow();
            var due = await store.ExpiredAsync(now, 100, cancellationToken);
            foreach (var record in due)
            {
                if (await KeepUntilAsync(record, now, cancellationToken) is { } later)
                {
                    // Not a change that a client could see: the version stays.
                    await database.ExecuteAsync("UPDATE analyses SET expires_at = @later WHERE id = @id", new { id = record.Id, later = later.ToUnixTimeMilliseconds() }, cancellationToken);
                    continue;
                }

                await eraser.EraseAsync(record, new AnalysisExpired(), cancellationToken);
                LogErased(record.Id);
                erased++;
            }

            if (due.Count < 100)
            {
                return erased;
            }
        }
    }

    /// <summary>Removes blobs of analyses that do not exist (uploads never accepted) or are erased (work that finished late).</summary>
    public async Task<int> RemoveOrphansAsync(CancellationToken cancellationToken)
    {
        int removed = 0;
        await foreach (string id in blobs.AnalysesOlderThanAsync(time.GetUtcNow().AddHours(-options.OrphanHours), cancellationToken))
        {
            var record = await store.LoadAsync(id, cancellationToken);
            if (record is not null && AnalysisStatuses.IsTerminal(record.Status))
            {
                // A process that died between the report and the tidying; with the in-memory transport no message comes again to remind of it.
                await blobs.DeleteAsync(BlobKeys.Prepared(id), cancellationToken);
            }

            if (record is null or { ErasedAt: not null })
            {
                await blobs.DeleteAnalysisAsync(id, cancellationToken);
                LogOrphan(id);
                removed++;
            }
        }

        return removed;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var orphansDue = time.GetUtcNow();
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await EraseAsync(stoppingToken);
                if (time.GetUtcNow() >= orphansDue)
                {
                    await RemoveOrphansAsync(stoppingToken);
                    orphansDue = time.GetUtcNow() + OrphanInterval;
                }
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                LogFailed(e);
            }

            await Task.Delay(TimeSpan.FromSeconds(options.RetentionSweepSeconds), time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Null: erase now.</summary>
    private async Task<DateTimeOffset?> KeepUntilAsync(AnalysisRecord record, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (!record.Request.ZeroRetention || record.CompletedAt is not { } completed)
        {
            return null;
        }

        var deliveries = (await database.QueryFirstAsync<DeliveryCounts>(Deliveries, new { id = record.Id, tenant = record.Tenant }, cancellationToken))!;
        DateTimeOffset? until = deliveries switch
        {
            { Total: 0 } => completed.AddMinutes(options.ZeroRetentionGraceMinutes),
            { Pending: > 0 } => now.AddSeconds(options.RetentionSweepSeconds),
            { Delivered: { } at } => DateTimeOffset.FromUnixTimeMilliseconds(at).AddSeconds(options.ZeroRetentionFetchSeconds),
            _ => null,
        };
        return until > now ? until : null;
    }

    private sealed class DeliveryCounts
    {
        public long Total { get; set; }

        public long Pending { get; set; }

        public long? Delivered { get; set; }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Erased image and maps of {AnalysisId}: its retention time is over")]
    private partial void LogErased(string analysisId);

    [LoggerMessage(Level = LogLevel.Information, Message = "Removed blobs of {AnalysisId}, which does not exist or is erased")]
    private partial void LogOrphan(string analysisId);

    [LoggerMessage(Level = LogLevel.Error, Message = "The retention sweep failed; trying again")]
    private partial void LogFailed(Exception exception);
}
