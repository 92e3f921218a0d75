using System.Text.Json.Nodes;

namespace Palimpsest.Bench;

/// <summary>Three times as many pictures as can be done: what is still done a second, and how fast the rest is turned away.</summary>
internal static class Overload
{
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(20);

    /// <summary>Until the house is full.</summary>
    private static readonly TimeSpan Filling = TimeSpan.FromSeconds(2);

    public static async Task RunAsync(Bench bench, CancellationToken cancellationToken)
    {
        // A full house of some seconds' work, so that the refusals begin early in the run.
        await using var running = await Running.EmbeddedAsync(bench.NewFolder("overload"), new Dictionary<string, string?>(StringComparer.Ordinal) { ["Intake:MaxPending"] = "60" }, cancellationToken);
        await running.Load.SteadyAsync(Pictures.Tiny.Next(600), cancellationToken);
        double rough = await running.Load.SteadyAsync(Pictures.Small.Next(60), cancellationToken);
        // The peak before and after: the machine's speed may be another one by then.
        double before = await PeakAsync();
        double offered = 3 * before;
        byte[][] pictures = Pictures.Small.Next((int)(offered * Duration.TotalSeconds) + 10);
        var start = DateTimeOffset.UtcNow;
        var arrivals = await running.Load.ArriveAsync(pictures, offered, Duration, cancellationToken);
        var ends = await running.Load.EndsAsync(arrivals.Ids, cancellationToken);
        double goodput = ends.Count(end => end >= start + Filling && end < start + Duration) / (Duration - Filling).TotalSeconds;
        double peak = (before + await PeakAsync()) / 2;

        var refused = Percentiles.Of(arrivals.Refused);
        bench.Result["overload_goodput_ratio"] = Bench.Number(goodput / peak, 3);
        bench.Result["overload_detail"] = new JsonObject
        {
            ["peak_images_per_s"] = Bench.Number(peak), ["offered_images_per_s"] = Bench.Number(offered), ["goodput_images_per_s"] = Bench.Number(goodput),
            ["accepted"] = arrivals.Accepted.Count, ["refused"] = arrivals.Refused.Count, ["accepted_ms"] = Bench.Times(Percentiles.Of(arrivals.Accepted)), ["refused_ms"] = Bench.Times(refused),
        };
        Bench.Say($"  peak {peak:0.0}/s, offered {offered:0.0}/s: {goodput:0.0}/s done, {arrivals.Refused.Count} refused in p50 {refused.P50} p99 {refused.P99} ms");

        Task<double> PeakAsync() => running.Load.SteadyAsync(Pictures.Small.Next((int)(rough * Duration.TotalSeconds) + (2 * Load.InFlight)), cancellationToken);
    }
}
