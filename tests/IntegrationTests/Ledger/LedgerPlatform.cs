using System.Diagnostics;
using Palimpsest.Hosting;
using Palimpsest.Local.Client;
using Palimpsest.Local.Commands;
using Palimpsest.Local.Distributed;
using Palimpsest.Local.Servers;
using Palimpsest.Tests;

namespace Palimpsest.IntegrationTests.Ledger;

/// <summary>Something bad that can be done to a platform.</summary>
/// <param name="Name">For the log.</param>
/// <param name="Kill">A process dies, so recovery is measured.</param>
/// <param name="Recovery">How soon after it everything accepted before, and a submission made right after, have to be done.</param>
/// <param name="Act">Does it, and brings back what does not come back by itself.</param>
internal sealed record Strike(string Name, bool Kill, TimeSpan Recovery, Func<Random, Task> Act);

/// <summary>A platform under test, with its own data, and what can be done to it.</summary>
internal interface ILedgerPlatform : IAsyncDisposable
{
    PalimpsestClient Client { get; }

    /// <summary>The receiver's address, as the platform is told it: through a proxy.</summary>
    Uri Webhook { get; }

    Receiver Receiver { get; }

    /// <summary>The record, read past all proxies.</summary>
    PlatformDatabase Database { get; }

    IReadOnlyList<Strike> Kills { get; }

    IReadOnlyList<Strike> Bends { get; }

    /// <summary>Messages in the broker's queues, in hand ones too, errors and dead letters included; empty when there are none.</summary>
    Task<IReadOnlyList<string>> LeftAsync();
}

/// <summary>What both have.</summary>
internal static class Strikes
{
    public static readonly TimeSpan Single = TimeSpan.FromSeconds(30);
    public static readonly TimeSpan Broker = TimeSpan.FromSeconds(60);

    /// <summary>All ways to bend the connections through a proxy.</summary>
    /// <param name="proxy">Whose.</param>
    /// <param name="longest">Longest bend, seconds.</param>
    public static IEnumerable<Strike> Of(TcpProxy proxy, double longest) => Enum.GetValues<Bend>().Select(bend => new Strike(
        $"{bend} to {proxy.Name}", Kill: false, TimeSpan.MaxValue, random => proxy.BendAsync(bend, TimeSpan.FromSeconds(1 + (random.NextDouble() * (longest - 1))), random.Next())));
}

/// <summary>Gateway, five services, broker, cache and database as processes of their own, with the settings they are shipped with; a proxy before each server and before the receiver.</summary>
internal sealed class DistributedLedgerPlatform : ILedgerPlatform
{
    // The second attempt of a webhook comes after five seconds, the third only after five minutes: two attempts in one bend would test the patience of the test.
    private const double LongestSinkBend = 3, LongestBend = 8;

    private readonly TestFolder folder;
    private readonly HttpClient http = new() { Timeout = TimeSpan.FromSeconds(30) };
    private readonly LocalServers servers;
    private readonly List<TcpProxy> proxies = [];
    private DistributedHost? host;

    private DistributedLedgerPlatform(TestFolder folder, LocalServers servers, Receiver receiver)
    {
        (this.folder, this.servers, Receiver) = (folder, servers, receiver);
        Database = new PlatformDatabase(new PlatformSettings { ServiceName = "ledger", DataDirectory = folder.Path, ModelsDirectory = folder.Path, Postgres = servers.Postgres!.Url });
        Client = new PalimpsestClient(http, TestPlatform.Key);
    }

    public PalimpsestClient Client { get; }

    public Uri Webhook { get; private set; } = null!;

    public Receiver Receiver { get; }

    public PlatformDatabase Database { get; }

    public IReadOnlyList<Strike> Kills =>
    [
        .. host!.Services.Select(s => new Strike("kill " + s.Name, Kill: true, Strikes.Single, _ => KillAsync(s))),
        Crash("rabbitmq", servers.RabbitMq!, Strikes.Broker), Crash("redis", servers.Redis!, Strikes.Single), Crash("postgres", servers.Postgres!, Strikes.Single),
    ];

    public IReadOnlyList<Strike> Bends => [.. proxies.SelectMany(p => Strikes.Of(p, p.Name == "receiver" ? LongestSinkBend : LongestBend))];

    public static async Task<DistributedLedgerPlatform> StartAsync()
    {
        var folder = new TestFolder("palimpsest-ledger-");
        LocalServers? servers = null;
        DistributedLedgerPlatform? platform = null;
        try
        {
            servers = await LocalServers.StartAsync(folder["servers"], _ => null, _ => { }, CancellationToken.None);
            platform = new DistributedLedgerPlatform(folder, servers, await Receiver.StartAsync());
            await platform.StartHostAsync();
            return platform;
        }
        catch
        {
            // Otherwise broker, cache and database go on when the tests have ended.
            if (platform is not null)
            {
                await platform.DisposeAsync();
                throw;
            }

            await (servers?.DisposeAsync() ?? ValueTask.CompletedTask);
            folder.Dispose();
            throw;
        }
    }

