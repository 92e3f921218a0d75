using System.Collections.Concurrent;
using Microsoft.Extensions.Options;
using Palimpsest.Hosting;

namespace Palimpsest.Preprocessing;

/// <summary>
/// Keeps this process only so far ahead of the localizers, and off a volume that is nearly full. Decoding is ten times as fast as they are: a long queue decoded in one go would fill the blob volume and take the processors from those
/// who work it off. A prepared image counts until its blob is gone, which is when its analysis has ended; who removes it need not know of this.
/// </summary>
internal sealed class PreparedAhead(IBlobStore blobs, IOptions<PreprocessingOptions> options, TimeProvider time, IHostApplicationLifetime host)
{
    /// <summary>Between two looks while there is no room.</summary>
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);

    /// <summary>A blob that is still there after this long is not counted any more: a killed process has left it behind, and the retention sweep will see to it.</summary>
    private static readonly TimeSpan Forgotten = TimeSpan.FromHours(8);

    private readonly ConcurrentDictionary<string, long> waiting = new(StringComparer.Ordinal);

    /// <summary>Prepared here, and not known to be worked off.</summary>
    public int Count => waiting.Count;

    private bool IsRoom => Count < options.Value.MaxAhead && blobs.AvailableBytes >= options.Value.MinFreeBytes;

    /// <summary>Counts a prepared image.</summary>
    public void Add(string key) => waiting[key] = time.GetTimestamp();

    /// <summary>Returns when there is room for this one, when that has taken too long, or when the process is to stop: then the picture is prepared all the same.</summary>
    public async Task WaitForRoomAsync(string key, CancellationToken cancellationToken)
    {
        if (IsRoom || waiting.ContainsKey(key))
        {
            return;
        }

        long since = time.GetTimestamp();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, host.ApplicationStopping);
        await LookAsync(cancellationToken);
        while (!IsRoom && time.GetElapsedTime(since).TotalSeconds < options.Value.MaxHoldSeconds && !stop.IsCancellationRequested)
        {
            await Task.Delay(Interval, time, stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await LookAsync(cancellationToken);
        }

        PreprocessingMetrics.Held(time.GetElapsedTime(since));
    }

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        foreach (var (key, since) in waiting)
        {
            if (time.GetElapsedTime(since) >= Forgotten || !await blobs.ExistsAsync(key, cancellationToken))
            {
                waiting.TryRemove(key, out _);
            }
        }
    }
}
