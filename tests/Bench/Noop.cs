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
            double cpu = ProcessTree.CpuSeconds(), network = await running.NetworkCpuAsync();
            const int Jobs = 1000;
            double speed = await running.Load.SaturateAsync(Pictures.Tiny, Jobs, cancellationToken);
            string name = distributed ? "distributed" : "embedded";
            cpu = 1000 * (ProcessTree.CpuSeconds() - cpu) / Jobs;
            network = 1000 * (await running.NetworkCpuAsync() - network) / Jobs;
            detail[name] = new JsonObject { ["jobs_per_s"] = Bench.Number(speed), ["cpu_ms_per_job"] = Bench.Number(cpu), ["cpu_ms_in_onnx_runtime"] = Bench.Number(network) };
            bench.Result["noop_jobs_per_s"] ??= Bench.Number(speed);
            Bench.Say($"  {name}: {speed:0.0} jobs/s, {cpu:0.0} ms of processor a job, {network:0.0} of them the face finder's network");
        }

        bench.Result["noop_detail"] = detail;
    }

    /// <summary>A platform with constant localizers.</summary>
    public static Task<Running> StartAsync(Bench bench, bool distributed, CancellationToken cancellationToken, IReadOnlyDictionary<string, string?>? more = null)
    {
        var settings = new Dictionary<string, string?>(more ?? new Dictionary<string, string?>(StringComparer.Ordinal), StringComparer.Ordinal)
        {
            ["PALIMPSEST_MODELS"] = ReferenceNetworks.Create(bench.NewFolder("constant"), 0, Pictures.Tiny),
        };
        return distributed ? Running.DistributedAsync(bench.NewFolder("noop-distributed"), settings, cancellationToken) : Running.EmbeddedAsync(bench.NewFolder("noop"), settings, cancellationToken);
    }
}
