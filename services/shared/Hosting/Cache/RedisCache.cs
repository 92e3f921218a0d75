using StackExchange.Redis;

namespace Palimpsest.Hosting;

/// <summary>The distributed cache.</summary>
internal sealed class RedisPlatformCache(RedisConnection redis) : IPlatformCache
{
    private const string Prefix = "palimpsest:";

    public Task<string?> GetAsync(string key, CancellationToken cancellationToken) =>
        redis.TryAsync<string?>(async db => await db.StringGetAsync(Prefix + key), null);

    public Task SetAsync(string key, string value, TimeSpan lifetime, CancellationToken cancellationToken) =>
        redis.TryAsync(db => db.StringSetAsync(Prefix + key, value, lifetime), false);

    public Task RemoveAsync(string key, CancellationToken cancellationToken) => redis.TryAsync(db => db.KeyDeleteAsync(Prefix + key), false);
}

/// <summary>Signals over Redis publish/subscribe; local waiters are served at once, others through the channel.</summary>
internal sealed class RedisSignals(RedisConnection redis) : IAnalysisSignals
{
    private const string ChannelName = "palimpsest:analyses";

    private readonly LocalSignals local = new();
    private int subscribed;

    public void Publish(string analysisId, bool ended)
    {
        local.Publish(analysisId, ended);
        _ = redis.TryAsync(db => db.PublishAsync(ChannelName, $"{analysisId}:{(ended ? 1 : 0)}", CommandFlags.FireAndForget), 0L);
    }

    public AnalysisSubscription Subscribe(string analysisId)
    {
        if (Interlocked.Exchange(ref subscribed, 1) == 0)
        {
            _ = ListenAsync();
        }

        return local.Subscribe(analysisId);
    }

    private async Task ListenAsync()
    {
        bool listening = await redis.TryAsync(
            async _ =>
            {
                var multiplexer = await redis.GetAsync();
                await multiplexer.GetSubscriber().SubscribeAsync(ChannelName, (_, value) => Relay(value!));
                return true;
            },
            false);
        if (!listening)
        {
            // The next waiter tries again; until then waiters look into the database.
            Interlocked.Exchange(ref subscribed, 0);
        }
    }

    private void Relay(string text)
    {
        int colon = text.LastIndexOf(':');
        if (colon > 0 && int.TryParse(text.AsSpan(colon + 1), out int ended))
        {
            local.Publish(text[..colon], ended != 0);
        }
    }
}
