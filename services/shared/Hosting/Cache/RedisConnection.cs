using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Palimpsest.Hosting;

/// <summary>
/// One multiplexer, connected in the background: Redis may be down at start and go away at any time. Uses only API that StackExchange.Redis 1.2 and 2.x share.
/// </summary>
public sealed partial class RedisConnection : IDisposable
{
    // Asynchronous commands of this client have no timeout of their own: a connection that is open and silent would hold its callers for as long as it stays so.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly Lazy<Task<ConnectionMultiplexer>> connection;
    private readonly ILogger<RedisConnection> log;

    /// <summary>Connects on first use.</summary>
    public RedisConnection(PlatformSettings settings, ILogger<RedisConnection> log)
    {
        ArgumentNullException.ThrowIfNull(settings);
        this.log = log;
        connection = new Lazy<Task<ConnectionMultiplexer>>(() => ConnectAsync(settings.Redis ?? throw new InvalidOperationException("REDIS_URL is not set.")));
    }

    /// <summary>True while connected.</summary>
    public bool IsConnected => connection.IsValueCreated && connection.Value.IsCompletedSuccessfully && Multiplexer(connection.Value).IsConnected;

    /// <summary>The multiplexer; connects when it is not yet.</summary>
    public Task<ConnectionMultiplexer> GetAsync() => connection.Value;

    /// <summary>Runs a command; answers <paramref name="fallback"/> when Redis is away or silent.</summary>
    public async Task<T> TryAsync<T>(Func<IDatabase, Task<T>> command, T fallback)
    {
        ArgumentNullException.ThrowIfNull(command);
        try
        {
            var multiplexer = await connection.Value.WaitAsync(Patience);
            // A disconnected multiplexer would make every caller wait for its timeout.
            return multiplexer.IsConnected ? await command(multiplexer.GetDatabase()).WaitAsync(Patience) : fallback;
        }
        catch (Exception e) when (e is RedisException or TimeoutException or ObjectDisposedException)
        {
            LogAway(e.Message);
            return fallback;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (connection.IsValueCreated && connection.Value.IsCompletedSuccessfully)
        {
            Multiplexer(connection.Value).Dispose();
        }
    }

    private static ConnectionMultiplexer Multiplexer(Task<ConnectionMultiplexer> completed) => completed.GetAwaiter().GetResult();

    private static Task<ConnectionMultiplexer> ConnectAsync(Uri url)
    {
        string password = url.UserInfo.Split(':', 2) is [_, var secret] ? Uri.UnescapeDataString(secret) : "";
        var options = new ConfigurationOptions
        {
            AbortOnConnectFail = false, ConnectTimeout = 2_000, SyncTimeout = 1_000, ResponseTimeout = 1_000, KeepAlive = 10,
            Password = password.Length > 0 ? password : null,
        };
        options.EndPoints.Add(url.Host, url.Port > 0 ? url.Port : 6379);
        return ConnectionMultiplexer.ConnectAsync(options);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Redis does not answer; going on without the cache: {Reason}")]
    private partial void LogAway(string reason);
}
