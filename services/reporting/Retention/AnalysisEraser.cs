using Palimpsest.Hosting;
using Palimpsest.Reporting.Webhooks;

namespace Palimpsest.Reporting;

/// <summary>Erases an analysis: the row says so first, then the blobs go. A crash between the two leaves blobs that the orphan sweep removes.</summary>
internal sealed class AnalysisEraser(
    AnalysisUpdater updater, PlatformDatabase database, IBlobStore blobs, IPlatformCache cache, RenderedImages rendered, NearDuplicates duplicates, DeliveryStore deliveries, StoredAnswers answers,
    BatchEraser batches)
{
    /// <summary>Applies <paramref name="event"/> (<see cref="AnalysisDeleted"/> or <see cref="AnalysisExpired"/>) and removes the bytes.</summary>
    public async Task EraseAsync(AnalysisRecord record, object @event, CancellationToken cancellationToken)
    {
        var after = await updater.ApplyAsync(record.Id, @event, cancellationToken);
        if (after?.ErasedAt is null)
        {
            return;
        }

        // From here on the client is told that it is gone and does not ask again: what is left goes whether it waits for the answer or not.
        cancellationToken = CancellationToken.None;
        if (record.Request.CacheKey is { } key && await cache.GetAsync(key, cancellationToken) == record.Id)
        {
            await cache.RemoveAsync(key, cancellationToken);
        }

        bool deleted = @event is AnalysisDeleted;
        if (deleted)
        {
            // The client wants it gone: nothing more is sent about it, the delivery log keeps no copy of its report, and what a moderator wrote of it goes, too.
            await deliveries.EraseAsync(record.Id, cancellationToken);
            await database.ExecuteAsync("DELETE FROM feedback WHERE analysis_id = @id AND tenant = @tenant", new { id = record.Id, tenant = record.Tenant }, cancellationToken);
        }
        else
        {
            await deliveries.ForgetAsync(record.Id, cancellationToken);
        }

        await answers.EraseAsync(record, deleted, cancellationToken);
        if (record.Request.BatchId is { } batch)
        {
            await batches.EraseAsync(batch, keepMetadata: !deleted && record.Request.ZeroRetention, cancellationToken);
        }

        await duplicates.ForgetAsync(record.Id, cancellationToken);
        rendered.Forget(record.Id);
        await blobs.DeleteAnalysisAsync(record.Id, cancellationToken);
    }
}
