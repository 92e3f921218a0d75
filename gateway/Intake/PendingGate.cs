using System.Collections.Concurrent;
using Microsoft.Extensions.Options;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Gateway;

/// <summary>Refuses early and cheaply when too much is promised already: pending analyses of all tenants, or a full blob volume. Looks at most once a second.</summary>
internal sealed class PendingGate(PlatformDatabase database, IBlobStore blobs, IOptions<IntakeOptions> options, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);

    private readonly SemaphoreSlim looking = new(1, 1);
    private ConcurrentDictionary<string, long> byTenant = new(StringComparer.Ordinal);
    private long pending;
    private long freeBytes = long.MaxValue;
    private long? lookedAt; // a timestamp: the clock may be set back

    /// <exception cref="ApiException">503 overloaded, or 503 unavailable when the volume is full.</exception>
    public async Task EnsureRoomAsync(int items, CancellationToken cancellationToken)
    {
        await LookAsync(cancellationToken);
        if (Volatile.Read(ref freeBytes) < options.Value.MinFreeBytes)
        {
            throw ApiException.Unavailable(ErrorCodes.Unavailable, "The storage volume is full; nothing was accepted. Try again later.", 30);
        }

        long waiting = Volatile.Read(ref pending);
        if (waiting + items > options.Value.MaxPending)
        {
            throw ApiException.Unavailable(ErrorCodes.Overloaded, "Too many analyses are waiting; nothing was accepted. Try again later.", (int)Math.Clamp(waiting / 100, 5, 60));
        }
    }

    /// <summary>Counts what was accepted since the last look, so that a second's flood is bounded as well.</summary>
    public void Accepted(string tenant, int items)
    {
        Interlocked.Add(ref pending, items);
        byTenant.AddOrUpdate(tenant, items, (_, count) => count + items);
    }

    /// <summary>The tenant's analyses that are accepted and not finished, at most a second old.</summary>
    public long InFlight(string tenant) => byTenant.GetValueOrDefault(tenant);

    public void Dispose() => looking.Dispose();

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        if ((lookedAt is { } last && time.GetElapsedTime(last) < Fresh) || !await looking.WaitAsync(TimeSpan.Zero, cancellationToken))
        {
            // Somebody else is looking: the old numbers serve.
            return;
        }

        try
        {
            var counts = await database.QueryAsync<(string Tenant, long Count)>(
                "SELECT tenant, count(*) FROM analyses WHERE stage_due IS NOT NULL GROUP BY tenant", null, cancellationToken);
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
