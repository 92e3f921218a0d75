using System.Text.Json.Nodes;

namespace Palimpsest.Bench;

/// <summary>Pictures a second of the platform beside those of the bare engine, taking turns on an otherwise idle machine.</summary>
internal static class Throughput
{
    private static readonly TimeSpan RawTurn = TimeSpan.FromSeconds(6);

    public static async Task RunAsync(Bench bench, bool distributed, CancellationToken cancellationToken)
    {
        var (side, raw) = await CompareAsync(bench, distributed, ReferenceNetworks.Shipped, Pictures.Megapixel, cancellationToken);
        string name = distributed ? "distributed" : "embedded";
        bench.Result["model"] = new JsonObject { ["name"] = raw.Model.Name, ["version"] = raw.Model.Version, ["sha256"] = raw.Model.Sha256 };
        bench.Result["raw_ort_images_per_s"] ??= Bench.Number(raw.ImagesPerSecond);
        bench.Result[$"{name}_images_per_s"] = Bench.Number(side.ImagesPerSecond);
        bench.Result[$"efficiency_{name}"] = Bench.Number(side.ImagesPerSecond / raw.ImagesPerSecond, 3);
        bench.Result[$"{name}_detail"] = Detail(side, raw);
    }

    /// <summary>The same with networks of 10 and 50 ms a picture.</summary>
    public static async Task ReferenceAsync(Bench bench, CancellationToken cancellationToken)
    {
        var result = new JsonObject();
        bench.Result["reference"] = result;
        foreach (double milliseconds in new[] { 10.0, 50 })
        {
            string models = ReferenceNetworks.Create(bench.NewFolder("models"), milliseconds, Pictures.Megapixel);
            var both = new JsonObject();
            result[$"{milliseconds:0}_ms"] = both;
            foreach (bool distributed in new[] { false, true })
            {
                if (distributed && !Peers.ServersInstalled)
                {
                    continue;
                }

                var (side, raw) = await CompareAsync(bench, distributed, models, Pictures.Megapixel, cancellationToken);
                both[distributed ? "distributed" : "embedded"] = Detail(side, raw);
            }
        }
    }

    /// <summary>Batches against single pictures.</summary>
    public static async Task BatchingAsync(Bench bench, CancellationToken cancellationToken)
    {
        await using var together = await Running.EmbeddedAsync(bench.NewFolder("batched"), null, cancellationToken);
        await using var alone = await Running.EmbeddedAsync(bench.NewFolder("single"), new Dictionary<string, string?>(StringComparer.Ordinal) { ["Inference:MaxBatch"] = "1" }, cancellationToken);
        await together.WarmAsync(Pictures.Small, 20, cancellationToken);
        await alone.WarmAsync(Pictures.Small, 20, cancellationToken);
        var (batched, single) = (new List<double>(), new List<double>());
        for (int i = 0; i < bench.Rounds; i++)
        {
            batched.Add(await together.Load.SteadyAsync(Pictures.Small, bench.Pictures, cancellationToken));
            single.Add(await alone.Load.SteadyAsync(Pictures.Small, bench.Pictures, cancellationToken));
        }

        bench.Result["batching_gain"] = Bench.Number(Percentiles.Median(batched) / Percentiles.Median(single));
        bench.Result["batching_detail"] = new JsonObject
        {
            ["pictures"] = Size(Pictures.Small), ["batched_images_per_s"] = Bench.Number(Percentiles.Median(batched)), ["single_images_per_s"] = Bench.Number(Percentiles.Median(single)),
        };
    }

    public static string Size(Pictures pictures) => $"{pictures.Width}x{pictures.Height}";

