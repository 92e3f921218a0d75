using Microsoft.Extensions.Logging.Abstractions;
using Palimpsest.Hosting;
using Palimpsest.Local.Servers;
using Palimpsest.Tests;

namespace Palimpsest.IntegrationTests.Ledger;

public sealed class SilentRedisTests
{
    [SkippableFact]
    public async Task A_Redis_that_is_connected_and_says_nothing_costs_seconds_not_the_request()
    {
        Skip.IfNot(RedisServer.IsInstalled, "It needs a server that it may put a proxy before.");
        using var folder = new TestFolder("palimpsest-redis-");
        await using var server = new RedisServer(folder.Path);
        await server.StartAsync(CancellationToken.None);
        await using var proxy = new TcpProxy("redis", server.Url.Port);
        using var redis = new RedisConnection(
            new PlatformSettings { ServiceName = "test", DataDirectory = folder.Path, ModelsDirectory = folder.Path, Redis = proxy.Before(server.Url) }, NullLogger<RedisConnection>.Instance);
        await redis.TryAsync(db => db.StringSetAsync("key", "value"), false);
        (await ReadAsync()).ShouldBe("value");

        var bend = proxy.BendAsync(Bend.Stall, TimeSpan.FromSeconds(8), seed: 1);
        long start = Environment.TickCount64;
        (await ReadAsync()).ShouldBe("fallback");
        (Environment.TickCount64 - start).ShouldBeLessThan(5_000);
        bend.IsCompleted.ShouldBeFalse();

        await bend;
        for (int attempt = 0; attempt < 60 && await ReadAsync() != "value"; attempt++)
        {
            await Task.Delay(250);
        }

        (await ReadAsync()).ShouldBe("value");

        Task<string?> ReadAsync() => redis.TryAsync(async db => (string?)await db.StringGetAsync("key"), "fallback");
    }
}
