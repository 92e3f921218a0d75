using System.Text.Json.Nodes;
using Palimpsest.Contracts;

namespace Palimpsest.Bench;

/// <summary>Three times as many pictures as can be done: what is still done a second, and how fast the rest is turned away.</summary>
internal static class Overload
{
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(20);

    public static async Task RunAsync(Bench bench, CancellationToken cancellationToken)
    {
        // A full house of some seconds' work, so that the refusals begin early in the run.
        await using var running = await Running.EmbeddedAsync(bench.NewFolder("overload"), new Dictionary<string, string?>(StringComparer.Ordinal) { ["Intake:MaxPending"] = "60" }, cancellationToken);
        await running.WarmAsync(Pictures.Small, 40, cancellationToken);
        double peak = 0;
        for (int i = 0; i < bench.Rounds; i++)
        {
            peak = Math.Max(peak, await running.Load.SaturateAsync(Pictures.Small, 55, cancellationToken));
            await Task.Delay(TimeSpan.FromSeconds(1.2), cancellationToken); // the count of what waits is a second old at most
        }

        byte[][] pictures = [.. Enumerable.Range(0, (int)(3 * peak * Duration.TotalSeconds) + 10).Select(_ => Pictures.Small.Next())];
        double done = await DoneAsync(running);
        var arrivals = await running.Load.ArriveAsync(pictures, 3 * peak, Duration, cancellationToken);
        double goodput = (await DoneAsync(running) - done) / Duration.TotalSeconds;
        foreach (string id in arrivals.Ids)
        {
            var finished = await running.Client.WaitAsync(id, TimeSpan.FromMinutes(5), cancellationToken);
            if (finished.Status != AnalysisStatuses.Succeeded)
            {
                throw new InvalidOperationException($"{id} was accepted and ended as {finished.Status}.");
            }
        }

        var refused = Percentiles.Of(arrivals.Refused);
        bench.Result["overload_goodput_ratio"] = Bench.Number(goodput / peak, 3);
        bench.Result["overload_detail"] = new JsonObject
        {
            ["peak_images_per_s"] = Bench.Number(peak), ["offered_images_per_s"] = Bench.Number(3 * peak), ["goodput_images_per_s"] = Bench.Number(goodput),
            ["accepted"] = arrivals.Accepted.Count, ["refused"] = arrivals.Refused.Count, ["accepted_ms"] = Bench.Times(Percentiles.Of(arrivals.Accepted)), ["refused_ms"] = Bench.Times(refused),
        };
        Bench.Say($"  peak {peak:0.0}/s, offered three times that: {goodput:0.0}/s done, {arrivals.Refused.Count} refused in p50 {refused.P50} p99 {refused.P99} ms");
    }

    private static Task<double> DoneAsync(Running running) => running.MetricAsync("palimpsest_images_total");
}
