using Microsoft.Extensions.Options;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Gateway;

/// <summary>Refuses early and cheaply when too much is promised already: pending analyses of all tenants, or a full blob volume. Looks at most once a second.</summary>
internal sealed class PendingGate(IAnalysisStore analyses, PlatformSettings settings, IOptions<IntakeOptions> options, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);

    private readonly SemaphoreSlim looking = new(1, 1);
    private long pending;
    private long freeBytes = long.MaxValue;
    private DateTimeOffset lookedAt = DateTimeOffset.MinValue;

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
    public void Accepted(int items) => Interlocked.Add(ref pending, items);

    public void Dispose() => looking.Dispose();

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        if (time.GetUtcNow() - lookedAt < Fresh || !await looking.WaitAsync(TimeSpan.Zero, cancellationToken))
        {
            // Somebody else is looking: the old numbers serve.
            return;
        }

        try
        {
            Volatile.Write(ref pending, await analyses.PendingAsync(cancellationToken));
            Volatile.Write(ref freeBytes, new DriveInfo(settings.DataDirectory).AvailableFreeSpace);
            lookedAt = time.GetUtcNow();
        }
        finally
        {
            looking.Release();
        }
    }
}
