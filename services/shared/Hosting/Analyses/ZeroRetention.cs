using System.Data.Common;
using Microsoft.Extensions.Configuration;
using Palimpsest.Contracts;

namespace Palimpsest.Hosting;

/// <summary>
/// <c>retention: zero</c>: a finished analysis that its client has been given counts as delivered, as one that a webhook brought. Gateway (<c>Prefer: wait</c>) and reporting give it.
/// </summary>
public sealed class ZeroRetention(PlatformDatabase database, IConfiguration configuration, TimeProvider time)
{
    /// <summary>Default of <c>Reporting:ZeroRetentionFetchSeconds</c>.</summary>
    public const double FetchSeconds = 30;

    private readonly double fetchSeconds = configuration.GetValue("Reporting:ZeroRetentionFetchSeconds", FetchSeconds);

    /// <summary>The client has the document: from now on it may fetch the pictures for as long as after a webhook. Only ever brings the erasure forward.</summary>
    public async Task DeliveredAsync(AnalysisRecord record, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(record);
        if (record is not { Request.ZeroRetention: true, ErasedAt: null, CompletedAt: { } completed } || !AnalysisStatuses.IsTerminal(record.Status))
        {
            return;
        }

        var until = time.GetUtcNow().AddSeconds(fetchSeconds);
        if (record.ExpiresAt != completed && record.ExpiresAt <= until)
        {
            return; // soon enough: asking again writes nothing
        }

        try
        {
            // Expiring when it ended: the sweep has not looked yet, and would give it the grace of one that nobody fetches.
            await database.ExecuteAsync(
                "UPDATE analyses SET expires_at = @until WHERE id = @id AND erased_at IS NULL AND (expires_at > @until OR expires_at = completed_at)",
                new { id = record.Id, until = Math.Max(until.ToUnixTimeMilliseconds(), completed.ToUnixTimeMilliseconds() + 1) }, cancellationToken);
        }
        catch (Exception e) when (e is DbException or TimeoutException)
        {
            // The answer matters more; the grace ends by itself.
        }
    }
}
