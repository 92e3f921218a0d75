using System.Text.Json.Nodes;

namespace Palimpsest.Bench;

/// <summary>Everything but the localizers: 64x64 PNGs through the whole chain with networks that compute nothing worth mentioning.</summary>
internal static class Noop
{
    public static async Task RunAsync(Bench bench, CancellationToken cancellationToken)
    {
        var detail = new JsonObject();
        foreach (bool distributed in new[] { false, true })
        {
            if (distributed && !Peers.ServersInstalled)
            {
                continue;
            }

            await using var running = await StartAsync(bench, distributed, cancellationToken);
            await running.WarmUntilCompiledAsync(cancellationToken);
            const int Jobs = 1000, Most = 5;
            var (speeds, cpus, networks) = (new List<double>(), new List<double>(), new List<double>());
            for (int i = 0; i < Math.Min(bench.Rounds, Most); i++)
            {
                double cpu = ProcessTree.CpuSeconds(), network = await running.NetworkCpuAsync();
                speeds.Add(await running.Load.SaturateAsync(
                    Pictures.Tiny, Jobs,
                    async () =>
                    {
                        cpus.Add(1000 * (ProcessTree.CpuSeconds() - cpu) / Jobs);
                        networks.Add(1000 * (await running.NetworkCpuAsync() - network) / Jobs);
                    },
                    cancellationToken));
                Bench.Say($"  {speeds[^1]:0.0} jobs/s, {cpus[^1]:0.0} ms of processor a job");
            }

            string name = distributed ? "distributed" : "embedded";
            double speed = Percentiles.Median(speeds), cpuMs = Percentiles.Median(cpus), networkMs = Percentiles.Median(networks);
            detail[name] = new JsonObject { ["jobs_per_s"] = Bench.Number(speed), ["cpu_ms_per_job"] = Bench.Number(cpuMs), ["cpu_ms_in_onnx_runtime"] = Bench.Number(networkMs) };
            bench.Result["noop_jobs_per_s"] ??= Bench.Number(speed);
            Bench.Say($"  {name}: {speed:0.0} jobs/s, {cpuMs:0.0} ms of processor a job, {networkMs:0.0} of them the face finder's network");
        }

        bench.Result["noop_detail"] = detail;
    }

    /// <summary>A platform with constant localizers; in a folder of its own when none is given.</summary>
    public static Task<Running> StartAsync(Bench bench, bool distributed, CancellationToken cancellationToken, IReadOnlyDictionary<string, string?>? more = null, string? folder = null)
    {
        var settings = new Dictionary<string, string?>(more ?? new Dictionary<string, string?>(StringComparer.Ordinal), StringComparer.Ordinal)
        {
            ["PALIMPSEST_MODELS"] = ReferenceNetworks.Create(bench.NewFolder("constant"), 0, Pictures.Tiny),
        };
        return distributed ? Running.DistributedAsync(folder ?? bench.NewFolder("noop-distributed"), settings, cancellationToken) : Running.EmbeddedAsync(folder ?? bench.NewFolder("noop"), settings, cancellationToken);
    }
}
