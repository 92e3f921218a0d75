using System.Collections.Concurrent;
using Microsoft.Extensions.Options;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Gateway;

/// <summary>
/// Each tenant's requests that are open in this process. The rate does not see how long a request lasts: one that sends or reads slowly holds buffers and, behind us, whole pictures for minutes.
/// Those that only wait for an analysis hold next to nothing and may rightly be many; they are counted apart.
/// </summary>
internal sealed class OpenRequests(IOptions<LimitsOptions> options)
{
    private readonly ConcurrentDictionary<string, Places> tenants = new(StringComparer.Ordinal);

    /// <summary>Counts a request until it is disposed.</summary>
    /// <param name="tenant">Whose.</param>
    /// <param name="waits">It is one that only waits.</param>
    /// <exception cref="ApiException">429 rate_limited.</exception>
    public OpenRequest Open(string tenant, bool waits)
    {
        var quota = options.Value.For(tenant);
        var places = tenants.GetOrAdd(tenant, _ => new Places(new SemaphoreSlim(quota.OpenRequests), new SemaphoreSlim(quota.OpenWaits)));
        var open = new OpenRequest(places.Requests, places.Waits);
        if (waits ? open.TryWait() : open.TryStart())
        {
            return open;
        }

        throw new ApiException(429, ErrorCodes.RateLimited, waits
            ? $"{quota.OpenWaits:N0} of your requests wait for an analysis already. Follow fewer at once, ask for the analysis now and then, or let a webhook tell you."
            : $"{quota.OpenRequests:N0} of your requests are open already. Have fewer at once: send the next when one is answered.") { RetryAfterSeconds = 1 };
    }

    private sealed record Places(SemaphoreSlim Requests, SemaphoreSlim Waits);
}

/// <summary>One of them, a feature of its request.</summary>
internal sealed class OpenRequest(SemaphoreSlim requests, SemaphoreSlim waits) : IDisposable
{
    private SemaphoreSlim? held;

    /// <summary>Takes a place among the requests; false when there is none.</summary>
    public bool TryStart() => TryMove(requests);

    /// <summary>From now on it only waits; false when there is no place among those that do, then it stays what it was.</summary>
    public bool TryWait() => TryMove(waits);

    public void Dispose()
    {
        held?.Release();
        held = null;
    }

    private bool TryMove(SemaphoreSlim to)
    {
        if (!to.Wait(0))
        {
            return false;
        }

        Dispose();
        held = to;
        return true;
    }
}
