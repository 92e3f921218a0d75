using System.Net;
using Palimpsest.Local.Servers;

namespace Palimpsest.Local.Distributed;

/// <summary>One service of the distributed mode: started, watched, started again when it dies, stopped by its own process id.</summary>
internal sealed class ServiceProcess(string name, string assembly, IReadOnlyDictionary<string, string?> environment, Uri address, string logFolder, TimeProvider time) : IAsyncDisposable
{
    private const int Kill = 9;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(50);
    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(500), Longest = TimeSpan.FromSeconds(30);
    private readonly HttpClient http = new() { Timeout = TimeSpan.FromSeconds(5) };
    private readonly CancellationTokenSource stopping = new();
    private ChildProcess? child;
    private Task watching = Task.CompletedTask;

    public string Name => name;

    public Uri Address => address;

    /// <summary>Of the running process; changes after a restart.</summary>
    public int Id => child?.Id ?? 0;

    /// <summary>How often it died and was started again.</summary>
    public int Restarts { get; private set; }

    public void Start()
    {
        child = Spawn();
        watching = WatchAsync();
    }

    /// <summary>Waits until <c>/health/ready</c> says yes.</summary>
    /// <param name="acceptable">Also satisfied by these failing checks (a localizer without a model still serves its health).</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <exception cref="LocalServerException">It does not become ready.</exception>
    public async Task WaitUntilReadyAsync(Func<string, bool> acceptable, CancellationToken cancellationToken)
    {
        string last = "no answer";
        long start = time.GetTimestamp();
        while (time.GetElapsedTime(start) < TimeSpan.FromSeconds(120))
        {
            try
            {
                using var answer = await http.GetAsync(new Uri(address, "/health/ready"), cancellationToken);
                last = await answer.Content.ReadAsStringAsync(cancellationToken);
                if (answer.StatusCode == HttpStatusCode.OK || acceptable(last))
                {
                    return;
                }
            }
            catch (Exception e) when (e is HttpRequestException or TaskCanceledException && !cancellationToken.IsCancellationRequested)
            {
                last = e.Message;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(200), time, cancellationToken);
        }

        throw new LocalServerException($"{name} is not ready after two minutes ({last}); its log is {LogPath}.");
    }

    private async Task StopAsync()
    {
        if (!stopping.IsCancellationRequested)
        {
            await stopping.CancelAsync();
            await watching;
            if (child is not null)
            {
                await child.StopAsync(Patience);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        http.Dispose();
        stopping.Dispose();
    }

    private string LogPath => Path.Combine(logFolder, $"{name}-{address.Port}.log");

    private ChildProcess Spawn() => ChildProcess.Start(name, [Environment.ProcessPath is { } host && Path.GetFileNameWithoutExtension(host) == "dotnet" ? host : "dotnet", assembly], environment, LogPath);

    private async Task WatchAsync()
    {
        var pause = Shortest;
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                long started = time.GetTimestamp();
                await child!.WaitForExitAsync(stopping.Token);
                // One that dies by itself at once is not started in a tight loop. One that was killed does nothing wrong: however often that happens, it comes back at once.
                bool killed = child.ExitCode == 128 + Kill;
                pause = killed || time.GetElapsedTime(started) > TimeSpan.FromSeconds(30) ? Shortest : TimeSpan.FromTicks(Math.Min(pause.Ticks * 2, Longest.Ticks));
                await Console.Error.WriteLineAsync($"{name} ended (exit code {child.ExitCode}); starting it again");
                await Task.Delay(pause, time, stopping.Token);
                Restarts++;
                child = Spawn();
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }
}
