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
        var server = ServerUrl.Of(url);
        var options = new ConfigurationOptions
        {
            AbortOnConnectFail = false, ConnectTimeout = 2_000, SyncTimeout = 1_000, ResponseTimeout = 1_000, KeepAlive = 10,
            Password = server.Password is { Length: > 0 } password ? password : null, Ssl = url.Scheme == "rediss", SslHost = server.Host,
        };
        options.EndPoints.Add(server.Host, server.Port);
        return ConnectionMultiplexer.ConnectAsync(options);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Redis does not answer; going on without the cache: {Reason}")]
    private partial void LogAway(string reason);
}
