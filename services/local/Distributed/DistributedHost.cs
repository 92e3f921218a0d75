using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Palimpsest.Contracts;
using Palimpsest.Gateway;
using Palimpsest.Hosting;
using Palimpsest.Local.Commands;
using Palimpsest.Local.Servers;

namespace Palimpsest.Local.Distributed;

/// <summary>The gateway and the five services as processes of their own, with the servers they need: what compose does, without containers.</summary>
internal sealed class DistributedHost : IAsyncDisposable
{
    private readonly LocalServers servers;
    private readonly List<ServiceProcess> services;
    private Func<string, int, string, ServiceProcess>? make;

    private DistributedHost(LocalServers servers, List<ServiceProcess> services) => (this.servers, this.services) = (servers, services);

    public LocalServers Servers => servers;

    /// <summary>In the order they are stopped: the edge first, reporting last.</summary>
    public IReadOnlyList<ServiceProcess> Services => services;

    /// <summary>Starts another instance of a service and waits until it is ready; it is stopped with the host, or by <see cref="RemoveAsync"/>.</summary>
    /// <param name="name">E.g. <c>routing</c>.</param>
    /// <param name="reporting">For a gateway: the instance of reporting that it asks; null: the first.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    public async Task<ServiceProcess> AddAsync(string name, Uri? reporting, CancellationToken cancellationToken)
    {
        var another = make!(name, ChildProcess.FreePort(), (reporting ?? this["reporting"].Address).ToString());
        services.Insert(0, another);
        another.Start();
        await ReadyAsync(another, _ => { }, cancellationToken);
        return another;
    }

    /// <summary>Takes an added instance away for good.</summary>
    public async Task RemoveAsync(ServiceProcess instance)
    {
        services.Remove(instance);
        await instance.DisposeAsync();
    }

    public ServiceProcess this[string name] => services.Last(s => s.Name == name);

    /// <summary>Serves until SIGINT or SIGTERM, or until the terminal is closed.</summary>
    public static async Task<int> RunAsync(UpSettings settings, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var hangup = Hangup.Register(stop.Cancel);
        void Stop(PosixSignalContext signal)
        {
            signal.Cancel = true;
            stop.Cancel();
        }

        DistributedHost? host = null;
        try
        {
            host = await StartAsync(settings, Environment.GetEnvironmentVariable, extra: null, Console.WriteLine, stop.Token);
            await WriteBannerAsync(settings, host.Servers, stop.Token);
            await Task.Delay(Timeout.Infinite, stop.Token);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            Console.WriteLine("Stopping ...");
        }
        finally
        {
            if (host is not null)
            {
                await host.DisposeAsync();
            }
        }

        return 0;
    }

    /// <summary>Starts everything and waits until it is ready.</summary>
    /// <param name="settings">Port, folders.</param>
    /// <param name="given">Addresses of servers that run already.</param>
    /// <param name="extra">More configuration for every service.</param>
    /// <param name="say">Told what is going on.</param>
    /// <param name="cancellationToken">Stops what was started.</param>
    public static async Task<DistributedHost> StartAsync(
        UpSettings settings, Func<string, string?> given, IReadOnlyDictionary<string, string?>? extra, Action<string> say, CancellationToken cancellationToken)
    {
        var servers = await LocalServers.StartAsync(Path.Combine(settings.Data, "servers"), given, say, cancellationToken);
        var host = new DistributedHost(servers, []);
        try
        {
            await host.StartServicesAsync(settings, extra, say, cancellationToken);
            return host;
        }
        catch
        {
            await host.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var service in services)
        {
            await service.DisposeAsync();
        }

        await servers.DisposeAsync();
    }

    private async Task StartServicesAsync(UpSettings settings, IReadOnlyDictionary<string, string?>? extra, Action<string> say, CancellationToken cancellationToken)
    {
        var shared = settings.ToConfiguration();
        shared["PALIMPSEST_INTERNAL_KEY"] = Environment.GetEnvironmentVariable("PALIMPSEST_INTERNAL_KEY") ?? Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));
        foreach (var (key, value) in servers.Urls.Concat(extra ?? new Dictionary<string, string?>(StringComparer.Ordinal)))
        {
            shared[key] = value;
        }

        string logs = Path.Combine(settings.Data, "logs");
        ServiceProcess Make(string name, int port, string reporting)
        {
            string assembly = $"Palimpsest.{char.ToUpperInvariant(name[0])}{name[1..]}";
            var environment = shared.ToDictionary(pair => pair.Key.Replace(":", "__", StringComparison.Ordinal), pair => pair.Value, StringComparer.Ordinal);
            environment["Urls"] = null;
            environment["ASPNETCORE_URLS"] = $"http://localhost:{port}";
            environment["REPORTING_URL"] = name == "gateway" ? reporting : null;
            return new ServiceProcess(name, ServiceFiles.Find(assembly), environment, new Uri($"http://localhost:{port}"), logs, TimeProvider.System);
        }

        make = Make;
        int report = ChildProcess.FreePort();
        foreach (string name in (string[])["gateway", "preprocessing", "routing", "shallowfake", "deepfake", "reporting"])
        {
            services.Add(Make(name, name switch { "gateway" => settings.Port, "reporting" => report, _ => ChildProcess.FreePort() }, $"http://localhost:{report}/"));
        }

        // What is published before a queue exists is lost: every consumer is up before the gateway accepts anything.
        foreach (var service in services.Where(s => s.Name != "gateway"))
        {
            service.Start();
        }

        await Task.WhenAll(services.Where(s => s.Name != "gateway").Select(s => ReadyAsync(s, say, cancellationToken)));
        this["gateway"].Start();
        await ReadyAsync(this["gateway"], say, cancellationToken);
    }

    private static async Task ReadyAsync(ServiceProcess service, Action<string> say, CancellationToken cancellationToken)
    {
        // A localizer without a model never becomes ready; the platform then answers with partial reports and says so.
        bool localizer = DetectorNames.All.Contains(service.Name);
        await service.WaitUntilReadyAsync(answer => localizer && answer.Contains("There is no model", StringComparison.Ordinal), cancellationToken);
        say($"{service.Name} (process {service.Id}) on {service.Address}");
    }

    private static async Task WriteBannerAsync(UpSettings settings, LocalServers servers, CancellationToken cancellationToken)
    {
        var platform = PlatformBuilder.Create([], "keys", servers.Urls);
        await using var database = new PlatformDatabase(platform.Settings);
        await Banner.WriteAsync(new ApiKeys(database, TimeProvider.System), settings, cancellationToken);
    }
}
