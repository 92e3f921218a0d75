namespace Palimpsest.Local.Servers;

/// <summary>Redis from Debian's package; a cache, so nothing is written to disk.</summary>
internal sealed class RedisServer(string folder) : ILocalServer
{
    private const string Program = "/usr/bin/redis-server";

    private readonly int port = ChildProcess.FreePort();
    private ChildProcess? server;

    /// <summary>The package is on this machine.</summary>
    public static bool IsInstalled => File.Exists(Program);

    public Uri Url => new($"redis://127.0.0.1:{port}");

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        string program = ServerPrograms.Find("redis-server", "REDIS_URL", Program);
        string log = Path.Combine(folder, "redis.log");
        Directory.CreateDirectory(folder);
        server = ChildProcess.Start(
            "redis-server", [program, "--port", $"{port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru", "--dir", folder],
            new Dictionary<string, string?>(StringComparer.Ordinal), log);
        await ServerPrograms.WaitAsync(server, log, () => ServerPrograms.GreetsAsync(port, "PING\r\n"u8.ToArray(), (byte)'+'), cancellationToken);
    }

    public async Task StopAsync()
    {
        if (server is not null)
        {
            await server.StopAsync(TimeSpan.FromSeconds(10));
            server = null;
        }
    }

    public Task KillAsync() => server?.KillAsync() ?? Task.CompletedTask;

    public async ValueTask DisposeAsync() => await StopAsync();
}