    /// <summary>Waits until a service is ready.</summary>
    public Task WaitUntilReadyAsync(string name) => host![name].WaitUntilReadyAsync(_ => false, CancellationToken.None);

    /// <summary>Waits until a service is ready, a little longer, and kills it.</summary>
    public async Task KillWhenReadyAsync(string name, TimeSpan after)
    {
        int before = host![name].Id;
        await WaitUntilReadyAsync(name);
        await Task.Delay(after);
        await KillAsync(host![name]);
        for (int attempt = 0; host![name].Id == before && attempt < 600; attempt++)
        {
            await Task.Delay(50);
        }
    }

    public async Task<IReadOnlyList<string>> LeftAsync()
    {
        string[] queues = (await ((RabbitMqServer)servers.RabbitMq!).ControlAsync("list_queues", "--quiet", "--no-table-headers", "name", "messages")).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        queues.Length.ShouldBeGreaterThanOrEqualTo(Queues.All.Count, "a broker without our queues would look empty");
        return [.. queues.Where(q => !q.EndsWith("\t0", StringComparison.Ordinal))];
    }

    public async ValueTask DisposeAsync()
    {
        await (host?.DisposeAsync() ?? ValueTask.CompletedTask);
        await Database.DisposeAsync();
        foreach (var proxy in proxies)
        {
            await proxy.DisposeAsync();
        }

        await servers.DisposeAsync();
        await Receiver.DisposeAsync();
        http.Dispose();
        folder.Dispose();
    }

    private async Task StartHostAsync()
    {
        var urls = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["RABBITMQ_URL"] = Proxy("rabbitmq", servers.RabbitMq!.Url), ["REDIS_URL"] = Proxy("redis", servers.Redis!.Url), ["POSTGRES_URL"] = Proxy("postgres", servers.Postgres!.Url),
        };
        Webhook = new Uri(Proxy("receiver", Receiver.Webhook));
        host = await DistributedHost.StartAsync(
            new UpSettings { Port = ChildProcess.FreePort(), Data = folder.Path, Networks = ["127.0.0.0/8"] }, urls.GetValueOrDefault,
            new Dictionary<string, string?>(urls.ToDictionary(u => u.Key, u => (string?)u.Value), StringComparer.Ordinal) { ["PALIMPSEST_API_KEY"] = TestPlatform.Key }, _ => { }, CancellationToken.None);
        http.BaseAddress = host["gateway"].Address;
    }

    private string Proxy(string name, Uri before)
    {
        var proxy = new TcpProxy(name, before.Port);
        proxies.Add(proxy);
        return proxy.Before(before).ToString();
    }

    private static Task KillAsync(ServiceProcess service)
    {
        // Its host starts it again, as an orchestrator would.
        using var process = Process.GetProcessById(service.Id);
        process.Kill();
        return Task.CompletedTask;
    }

    private static Strike Crash(string name, ILocalServer server, TimeSpan recovery) => new("kill " + name, Kill: true, recovery, async _ =>
    {
        await server.KillAsync();
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                await server.StartAsync(CancellationToken.None);
                return;
            }
            catch (LocalServerException) when (attempt < 20)
            {
                // PostgreSQL's children outlive it by a moment, and it refuses to start beside them.
                await Task.Delay(500);
            }
        }
    });
}

/// <summary>Everything in one process, which can only be killed as a whole; a proxy before the receiver.</summary>
internal sealed class EmbeddedLedgerPlatform : ILedgerPlatform
{
    private readonly EmbeddedProcess process;
    private readonly TcpProxy proxy;

    private EmbeddedLedgerPlatform(EmbeddedProcess process, Receiver receiver)
    {
        (this.process, Receiver) = (process, receiver);
        proxy = new TcpProxy("receiver", receiver.Address.Port);
        Database = new PlatformDatabase(new PlatformSettings { ServiceName = "ledger", DataDirectory = process.Data, ModelsDirectory = process.Data });
    }

    public PalimpsestClient Client => process.Client;

    public Uri Webhook => proxy.Before(Receiver.Webhook);

    public Receiver Receiver { get; }

    public PlatformDatabase Database { get; }

    public IReadOnlyList<Strike> Kills =>
    [
        new("kill palimpsest", Kill: true, Strikes.Single, async _ =>
        {
            await process.KillAsync();
            await process.StartAgainAsync();
        }),
    ];

    public IReadOnlyList<Strike> Bends => [.. Strikes.Of(proxy, longest: 3)];

    public static async Task<EmbeddedLedgerPlatform> StartAsync()
    {
        var receiver = await Receiver.StartAsync();
        return new(await EmbeddedProcess.StartAsync(asShipped: true), receiver);
    }

    public Task<IReadOnlyList<string>> LeftAsync() => Task.FromResult<IReadOnlyList<string>>([]);

    public async ValueTask DisposeAsync()
    {
        await Database.DisposeAsync();
        await process.DisposeAsync();
        await proxy.DisposeAsync();
        await Receiver.DisposeAsync();
    }
}
