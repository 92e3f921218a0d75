using System.Text.Json.Nodes;

namespace Palimpsest.Bench;

/// <summary>POST to 202 of megabyte pictures that arrive at a fixed rate while nothing is worked on: the decoders are held.</summary>
internal static class Submitting
{
    private const double PerSecond = 50;
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(12);

    public static async Task RunAsync(Bench bench, CancellationToken cancellationToken)
    {
        await using var running = await Running.EmbeddedAsync(
            bench.NewFolder("submit"), new Dictionary<string, string?>(StringComparer.Ordinal) { ["Decoder:Timeout"] = "00:30:00" }, cancellationToken);
        byte[][] pictures = [.. Enumerable.Range(0, 8).Select(_ => Pictures.Megabyte.Next())];
        await running.WarmUntilCompiledAsync(cancellationToken);
        Running.Pause("Palimpsest.Decoder");
        await running.Load.ArriveAsync(pictures, PerSecond, TimeSpan.FromSeconds(4), cancellationToken);
        double cpu = ProcessTree.CpuSeconds();
        var arrivals = await running.Load.ArriveAsync(pictures, PerSecond, Duration, cancellationToken);
        cpu = ProcessTree.CpuSeconds() - cpu;
        if (arrivals.Refused.Count > 0)
        {
            throw new InvalidOperationException($"{arrivals.Refused.Count} submissions were refused.");
        }

        var times = Percentiles.Of(arrivals.Accepted);
        bench.Result["submit_ms"] = Bench.Times(times);
        bench.Result["submit_detail"] = new JsonObject
        {
            ["arrivals_per_s"] = PerSecond, ["bytes"] = (int)pictures.Average(p => p.Length), ["count"] = arrivals.Accepted.Count, ["cpu_ms_per_submission"] = Bench.Number(1000 * cpu / arrivals.Accepted.Count),
        };
        Bench.Say($"  submit p50 {times.P50} ms, p99 {times.P99} ms at {arrivals.Accepted.Count / Duration.TotalSeconds:0}/s of {pictures[0].Length} bytes");
    }
}
