using System.Globalization;

namespace Palimpsest.Malformed;

/// <summary>Resident memory of a process and all below it, watched ten times a second (Linux /proc).</summary>
internal sealed class TreeMemory : IAsyncDisposable
{
    private readonly CancellationTokenSource stopping = new();
    private readonly Task watching;

    public TreeMemory(Func<int?> root) => watching = WatchAsync(root);

    /// <summary>Highest sum seen, bytes.</summary>
    public long PeakBytes { get; private set; }

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        await watching;
        stopping.Dispose();
    }

    private async Task WatchAsync(Func<int?> root)
    {
        while (!stopping.IsCancellationRequested)
        {
            if (root() is { } process)
            {
                PeakBytes = Math.Max(PeakBytes, Resident(process));
            }

            await Task.Delay(100, stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static long Resident(int process)
    {
        try
        {
            long own = File.ReadLines($"/proc/{process}/status").Where(l => l.StartsWith("VmRSS:", StringComparison.Ordinal))
                .Sum(l => long.Parse(l.AsSpan(6).TrimEnd("kB ").Trim(), CultureInfo.InvariantCulture) * 1024);
            return own + Directory.EnumerateDirectories($"/proc/{process}/task")
                .SelectMany(thread => File.ReadAllText(Path.Combine(thread, "children")).Split(' ', StringSplitOptions.RemoveEmptyEntries))
                .Sum(child => Resident(int.Parse(child, CultureInfo.InvariantCulture)));
        }
        catch (IOException)
        {
            return 0; // ended meanwhile
        }
    }
}
