using System.Text.Json;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>What a batch itself says of its client goes with the last of its analyses; counts and reasons stay.</summary>
internal sealed class BatchEraser(PlatformDatabase database)
{
    // Closed: its webhook is scheduled by what is removed here.
    private const string Over = BatchRow.Select + """
         WHERE id = @id AND completed_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM analyses WHERE batch_id = @id AND erased_at IS NULL)
        """;

    // By the words of webhook_deliveries_once.
    private const string Deliveries = """
        UPDATE webhook_deliveries SET body = '' WHERE event = 'batch.completed' AND COALESCE(analysis_id, '') = '' AND COALESCE(batch_id, '') = @id
            AND (analysis_id IS NOT NULL OR batch_id IS NOT NULL) AND state <> 'pending' AND body <> ''
        """;

    /// <summary>An analysis of it was erased.</summary>
    /// <param name="id">The batch.</param>
    /// <param name="keepMetadata">Leave the metadata, as the analyses do.</param>
    /// <param name="cancellationToken">Stops.</param>
    public async Task EraseAsync(string id, bool keepMetadata, CancellationToken cancellationToken)
    {
        if ((await database.QueryFirstAsync<BatchRow>(Over, new { id }, cancellationToken))?.Open() is not { } batch)
        {
            return;
        }

        string rejected = JsonSerializer.Serialize(batch.Rejected.Select(r => r with { Filename = null, Url = null }), PlatformJson.Options);
        await database.ExecuteAsync(
            $"UPDATE batches SET callback_url = NULL, rejected = @rejected{(keepMetadata ? "" : ", metadata = NULL")} WHERE id = @id", new { id, rejected }, cancellationToken);
        await database.ExecuteAsync(Deliveries, new { id }, cancellationToken);
    }
}
