using System.Text.Json;
using Palimpsest.Contracts;
using Palimpsest.Local.Client;
using Palimpsest.Local.Commands;
using Palimpsest.Local.Distributed;
using Palimpsest.Local.Servers;

namespace Palimpsest.Bench;

/// <summary>Runs the measurements side by side and writes one JSON document; what was not measured is null, never guessed.</summary>
internal static class Benchmark
{
    private const string Key = "benchmark-key-0123456789";
    private const int Single = 30;

    public static async Task<int> RunAsync(int pictures, bool distributed, string? output, CancellationToken cancellationToken)
    {
        string folder = Directory.CreateTempSubdirectory("palimpsest-bench-").FullName;
        File.SetUnixFileMode(folder, (UnixFileMode)Convert.ToInt32("755", 8));
        try
        {
            var raw = RawEngine.Measure(seconds: 10);
            await Console.Error.WriteLineAsync($"bare engine: {raw.ImagesPerSecond:0.00} images/s");
            var embedded = await EmbeddedAsync(Path.Combine(folder, "embedded"), pictures, cancellationToken);
            await Console.Error.WriteLineAsync($"embedded: {embedded.ImagesPerSecond:0.00} images/s, overhead {embedded.OverheadMs.P50:0.0} ms");
            Measured? far = distributed ? await DistributedAsync(Path.Combine(folder, "distributed"), pictures, cancellationToken) : null;
            var document = new
            {
                machine = Machine.Describe(),
                model = raw.Model,
                raw_ort_images_per_s = raw.ImagesPerSecond,
                embedded_images_per_s = embedded.ImagesPerSecond,
                distributed_images_per_s = far?.ImagesPerSecond,
                efficiency_embedded = embedded.ImagesPerSecond / raw.ImagesPerSecond,
                efficiency_distributed = far?.ImagesPerSecond / raw.ImagesPerSecond,
                latency_ms = embedded.LatencyMs,
                overhead_ms = embedded.OverheadMs,
                submit_ms = embedded.SubmitMs,
                cache_hit_ms = embedded.CacheHitMs,
                distributed_latency_ms = far?.LatencyMs,
                distributed_overhead_ms = far?.OverheadMs,
                noop_jobs_per_s = (double?)null,
                batching_gain = (double?)null,
                overload_goodput_ratio = (double?)null,
                peers = (object?)null,
            };
            string json = JsonSerializer.Serialize(document, new JsonSerializerOptions(PlatformJson.Options) { WriteIndented = true });
            Console.WriteLine(json);
            if (output is not null)
            {
                await File.WriteAllTextAsync(output, json, cancellationToken);
            }

            return 0;
        }
        catch (LocalServerException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return 1;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<Measured> EmbeddedAsync(string folder, int pictures, CancellationToken cancellationToken)
    {
        int port = ChildProcess.FreePort();
        string log = Path.Combine(folder, "up.log"), here = AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar);
        string program = Path.GetFullPath(Path.Combine(here, "..", "..", "Palimpsest.Local", Path.GetFileName(here), "palimpsest-local.dll"));
        await using var process = ChildProcess.Start(
            "palimpsest up", ["dotnet", program, "up", "--port", $"{port}", "--data", Path.Combine(folder, "data")],
            new Dictionary<string, string?>(StringComparer.Ordinal) { ["PALIMPSEST_API_KEY"] = Key, ["Limits__RequestsPerSecond"] = "100000", ["Limits__Burst"] = "100000" }, log);
        await ServerPrograms.WaitAsync(process, log, async () => (await ReadAsync(log)).Contains("is ready at", StringComparison.Ordinal), cancellationToken);
        return await MeasureAsync(new Uri($"http://127.0.0.1:{port}"), pictures, cancellationToken);
    }

    private static async Task<Measured> DistributedAsync(string folder, int pictures, CancellationToken cancellationToken)
    {
        var settings = new UpSettings { Port = ChildProcess.FreePort(), Data = folder };
        await using var host = await DistributedHost.StartAsync(
            settings, Environment.GetEnvironmentVariable,
            new Dictionary<string, string?>(StringComparer.Ordinal) { ["PALIMPSEST_API_KEY"] = Key, ["Limits:RequestsPerSecond"] = "100000", ["Limits:Burst"] = "100000" },
            line => Console.Error.WriteLine(line), cancellationToken);
        return await MeasureAsync(host["gateway"].Address, pictures, cancellationToken);
    }

    private static async Task<Measured> MeasureAsync(Uri address, int pictures, CancellationToken cancellationToken)
    {
        using var http = new HttpClient { BaseAddress = address, Timeout = TimeSpan.FromMinutes(5) };
        var client = new PalimpsestClient(http, Key);
        var load = new Load(client, TimeProvider.System);
        await load.WarmUpAsync(cancellationToken);
        var (latency, overhead) = await load.SingleAsync(Single, cancellationToken);
        var (throughput, submit) = await load.SaturateAsync(pictures, cancellationToken);
        return new Measured(throughput, latency, overhead, submit, await load.CacheHitsAsync(Single, cancellationToken));
    }

    private static async Task<string> ReadAsync(string path)
    {
        using var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        return await reader.ReadToEndAsync();
    }

    private sealed record Measured(double ImagesPerSecond, Percentiles LatencyMs, Percentiles OverheadMs, Percentiles SubmitMs, Percentiles CacheHitMs);
}

/// <summary>Of a set of times, milliseconds.</summary>
internal sealed record Percentiles(double P50, double P95, double P99)
{
    public static Percentiles Of(IEnumerable<double> values)
    {
        var sorted = values.Order().ToList();
        double At(double share) => sorted[Math.Min(sorted.Count - 1, (int)Math.Ceiling(share * sorted.Count) - 1)];
        return new Percentiles(At(0.5), At(0.95), At(0.99));
    }
}
