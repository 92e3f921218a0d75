using System.Collections.Concurrent;
using Microsoft.Extensions.Options;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Gateway;

/// <summary>Refuses early and cheaply when too much is promised already: pending analyses of all tenants or of one, or a full blob volume. Looks once a second, and four times a second while it refuses.</summary>
internal sealed class PendingGate(PlatformDatabase database, IBlobStore blobs, TenantLimits limits, IOptions<IntakeOptions> options, TimeProvider time) : IDisposable
{
    /// <summary>By the index of what is pending, which is short: in the order of tenants SQLite would go through all that was ever analysed.</summary>
    internal static readonly string Pending = $"""SELECT {PlatformDatabase.Unindexed("tenant")}, count(*) FROM analyses WHERE stage_due IS NOT NULL GROUP BY 1""";

    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);

    /// <summary>Within a second tiny pictures come and are done by the hundred: what has ended since the last look must not count against anybody.</summary>
    private static readonly TimeSpan FreshEnoughToRefuse = TimeSpan.FromMilliseconds(250);

    /// <summary>With somebody else's look, before refusing.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly SemaphoreSlim looking = new(1, 1);
    private ConcurrentDictionary<string, long> byTenant = new(StringComparer.Ordinal);
    private long pending;
    private long freeBytes = long.MaxValue;
    private long? lookedAt; // a timestamp: the clock may be set back

    /// <summary>Null when there is room for so many more; else 503 overloaded, 503 unavailable when the volume is full, or 429 rate_limited when the tenant has too many in flight.</summary>
    public async Task<ApiException?> RefusalAsync(string tenant, int items, CancellationToken cancellationToken)
    {
        await LookAsync(Fresh, TimeSpan.Zero, cancellationToken);
        if (Refusal(tenant, items) is null)
        {
            return null;
        }

        // Not by the old numbers while somebody else is looking.
        await LookAsync(FreshEnoughToRefuse, Patience, cancellationToken);
        return Refusal(tenant, items);
    }

    /// <exception cref="ApiException">As <see cref="RefusalAsync"/>.</exception>
    public async Task EnsureRoomAsync(string tenant, int items, CancellationToken cancellationToken)
    {
        if (await RefusalAsync(tenant, items, cancellationToken) is { } refusal)
        {
            throw refusal;
        }
    }

    /// <summary>Counts what was accepted since the last look, so that a second's flood is bounded as well.</summary>
    public void Accepted(string tenant, int items)
    {
        Interlocked.Add(ref pending, items);
        byTenant.AddOrUpdate(tenant, items, (_, count) => count + items);
    }

    public void Dispose() => looking.Dispose();

    private ApiException? Refusal(string tenant, int items)
    {
        if (Volatile.Read(ref freeBytes) < options.Value.MinFreeBytes)
        {
            return ApiException.Unavailable(ErrorCodes.Unavailable, "The storage volume is full; nothing was accepted. Try again later.", 30);
        }

        long waiting = Volatile.Read(ref pending);
        return waiting + items > options.Value.MaxPending
            ? ApiException.Unavailable(ErrorCodes.Overloaded, "Too many analyses are waiting; nothing was accepted. Try again later.", (int)Math.Clamp(waiting / 100, 5, 60))
            : limits.TooManyJobs(tenant, byTenant.GetValueOrDefault(tenant), items);
    }

    private bool Looked(TimeSpan within) => lookedAt is { } last && time.GetElapsedTime(last) < within;

    private async Task LookAsync(TimeSpan fresh, TimeSpan patience, CancellationToken cancellationToken)
    {
        if (Looked(fresh) || !await looking.WaitAsync(patience, cancellationToken))
        {
            // Somebody else is looking: the old numbers serve.
            return;
        }

        try
        {
            if (Looked(fresh))
            {
                return;
            }

            var counts = await database.QueryAsync<(string Tenant, long Count)>(Pending, null, cancellationToken);
            byTenant = new(counts.Select(c => KeyValuePair.Create(c.Tenant, c.Count)), StringComparer.Ordinal);
            Volatile.Write(ref pending, counts.Sum(c => c.Count));
            Volatile.Write(ref freeBytes, blobs.AvailableBytes);
            lookedAt = time.GetTimestamp();
        }
        finally
        {
            looking.Release();
        }
    }
}
