namespace Palimpsest.Bench;

/// <summary>One picture at a time on an idle platform, and a picture that is known already.</summary>
internal static class Latency
{
    private const int Count = 300;

    public static async Task RunAsync(Bench bench, CancellationToken cancellationToken)
    {
        await using var running = await Running.EmbeddedAsync(bench.NewFolder("latency"), null, cancellationToken);
        await running.WarmUntilCompiledAsync(cancellationToken);
        await running.Load.SingleAsync(Pictures.Small, 10, cancellationToken);
        var (latency, overhead) = await running.Load.SingleAsync(Pictures.Small, Count, cancellationToken);
        await running.Load.CacheHitsAsync(Pictures.Small, 20, cancellationToken);
        var hits = await running.Load.CacheHitsAsync(Pictures.Small, 1000, cancellationToken);
        bench.Result["latency_ms"] = Bench.Times(latency);
        bench.Result["overhead_ms"] = Bench.Times(overhead);
        bench.Result["latency_pictures"] = Throughput.Size(Pictures.Small);
        bench.Result["cache_hit_ms"] = Bench.Times(hits);
        Bench.Say($"  latency p50 {latency.P50} ms (not the localizers': {overhead.P50} ms), cache hit p50 {hits.P50} ms");
    }
}
