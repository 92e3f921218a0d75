using System.Net;
using System.Net.Http.Headers;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;
using Palimpsest.Gateway;
using Palimpsest.Hosting;
using Palimpsest.Local.Servers;

namespace Palimpsest.IntegrationTests;

/// <summary>Two gateways, one Redis: a tenant has one quota, not two.</summary>
public sealed class SharedLimitsTests : IAsyncLifetime
{
    private const string Key = "a-key-that-both-gateways-know";
    private const int Burst = 200;

    private readonly string folder = Directory.CreateTempSubdirectory("palimpsest-").FullName;
    private readonly List<WebApplication> gateways = [];
    private readonly List<HttpClient> clients = [];
    private RedisServer redis = null!;

    public async Task InitializeAsync()
    {
        redis = new RedisServer(Path.Combine(folder, "redis"));
        await redis.StartAsync(default);
        for (int i = 0; i < 2; i++)
        {
            var platform = PlatformBuilder.Create([], "gateway", new Dictionary<string, string?>
            {
                ["urls"] = "http://127.0.0.1:0", ["PALIMPSEST_DATA"] = Path.Combine(folder, $"gateway{i}"), ["PALIMPSEST_MODELS"] = folder, ["REDIS_URL"] = redis.Url.ToString(), ["RABBITMQ_URL"] = null, ["POSTGRES_URL"] = null,
                ["PALIMPSEST_API_KEY"] = Key, ["Limits:Burst"] = $"{Burst}", ["Limits:RequestsPerSecond"] = "0.01",
            });
            platform.Host.Logging.ClearProviders();
            platform.AddGateway();
            var app = platform.Build();
            app.MapGateway();
            await app.StartAsync();
            gateways.Add(app);
            clients.Add(new HttpClient { BaseAddress = new Uri(app.Urls.First()), DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", Key) } });
        }
    }

    public async Task DisposeAsync()
    {
        foreach (var (app, client) in gateways.Zip(clients))
        {
            client.Dispose();
            await app.StopAsync();
            await app.DisposeAsync();
        }

        await redis.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task Together_they_let_through_what_one_may()
    {
        int through = await SendAsync(150);
        through.ShouldBeInRange((int)(Burst * 0.95), (int)(Burst * 1.05));
        using var refused = await clients[1].GetAsync("/v1/nothing");
        refused.StatusCode.ShouldBe(HttpStatusCode.TooManyRequests);
        refused.Headers.GetValues("RateLimit").Single().ShouldStartWith("\"requests\";r=0;");
        refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds.ShouldBeInRange(1, 100);
    }

    [Fact]
    public async Task Without_Redis_each_limits_for_itself()
    {
        await redis.StopAsync();
        (await SendAsync(Burst + 20)).ShouldBe(2 * Burst);
    }

    /// <summary>So many requests to each gateway, all at once; how many were not refused.</summary>
    private async Task<int> SendAsync(int each)
    {
        var answers = await Task.WhenAll(clients.SelectMany(c => Enumerable.Range(0, each).Select(_ => c.GetAsync("/v1/nothing"))));
        answers.ShouldAllBe(a => a.StatusCode == HttpStatusCode.NotFound || a.StatusCode == HttpStatusCode.TooManyRequests);
        return answers.Count(a => a.StatusCode == HttpStatusCode.NotFound);
    }
}
