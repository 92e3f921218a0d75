using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Palimpsest.Local.Client;
using Palimpsest.Local.Commands;
using Palimpsest.Local.Distributed;
using Palimpsest.Local.Servers;

namespace Palimpsest.Bench;

/// <summary>The platform as a user starts it, in processes of its own, with a key and without a tenant's limits.</summary>
internal sealed partial class Running : IAsyncDisposable
{
    public const string Key = "benchmark-key-0123456789";
    private readonly IReadOnlyList<Uri> processes;
    private readonly Func<Task> stop;
    private readonly HttpClient http;

    private Running(Uri address, IReadOnlyList<Uri> processes, Func<Task> stop)
    {
        (Address, this.processes, this.stop) = (address, processes, stop);
        http = new HttpClient { BaseAddress = address, Timeout = TimeSpan.FromMinutes(10) };
        Client = new PalimpsestClient(http, Key);
        Load = new Load(Client, TimeProvider.System);
    }

    public Uri Address { get; }

    public PalimpsestClient Client { get; }

    public Load Load { get; }

    /// <summary>In front of every measurement: the runtime compiles, the networks' memory is claimed.</summary>
    public Task WarmAsync(Pictures pictures, int count, CancellationToken cancellationToken) => Load.SaturateAsync(pictures, count, null, cancellationToken);

    /// <summary>
    /// Small pictures until the runtime has compiled what they need: during the last 500 compiling took less than a hundredth of the processors. Before, it takes up to half of them for as
    /// long as ten seconds, once for each process that starts.
    /// </summary>
    public async Task WarmUntilCompiledAsync(CancellationToken cancellationToken)
    {
        const int Jobs = 500, AtMost = 20;
        double compiled = await CompilingAsync();
        for (int i = 0; i < AtMost; i++)
        {
            long start = Stopwatch.GetTimestamp();
            await Load.SaturateAsync(Pictures.Tiny, Jobs, null, cancellationToken);
            double before = compiled, processor = Stopwatch.GetElapsedTime(start).TotalSeconds * Environment.ProcessorCount;
            compiled = await CompilingAsync();
            Bench.Say($"  warming up: compiling took {(compiled - before) / processor:P1} of the processors");
            if (compiled == 0)
            {
                throw new InvalidOperationException("The platform does not say how long it compiled.");
            }

            if (compiled - before < 0.01 * processor)
            {
                return;
            }
        }

        throw new InvalidOperationException("The runtime goes on compiling; no figure of this would be steady.");
    }

    /// <summary>Time the runtime has compiled so far, seconds. Of the services; decoders, which have no metrics, have seen as many pictures.</summary>
    public Task<double> CompilingAsync() => MetricAsync("dotnet_jit_compilation_time_seconds_total");

    /// <summary>One process.</summary>
    public static async Task<Running> EmbeddedAsync(string folder, IReadOnlyDictionary<string, string?>? settings, CancellationToken cancellationToken)
    {
        var (address, process) = await LocalPlatform.StartAsync(folder, Settings(settings), cancellationToken);
        return new Running(address, [address], async () =>
        {
            Resume("Palimpsest.Decoder");
            await process.DisposeAsync();
        });
    }

    /// <summary>Every service a process, over RabbitMQ, PostgreSQL and Redis.</summary>
    public static async Task<Running> DistributedAsync(string folder, IReadOnlyDictionary<string, string?>? settings, CancellationToken cancellationToken)
    {
        var host = await DistributedHost.StartAsync(
            new UpSettings { Port = ChildProcess.FreePort(), Data = folder }, Environment.GetEnvironmentVariable, Settings(settings), line => Console.Error.WriteLine("  " + line), cancellationToken);
        return new Running(host["gateway"].Address, [.. host.Services.Select(s => s.Address)], async () => await host.DisposeAsync());
    }

    /// <summary>Sum of a metric over all processes and labels, or over those whose labels contain a text.</summary>
    public async Task<double> MetricAsync(string name, string? label = null)
    {
        double sum = 0;
        foreach (var address in processes)
        {
            string text = await http.GetStringAsync(new Uri(address, "/metrics"));
            sum += text.Split('\n')
                .Where(line => line.StartsWith(name, StringComparison.Ordinal) && line.Length > name.Length && line[name.Length] is ' ' or '{' && (label is null || line.Contains(label, StringComparison.Ordinal)))
                .Sum(line => double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture));
        }

        return sum;
    }

    /// <summary>Processor time inside ONNX Runtime so far, seconds.</summary>
    public Task<double> NetworkCpuAsync() => MetricAsync("palimpsest_inference_network_cpu_seconds_total");

    /// <summary>Holds processes whose command line contains a text.</summary>
    public static void Pause(string text) => Signal(text, 19);

    /// <summary>Lets them go on.</summary>
    public static void Resume(string text) => Signal(text, 18);

    public async ValueTask DisposeAsync()
    {
        http.Dispose();
        await stop();
    }

    /// <summary>A key, and no tenant's limits.</summary>
    public static Dictionary<string, string?> Settings(IReadOnlyDictionary<string, string?>? more)
    {
        var settings = new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["PALIMPSEST_API_KEY"] = Key, ["Limits:RequestsPerSecond"] = "100000", ["Limits:Burst"] = "100000", ["Limits:JobsInFlight"] = "1000000", ["Limits:BytesPerDay"] = "1000000000000",
            ["Limits:OpenRequests"] = "100000", ["Limits:OpenWaits"] = "100000",
            ["Intake:MaxPending"] = "1000000",
        };
        foreach (var (key, value) in more ?? new Dictionary<string, string?>(StringComparer.Ordinal))
        {
            settings[key] = value;
        }

        return settings;
    }

    private static void Signal(string text, int signal)
    {
        foreach (int id in ProcessTree.Named(text))
        {
            _ = Kill(id, signal);
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
