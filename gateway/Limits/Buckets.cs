using System.Collections.Concurrent;
using System.Globalization;
using Palimpsest.Hosting;
using StackExchange.Redis;

namespace Palimpsest.Gateway;

/// <summary>A draw on one token bucket: how much it holds, how fast it fills, how much is wanted.</summary>
/// <param name="Key">Names the bucket.</param>
/// <param name="Capacity">Tokens when full.</param>
/// <param name="PerSecond">Tokens a second.</param>
/// <param name="Cost">Tokens wanted.</param>
internal readonly record struct Draw(string Key, double Capacity, double PerSecond, double Cost);

/// <summary>What came of it.</summary>
/// <param name="Allowed">All draws were made; otherwise none was.</param>
/// <param name="Wait">Until all could be made.</param>
/// <param name="Levels">Tokens left in each bucket.</param>
internal readonly record struct DrawResult(bool Allowed, TimeSpan Wait, double[] Levels);

/// <summary>Token buckets: all draws of one call are made, or none.</summary>
internal interface IBuckets
{
    /// <param name="draws">One for each bucket.</param>
    /// <param name="owed">The cost has arisen already: take it even into debt, which later calls wait for.</param>
    ValueTask<DrawResult> DrawAsync(IReadOnlyList<Draw> draws, bool owed);
}

/// <summary>Buckets of this process alone.</summary>
internal sealed class LocalBuckets(TimeProvider time) : IBuckets
{
    private const int Most = 100_000;

    private readonly ConcurrentDictionary<string, Bucket> buckets = new(StringComparer.Ordinal);
    private readonly Lock gate = new();

    public ValueTask<DrawResult> DrawAsync(IReadOnlyList<Draw> draws, bool owed)
    {
        long now = time.GetTimestamp();
        double[] levels = new double[draws.Count];
        double wait = 0;
        lock (gate)
        {
            if (buckets.Count > Most)
            {
                buckets.Clear();
            }

            for (int i = 0; i < draws.Count; i++)
            {
                var draw = draws[i];
                var bucket = buckets.GetOrAdd(draw.Key, _ => new Bucket(draw.Capacity, now));
                levels[i] = Math.Min(draw.Capacity, bucket.Level + (time.GetElapsedTime(bucket.At, now).TotalSeconds * draw.PerSecond));
                // One draw larger than the bucket waits for a full one, not for ever.
                wait = Math.Max(wait, (Math.Min(draw.Cost, draw.Capacity) - levels[i]) / draw.PerSecond);
            }

            bool allowed = owed || wait <= 0;
            for (int i = 0; i < draws.Count; i++)
            {
                levels[i] -= allowed ? draws[i].Cost : 0;
                buckets[draws[i].Key] = new Bucket(levels[i], now);
            }

            return ValueTask.FromResult(new DrawResult(allowed, TimeSpan.FromSeconds(Math.Max(0, wait)), levels));
        }
    }

    private readonly record struct Bucket(double Level, long At);
}

/// <summary>Buckets that all gateways share, each call one atomic script on Redis' clock. While Redis is away each gateway limits for itself.</summary>
internal sealed class RedisBuckets(RedisConnection redis, LocalBuckets local) : IBuckets
{
    private const string Script = """
        local clock = redis.call('TIME')
        local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
        local owed = ARGV[1] == '1'
        local levels, wait = {}, 0
        for i = 1, #KEYS do
            local capacity, rate, cost = tonumber(ARGV[i * 3 - 1]), tonumber(ARGV[i * 3]), tonumber(ARGV[i * 3 + 1])
            local state = redis.call('HMGET', KEYS[i], 'l', 't')
            local level, at = tonumber(state[1]) or capacity, tonumber(state[2]) or now
            levels[i] = math.min(capacity, level + math.max(0, now - at) * rate)
            wait = math.max(wait, (math.min(cost, capacity) - levels[i]) / rate)
        end
        local allowed = owed or wait <= 0
        local answer = { allowed and '1' or '0', string.format('%.6f', wait) }
        for i = 1, #KEYS do
            local capacity, rate, cost = tonumber(ARGV[i * 3 - 1]), tonumber(ARGV[i * 3]), tonumber(ARGV[i * 3 + 1])
            if allowed then levels[i] = levels[i] - cost end
            redis.call('HSET', KEYS[i], 'l', string.format('%.6f', levels[i]), 't', string.format('%.6f', now))
            redis.call('PEXPIRE', KEYS[i], math.ceil((capacity - levels[i]) / rate * 1000) + 1000)
            answer[i + 2] = string.format('%.6f', levels[i])
        end
        return answer
        """;

    public async ValueTask<DrawResult> DrawAsync(IReadOnlyList<Draw> draws, bool owed)
    {
        RedisKey[] keys = [.. draws.Select(d => (RedisKey)("palimpsest:" + d.Key))];
        RedisValue[] values = [owed ? "1" : "0", .. draws.SelectMany(d => new[] { Text(d.Capacity), Text(d.PerSecond), Text(d.Cost) })];
        string[]? answer = await redis.TryAsync<string[]?>(async db => (string[]?)await db.ScriptEvaluateAsync(Script, keys, values), null);
        return answer is null
            ? await local.DrawAsync(draws, owed)
            : new DrawResult(answer[0] == "1", TimeSpan.FromSeconds(Math.Max(0, Number(answer[1]))), [.. answer[2..].Select(Number)]);
    }

    private static RedisValue Text(double value) => value.ToString("R", CultureInfo.InvariantCulture);

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);
}
