using System.Collections.Concurrent;
using System.Threading.Channels;

namespace Palimpsest.Hosting;

/// <summary>
/// News that an analysis has a new version, for those who wait (SSE, <c>Prefer: wait</c>). A hint only: the database is the truth, and a waiter
/// looks there after <see cref="AnalysisSubscription.Patience"/> in any case, so a lost signal costs no more.
/// </summary>
public interface IAnalysisSignals
{
    /// <summary>Tells everybody, in this process and others. Never throws, never blocks.</summary>
    /// <param name="analysisId">The analysis.</param>
    /// <param name="ended">Its new version is its last.</param>
    void Publish(string analysisId, bool ended);

    /// <summary>Listens to one analysis until disposed.</summary>
    AnalysisSubscription Subscribe(string analysisId);
}

/// <summary>A waiter for one analysis; dispose it.</summary>
public sealed class AnalysisSubscription(Channel<bool> channel, Action<AnalysisSubscription> unsubscribe) : IDisposable
{
    private const double Least = 1, Most = 15; // seconds

    /// <summary>How long to wait for news before a look into the database: a tenth of the wait so far, so that ten thousand who wait for a long queue do not read ten thousand rows a second.</summary>
    /// <param name="waited">Since the last news.</param>
    /// <returns>1 to 15 s.</returns>
    public static TimeSpan Patience(TimeSpan waited) => TimeSpan.FromSeconds(Math.Clamp(waited.TotalSeconds / 10, Least, Most));

    /// <summary>Waits for news or for <paramref name="atMost"/>, whichever is first.</summary>
    /// <param name="atMost">Then the database is worth a look in any case.</param>
    /// <param name="ended">Only the news that it has ended counts.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task WaitAsync(TimeSpan atMost, bool ended, CancellationToken cancellationToken)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(atMost);
        try
        {
            while (!await channel.Reader.ReadAsync(timeout.Token) && ended)
            {
                // One step more.
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // Time is up; the caller looks into the database.
        }
    }

    /// <inheritdoc/>
    public void Dispose() => unsubscribe(this);

    internal void Signal(bool ended) => channel.Writer.TryWrite(ended);
}

/// <summary>Signals within one process; base of the Redis ones.</summary>
internal sealed class LocalSignals : IAnalysisSignals
{
    private readonly ConcurrentDictionary<string, ConcurrentDictionary<AnalysisSubscription, byte>> waiters = new(StringComparer.Ordinal);

    public void Publish(string analysisId, bool ended)
    {
        if (waiters.TryGetValue(analysisId, out var listeners))
        {
            foreach (var listener in listeners.Keys)
            {
                listener.Signal(ended);
            }
        }
    }

    public AnalysisSubscription Subscribe(string analysisId)
    {
        var channel = Channel.CreateBounded<bool>(new BoundedChannelOptions(8) { FullMode = BoundedChannelFullMode.DropOldest });
        var subscription = new AnalysisSubscription(channel, s => Remove(analysisId, s));
        waiters.GetOrAdd(analysisId, _ => new())[subscription] = 0;
        return subscription;
    }

    private void Remove(string analysisId, AnalysisSubscription subscription)
    {
        if (waiters.TryGetValue(analysisId, out var listeners) && listeners.TryRemove(subscription, out _) && listeners.IsEmpty)
        {
            waiters.TryRemove(analysisId, out _);
        }
    }
}
