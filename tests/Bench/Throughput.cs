using System.Text.Json.Nodes;

namespace Palimpsest.Bench;

/// <summary>Pictures a second of the platform beside those of the bare engine, taking turns on an otherwise idle machine.</summary>
internal static class Throughput
{
    private static readonly TimeSpan RawTurn = TimeSpan.FromSeconds(2.5);

    /// <summary>The platform's turn lasts at least this long, filling and emptying the line aside.</summary>
    private static readonly TimeSpan Turn = TimeSpan.FromSeconds(4);

    public static async Task RunAsync(Bench bench, bool distributed, CancellationToken cancellationToken)
    {
        var (rounds, raw) = await CompareAsync(bench, distributed, ReferenceNetworks.Shipped, cancellationToken);
        string name = distributed ? "distributed" : "embedded";
        bench.Result["model"] = new JsonObject { ["name"] = raw.Model.Name, ["version"] = raw.Model.Version, ["sha256"] = raw.Model.Sha256 };
        bench.Result["raw_ort_images_per_s"] ??= Bench.Number(Median(rounds, r => r.Raw));
        bench.Result[$"{name}_images_per_s"] = Bench.Number(Median(rounds, r => r.Speed));
        bench.Result[$"efficiency_{name}"] = Bench.Number(Median(rounds, r => r.Efficiency), 3);
        bench.Result[$"{name}_detail"] = Detail(rounds, raw);
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

                var (rounds, raw) = await CompareAsync(bench, distributed, models, cancellationToken);
                both[distributed ? "distributed" : "embedded"] = Detail(rounds, raw);
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
            // Whoever comes second on a machine that is slowing down would lose.
            byte[][] one = Pictures.Small.Next(bench.Pictures + (2 * Load.InFlight)), other = Pictures.Small.Next(one.Length);
            double first = await (i % 2 == 0 ? together : alone).Load.SteadyAsync(one, cancellationToken), second = await (i % 2 == 0 ? alone : together).Load.SteadyAsync(other, cancellationToken);
            batched.Add(i % 2 == 0 ? first : second);
            single.Add(i % 2 == 0 ? second : first);
        }

