using System.Collections.Concurrent;
using System.Threading.Channels;

namespace Palimpsest.Hosting;

/// <summary>
/// News that an analysis has a new version, for those who wait (SSE, <c>Prefer: wait</c>). A hint only: the database is the truth, and a waiter
/// looks there every second in any case, so a lost signal costs a second.
/// </summary>
public interface IAnalysisSignals
{
    /// <summary>Tells everybody, in this process and others. Never throws, never blocks.</summary>
    void Publish(string analysisId, int version);

    /// <summary>Listens to one analysis until disposed.</summary>
    AnalysisSubscription Subscribe(string analysisId);
}

/// <summary>A waiter for one analysis; dispose it.</summary>
public sealed class AnalysisSubscription(Channel<int> channel, Action<AnalysisSubscription> unsubscribe) : IDisposable
{
    /// <summary>Latest versions; older ones are dropped when not read in time.</summary>
    public ChannelReader<int> Versions => channel.Reader;

    /// <summary>Waits for news or for <paramref name="atMost"/>, whichever is first.</summary>
    public async Task WaitAsync(TimeSpan atMost, CancellationToken cancellationToken)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(atMost);
        try
        {
            await channel.Reader.ReadAsync(timeout.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // Time is up; the caller looks into the database.
        }
    }

    /// <inheritdoc/>
    public void Dispose() => unsubscribe(this);

    internal void Signal(int version) => channel.Writer.TryWrite(version);
}

/// <summary>Signals within one process; base of the Redis ones.</summary>
internal sealed class LocalSignals : IAnalysisSignals
{
    private readonly ConcurrentDictionary<string, ConcurrentDictionary<AnalysisSubscription, byte>> waiters = new(StringComparer.Ordinal);

    public void Publish(string analysisId, int version)
    {
        if (waiters.TryGetValue(analysisId, out var listeners))
        {
            foreach (var listener in listeners.Keys)
            {
                listener.Signal(version);
            }
        }
    }

    public AnalysisSubscription Subscribe(string analysisId)
    {
        var channel = Channel.CreateBounded<int>(new BoundedChannelOptions(8) { FullMode = BoundedChannelFullMode.DropOldest });
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
