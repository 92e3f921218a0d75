using System.Collections.Concurrent;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>So many at once, and so many of them for one tenant: whoever asks for much waits behind himself, and others pass.</summary>
/// <param name="atOnce">Of all tenants.</param>
/// <param name="ofOneTenant">Of each.</param>
/// <param name="patience">How long one waits for its tenant's share, and then for a place.</param>
/// <param name="refusal">What is said to those whose turn does not come.</param>
internal sealed class Turns(int atOnce, int ofOneTenant, TimeSpan patience, string refusal) : IDisposable
{
    private const int RetryAfterSeconds = 5;

    private readonly SemaphoreSlim all = new(atOnce);
    private readonly ConcurrentDictionary<string, SemaphoreSlim> shares = new(StringComparer.Ordinal);

    /// <summary>Waits for a turn; it ends when it is disposed.</summary>
    /// <exception cref="ApiException">503 overloaded.</exception>
    public async Task<IDisposable> TakeAsync(string tenant, CancellationToken cancellationToken)
    {
        var share = shares.GetOrAdd(tenant, _ => new SemaphoreSlim(ofOneTenant));
        await EnterAsync(share, cancellationToken);
        bool taken = false;
        try
        {
            await EnterAsync(all, cancellationToken);
            taken = true;
            return new Turn(all, share);
        }
        finally
        {
            if (!taken)
            {
                share.Release();
            }
        }
    }

    public void Dispose() => all.Dispose();

    private async Task EnterAsync(SemaphoreSlim gate, CancellationToken cancellationToken)
    {
        if (!await gate.WaitAsync(patience, cancellationToken))
        {
            throw ApiException.Unavailable(ErrorCodes.Overloaded, refusal, RetryAfterSeconds);
        }
    }

    private sealed class Turn(SemaphoreSlim all, SemaphoreSlim share) : IDisposable
    {
        public void Dispose()
        {
            all.Release();
            share.Release();
        }
    }
}