        var gains = batched.Zip(single, (together, alone) => together / alone).ToList();
        bench.Result["batching_gain"] = Bench.Number(Percentiles.Median(gains));
        bench.Result["batching_detail"] = new JsonObject
        {
            ["pictures"] = Size(Pictures.Small), ["batched_images_per_s"] = Bench.Number(Percentiles.Median(batched)), ["single_images_per_s"] = Bench.Number(Percentiles.Median(single)),
            ["gain_bounds_95"] = Bench.Bounds(gains),
        };
        Bench.Say($"  batches {Percentiles.Median(batched):0.00}/s, without {Percentiles.Median(single):0.00}/s");
    }

    public static string Size(Pictures pictures) => $"{pictures.Width}x{pictures.Height}";

    private static JsonObject Detail(IReadOnlyList<Round> rounds, Raw raw) => new()
    {
        ["pictures"] = Size(Pictures.Megapixel),
        ["images_per_s"] = Bench.Number(Median(rounds, r => r.Speed)),
        ["raw_ort_images_per_s"] = Bench.Number(Median(rounds, r => r.Raw)),
        ["raw_ort_images_per_s_one_run_all_cores"] = Bench.Number(raw.Wide),
        ["efficiency"] = Bench.Number(Median(rounds, r => r.Efficiency), 3),
        ["efficiency_bounds_95"] = Bench.Bounds(rounds.Select(r => r.Efficiency)),
        ["efficiency_by_round"] = new JsonArray([.. rounds.Select(r => Bench.Number(r.Efficiency, 3))]),
        ["cpu_ms_per_image"] = Bench.Number(Median(rounds, r => r.CpuMs)),
        ["cpu_ms_in_onnx_runtime"] = Bench.Number(Median(rounds, r => r.NetworkCpuMs)),
        ["cpu_ms_outside_onnx_runtime"] = Bench.Number(Median(rounds, r => r.CpuMs - r.NetworkCpuMs)),
        ["cpu_share_in_onnx_runtime"] = Bench.Number(Median(rounds, r => r.NetworkCpuMs / r.CpuMs), 3),
        ["cpu_share_in_onnx_runtime_bounds_95"] = Bench.Bounds(rounds.Select(r => r.NetworkCpuMs / r.CpuMs)),
        ["compiling_ms_per_image"] = Bench.Number(Median(rounds, r => r.CompilingMs)),
        ["raw_ort_cpu_ms_per_image"] = Bench.Number(Median(rounds, r => r.RawCpuMs)),
        ["network_calls_per_image"] = new JsonObject(raw.Calls.Select(c => KeyValuePair.Create(c.Key, Bench.Number(c.Value)))),
    };

    private static double Median(IEnumerable<Round> rounds, Func<Round, double> of) => Percentiles.Median(rounds.Select(of));

    /// <summary>
    /// Short turns, each of the platform's between two of the bare engine's, and each judged by those two alone: a machine whose speed wanders by a quarter within minutes moves both sides of
    /// such a ratio.
    /// </summary>
    private static async Task<(IReadOnlyList<Round> Rounds, Raw Raw)> CompareAsync(Bench bench, bool distributed, string models, CancellationToken cancellationToken)
    {
        var settings = new Dictionary<string, string?>(StringComparer.Ordinal) { ["PALIMPSEST_MODELS"] = models };
        await using var running = distributed
            ? await Running.DistributedAsync(bench.NewFolder("distributed"), settings, cancellationToken)
            : await Running.EmbeddedAsync(bench.NewFolder("embedded"), settings, cancellationToken);
        await running.WarmUntilCompiledAsync(cancellationToken);
        await running.WarmAsync(Pictures.Megapixel, 16, cancellationToken);
        // As many as the pictures take to repeat the place of their waves, on which it depends how many faces are looked for twice.
        const int Counted = 107;
        var before = await CallsAsync(running, models);
        double speed = await running.Load.SaturateAsync(Pictures.Megapixel, Counted, null, cancellationToken);
        var after = await CallsAsync(running, models);
        var calls = after.ToDictionary(c => c.Key, c => (c.Value - before[c.Key]) / Counted, StringComparer.Ordinal);

        using var raw = new RawEngine(models, Pictures.Megapixel, calls, wide: false);
        // All of them first: whoever makes pictures uses the processors that are measured.
        int each = Math.Max(bench.Pictures, (int)(speed * Turn.TotalSeconds)) + (2 * Load.InFlight);
        byte[][][] pictures = [.. Enumerable.Range(0, bench.Rounds).Select(_ => Pictures.Megapixel.Next(each))];
        var rounds = new List<Round>();
        raw.Measure(TimeSpan.FromSeconds(1));
        var (earlier, _) = raw.Measure(RawTurn);
        foreach (byte[][] turn in pictures)
        {
            double cpu = ProcessTree.CpuSeconds(), network = await running.NetworkCpuAsync(), compiling = await running.CompilingAsync();
            double platform = await running.Load.SteadyAsync(turn, cancellationToken);
            cpu = ProcessTree.CpuSeconds() - cpu;
            network = await running.NetworkCpuAsync() - network;
            compiling = await running.CompilingAsync() - compiling;
            var (later, rawCpu) = raw.Measure(RawTurn);
            rounds.Add(new Round(platform, (earlier + later) / 2, 1000 * cpu / each, raw.OneThread ? 1000 * network / each : double.NaN, 1000 * compiling / each, 1000 * rawCpu));
            Bench.Say($"  {(distributed ? "distributed" : "embedded")} {platform:0.00}/s, bare {earlier:0.00} and {later:0.00}/s: {rounds[^1].Efficiency:0.000}; {rounds[^1].NetworkCpuMs / rounds[^1].CpuMs:P1} of {rounds[^1].CpuMs:0} ms inside");
            earlier = later;
        }

        using var spread = new RawEngine(models, Pictures.Megapixel, calls, wide: true);
        spread.Measure(TimeSpan.FromSeconds(1));
        return (rounds, new Raw(spread.Measure(RawTurn).PerSecond, raw.Model, calls));
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

    /// <summary>A turn of the platform and the two of the bare engine around it.</summary>
    /// <param name="Speed">Pictures a second.</param>
    /// <param name="Raw">The bare engine's, mean of both turns.</param>
    /// <param name="CpuMs">Processor time of a picture, all processes.</param>
    /// <param name="NetworkCpuMs">Of it inside ONNX Runtime; not a number where runs have threads of their own, which nobody counts.</param>
    /// <param name="CompilingMs">Of it the runtime's compiler.</param>
    /// <param name="RawCpuMs">Processor time of a picture in the bare engine.</param>
    private sealed record Round(double Speed, double Raw, double CpuMs, double NetworkCpuMs, double CompilingMs, double RawCpuMs)
    {
        public double Efficiency => Speed / Raw;
    }

    private sealed record Raw(double Wide, Palimpsest.Contracts.ModelIdentity Model, IReadOnlyDictionary<string, double> Calls);
}
