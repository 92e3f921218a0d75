using System.Data.Common;
using Dapper;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>Closes a batch, and schedules its webhook, in the transaction that ends its last analysis.</summary>
internal sealed class BatchCompletion(PlatformDatabase database, TimeProvider time, IWebhookScheduler webhooks)
{
    /// <summary>An analysis ended; call it after its row was updated. True when a webhook was scheduled.</summary>
    public Task<bool> EndedAsync(DbTransaction transaction, AnalysisRecord record, CancellationToken cancellationToken) =>
        record.Request.BatchId is { } batch ? TryCloseAsync(transaction, batch, cancellationToken) : Task.FromResult(false);

    private async Task<bool> TryCloseAsync(DbTransaction transaction, string batchId, CancellationToken cancellationToken)
    {
        // The lock puts the two last analyses of a batch one after the other: without it each would see the other as still running.
        string locking = database.IsPostgres ? " FOR UPDATE" : "";
        var row = await transaction.Connection!.QueryFirstOrDefaultAsync<BatchRow>(
            new CommandDefinition($"{BatchRow.Select} WHERE id = @batchId{locking}", new { batchId }, transaction, cancellationToken: cancellationToken));
        if (row?.Open() is not { CompletedAt: null } batch)
        {
            return false;
        }

        var rows = (await transaction.Connection!.QueryAsync<(string Status, string? Verdict, long Count)>(new CommandDefinition(
            "SELECT status, verdict, count(*) FROM analyses WHERE batch_id = @batchId GROUP BY status, verdict", new { batchId }, transaction, cancellationToken: cancellationToken))).AsList();
        long there = rows.Sum(r => r.Count) + batch.Rejected.Count;
        if (there < batch.Total || rows.Any(r => !AnalysisStatuses.IsTerminal(r.Status)))
        {
            return false;
        }

        var now = time.GetUtcNow();
        await transaction.Connection!.ExecuteAsync(new CommandDefinition(
            "UPDATE batches SET completed_at = @at WHERE id = @batchId", new { batchId, at = now.ToUnixTimeMilliseconds() }, transaction, cancellationToken: cancellationToken));
        return await webhooks.ScheduleBatchAsync(transaction, batch.Finish(now, rows), cancellationToken);
    }
}