    private static JsonObject Detail(Side side, Raw raw) => new()
    {
        ["pictures"] = Size(Pictures.Megapixel),
        ["images_per_s"] = Bench.Number(side.ImagesPerSecond),
        ["raw_ort_images_per_s"] = Bench.Number(raw.ImagesPerSecond),
        ["raw_ort_images_per_s_one_run_all_cores"] = Bench.Number(raw.Wide),
        ["efficiency"] = Bench.Number(side.ImagesPerSecond / raw.ImagesPerSecond, 3),
        ["cpu_ms_per_image"] = Bench.Number(side.CpuMs),
        ["cpu_ms_in_onnx_runtime"] = Bench.Number(side.NetworkCpuMs),
        ["cpu_ms_outside_onnx_runtime"] = Bench.Number(side.CpuMs - side.NetworkCpuMs),
        ["network_calls_per_image"] = new JsonObject(side.Calls.Select(c => KeyValuePair.Create(c.Key, Bench.Number(c.Value)))),
    };

    private static async Task<(Side Side, Raw Raw)> CompareAsync(Bench bench, bool distributed, string models, Pictures pictures, CancellationToken cancellationToken)
    {
        var settings = new Dictionary<string, string?>(StringComparer.Ordinal) { ["PALIMPSEST_MODELS"] = models };
        await using var running = distributed
            ? await Running.DistributedAsync(bench.NewFolder("distributed"), settings, cancellationToken)
            : await Running.EmbeddedAsync(bench.NewFolder("embedded"), settings, cancellationToken);
        // Small ones first: what the runtime compiles depends on the number of calls, not on the pixels.
        await running.WarmAsync(Pictures.Tiny, 400, cancellationToken);
        await running.WarmAsync(pictures, 16, cancellationToken);
        var before = await CallsAsync(running, models);
        await running.WarmAsync(pictures, 8, cancellationToken);
        var after = await CallsAsync(running, models);
        var calls = after.ToDictionary(c => c.Key, c => (c.Value - before[c.Key]) / 8, StringComparer.Ordinal);

        var (speeds, raws, cpu, network) = (new List<double>(), new List<double>(), 0.0, 0.0);
        using var raw = new RawEngine(models, pictures, calls, wide: false);
        raw.Measure(TimeSpan.FromSeconds(1));
        for (int i = 0; i < bench.Rounds; i++)
        {
            double cpuBefore = ProcessTree.CpuSeconds(), networkBefore = await running.NetworkCpuAsync();
            speeds.Add(await running.Load.SteadyAsync(pictures, bench.Pictures, cancellationToken));
            cpu += ProcessTree.CpuSeconds() - cpuBefore;
            network += await running.NetworkCpuAsync() - networkBefore;
            raws.Add(raw.Measure(RawTurn));
            Bench.Say($"  {(distributed ? "distributed" : "embedded")} {speeds[^1]:0.00}/s, bare {raws[^1]:0.00}/s");
        }

        using var spread = new RawEngine(models, pictures, calls, wide: true);
        spread.Measure(TimeSpan.FromSeconds(1));
        double wide = spread.Measure(RawTurn), perImage = 1000.0 / ((bench.Pictures + (2 * Load.InFlight)) * bench.Rounds);
        return (new Side(Percentiles.Median(speeds), cpu * perImage, network * perImage, calls), new Raw(Percentiles.Median(raws), wide, raw.Model));
    }

    private static async Task<Dictionary<string, double>> CallsAsync(Running running, string models)
    {
        var catalog = new Palimpsest.Inference.ModelCatalog(RawEngine.Options(models));
        var calls = new Dictionary<string, double>(StringComparer.Ordinal);
        foreach (string name in Palimpsest.Contracts.DetectorNames.All.Append("router").Select(d => catalog.Load(d).Manifest.Name).Append("blazeface"))
        {
            calls[name] = await running.MetricAsync("palimpsest_inference_runs_total", $"\"{name}\"");
        }

        return calls;
    }

    private sealed record Side(double ImagesPerSecond, double CpuMs, double NetworkCpuMs, IReadOnlyDictionary<string, double> Calls);

    private sealed record Raw(double ImagesPerSecond, double Wide, Palimpsest.Contracts.ModelIdentity Model);
}
