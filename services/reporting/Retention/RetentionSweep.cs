using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>
/// Erases what has been kept long enough: by default at <c>ExpiresAt</c>; with <c>retention: zero</c> as soon as the result is delivered (by a webhook, or to a client that asked)
/// or delivery was given up, and after a grace when nobody asks. Also removes blobs that no analysis speaks of, and the records of what was erased long ago.
/// </summary>
internal sealed partial class RetentionSweep(
    PlatformDatabase database, IAnalysisStore store, IBlobStore blobs, AnalysisEraser eraser, ReportingOptions options, TimeProvider time, ILogger<RetentionSweep> log) : BackgroundService
{
    private const int Group = 200;
    private const int Shares = 24; // one for each hour of the day
    private const int Few = 10_000;

    private static readonly TimeSpan Hourly = TimeSpan.FromHours(1);

    // Only the last day is read.
    private static readonly TimeSpan DetectorsKept = TimeSpan.FromDays(2);

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
                    // Not a change that a client could see: the version stays. Unless the client has just been given it, which is sooner.
                    await database.ExecuteAsync(
                        "UPDATE analyses SET expires_at = @later WHERE id = @id AND expires_at = @seen",
                        new { id = record.Id, later = later.ToUnixTimeMilliseconds(), seen = record.ExpiresAt.ToUnixTimeMilliseconds() }, cancellationToken);
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

    /// <summary>
    /// Removes blobs of analyses that do not exist (uploads never accepted) or are erased (work that finished late), and files that a killed process had begun. While many analyses are kept,
    /// it looks at this hour's share of them: at all within a day.
    /// </summary>
    /// <returns>Of how many analyses.</returns>
    public async Task<int> RemoveOrphansAsync(CancellationToken cancellationToken)
    {
        int removed = 0;
        var now = time.GetUtcNow();
        var before = now.AddHours(-options.OrphanHours);
        // The hour is the clock's: a process that is restarted knows which share is next.
        var (share, shares) = await AreFewAsync(cancellationToken) ? (0, 1) : (now.UtcDateTime.Hour, Shares);
        var group = new List<string>(Group);
        await foreach (string id in blobs.AnalysesOlderThanAsync(before, share, shares, cancellationToken))
        {
            group.Add(id);
            if (group.Count == Group)
            {
                removed += await RemoveOrphansAsync(group, cancellationToken);
                group.Clear();
            }
        }

        removed += await RemoveOrphansAsync(group, cancellationToken);
        await blobs.RemoveTemporaryAsync(before, cancellationToken);
        return removed;
    }

    /// <summary>Removes what is left of analyses that were erased long ago.</summary>
    /// <returns>How many records.</returns>
    public async Task<int> RemoveRecordsAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        long before = now.AddDays(-options.RecordDays).ToUnixTimeMilliseconds();
        int removed = 0;
        while (true)
        {
            var ids = await database.QueryAsync<string>("SELECT id FROM analyses WHERE erased_at < @before ORDER BY erased_at LIMIT @limit", new { before, limit = Group }, cancellationToken);
            if (ids.Count == 0)
            {
                break;
            }

            string[] gone = [.. ids];
            await database.ExecuteAsync($"DELETE FROM feedback WHERE {database.IsOneOf("analysis_id", "gone")}", new { gone }, cancellationToken);
            removed += await database.ExecuteAsync($"DELETE FROM analyses WHERE {database.IsOneOf("id", "gone")}", new { gone }, cancellationToken);
        }

        await database.ExecuteAsync("DELETE FROM batches WHERE completed_at < @before AND NOT EXISTS (SELECT 1 FROM analyses WHERE batch_id = batches.id)", new { before }, cancellationToken);
        await database.ExecuteAsync("DELETE FROM detectors WHERE seen_at < @unseen", new { unseen = (now - DetectorsKept).ToUnixTimeMilliseconds() }, cancellationToken);
        return removed;
    }

    /// <summary>Erasure is often due within a minute of the result, and looking at folders can take long where they are many: neither waits for the other.</summary>
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(
        RepeatAsync(TimeSpan.FromSeconds(options.RetentionSweepSeconds), EraseAsync, stoppingToken),
        RepeatAsync(Hourly, RemoveOrphansAsync, stoppingToken),
        RepeatAsync(Hourly, RemoveRecordsAsync, stoppingToken));

    private async Task RepeatAsync(TimeSpan period, Func<CancellationToken, Task> sweep, CancellationToken stoppingToken)
    {
        // From start to start: the time that a sweep takes must not move the next one past an hour of the day.
        using var timer = new PeriodicTimer(period, time);
        do
        {
            try
            {
                await sweep(stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                LogFailed(e);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    private async Task<bool> AreFewAsync(CancellationToken cancellationToken) =>
        await database.QueryFirstAsync<long>("SELECT count(*) FROM (SELECT 1 FROM analyses WHERE erased_at IS NULL LIMIT @limit) k", new { limit = Few + 1 }, cancellationToken) <= Few;

    private async Task<int> RemoveOrphansAsync(List<string> ids, CancellationToken cancellationToken)
    {
        var known = (await database.QueryAsync<Kept>($"""SELECT id AS "Id", status AS "Status", erased_at AS "ErasedAt" FROM analyses WHERE {database.IsOneOf("id", "ids")}""", new { ids = ids.ToArray() }, cancellationToken))
            .ToDictionary(k => k.Id, StringComparer.Ordinal);
        int removed = 0;
        foreach (string id in ids)
        {
            if (known.TryGetValue(id, out var record) && record.ErasedAt is null)
            {
                if (AnalysisStatuses.IsTerminal(record.Status))
                {
                    // A process that died between the report and the tidying; with the in-memory transport no message comes again to remind of it.
                    await blobs.DeleteAsync(BlobKeys.Prepared(id), cancellationToken);
                }

                continue;
            }

            await blobs.DeleteAnalysisAsync(id, cancellationToken);
            LogOrphan(id);
            removed++;
        }

        return removed;
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
            // Later than its end: that grace is over, or the client has been given the result.
            { Total: 0 } when record.ExpiresAt != completed => null,
            { Total: 0 } => completed.AddMinutes(options.ZeroRetentionGraceMinutes),
            { Pending: > 0 } => now.AddSeconds(options.RetentionSweepSeconds),
            { Delivered: { } at } => DateTimeOffset.FromUnixTimeMilliseconds(at).AddSeconds(options.ZeroRetentionFetchSeconds),
            _ => null,
        };
        return until > now ? until : null;
    }

    private sealed class Kept
    {
        public string Id { get; set; } = "";

        public string Status { get; set; } = "";

        public long? ErasedAt { get; set; }
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
