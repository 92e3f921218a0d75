using System.Data.Common;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Gateway;

/// <summary>A key held by one request; renewed while it lives, given back when it ends without an answer worth keeping.</summary>
internal sealed class IdempotencyReservation : IAsyncDisposable
{
    private readonly IdempotencyStore store;
    private readonly ITimer? renewal;
    private bool completed;

    public IdempotencyReservation(IdempotencyStore store, string tenant, string key, string owner, StoredAnswer? stored)
    {
        (this.store, Tenant, Key, Owner, Stored) = (store, tenant, key, owner, stored);
        var period = IdempotencyStore.InFlight / 3;
        renewal = stored is null ? store.Time.CreateTimer(_ => _ = RenewAsync(), null, period, period) : null;
    }

    public string Tenant { get; }

    public string Key { get; }

    public string Owner { get; }

    /// <summary>What the first request with this key was answered; null when this is the first.</summary>
    public StoredAnswer? Stored { get; }

    /// <summary>The stored answer, if it was to this very request.</summary>
    /// <exception cref="ApiException">422: the key was used with another request.</exception>
    public StoredAnswer? Replay(string requestHash) => Stored switch
    {
        null => null,
        { } answer when answer.RequestHash == requestHash => answer,
        _ => throw new ApiException(422, ErrorCodes.IdempotencyMismatch, "This Idempotency-Key was used with another request. Use a new key for a new request."),
    };

    /// <summary>Keeps the answer within the accepting transaction.</summary>
    public Task CompleteAsync(DbTransaction transaction, StoredAnswer answer, CancellationToken cancellationToken) => store.CompleteAsync(transaction, this, answer, cancellationToken);

    /// <summary>The transaction is committed: the key is not to be given back.</summary>
    public void Committed() => completed = true;

    public async ValueTask DisposeAsync()
    {
        if (renewal is null)
        {
            return;
        }

        await renewal.DisposeAsync();
        if (!completed)
        {
            await TryAsync(store.ReleaseAsync);
        }
    }

    private Task RenewAsync() => TryAsync(store.RenewAsync);

    private async Task TryAsync(Func<IdempotencyReservation, Task> action)
    {
        try
        {
            await action(this);
        }
        catch (Exception e) when (e is DbException or TimeoutException)
        {
            // The database is away: the reservation runs out by itself.
        }
    }
}
