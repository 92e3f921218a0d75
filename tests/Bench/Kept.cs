using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Palimpsest.Hosting;

namespace Palimpsest.Bench;

/// <summary>Does a job cost more where many analyses are kept? No-op jobs in two embedded platforms in turn: one with an empty record, one with the history of a busy month.</summary>
internal static class Kept
{
    private const int Analyses = 100_000, Jobs = 300, Turns = 6;

    // As long as a record of one localizer and no regions; of the tenant that the first key belongs to.
    private const string Fill = """
        INSERT INTO analyses (id, tenant, version, status, stage, stage_since, stage_attempts, created_at, started_at, completed_at, expires_at, verdict, score, kind, sha256, request, findings)
        WITH RECURSIVE past (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM past WHERE n + 1 < @count)
        SELECT printf('an_%032x', n), 'default', 5, 'succeeded', 'reporting', @begun + n * @each, 0, @begun + n * @each, @begun + n * @each, @begun + n * @each, @expires, 'likely_real', 0.1, 'none',
            lower(hex(randomblob(32))), hex(randomblob(350)), hex(randomblob(750))
        FROM past
        """;

    private const string Hashes = """
        INSERT INTO perceptual_hashes (analysis_id, tenant, hash, band0, band1, band2, band3)
        SELECT id, tenant, lower(hex(randomblob(8))), abs(random()) % 65536, abs(random()) % 65536, abs(random()) % 65536, abs(random()) % 65536 FROM analyses
        """;

    public static async Task RunAsync(Bench bench, CancellationToken cancellationToken)
    {
        string full = bench.NewFolder("kept");
        await FillAsync(Path.Combine(full, "data"), cancellationToken);
        await using var without = await Noop.StartAsync(bench, distributed: false, cancellationToken);
        await using var with = await Noop.StartAsync(bench, distributed: false, cancellationToken, folder: full);
        await without.WarmUntilCompiledAsync(cancellationToken);
        await with.WarmUntilCompiledAsync(cancellationToken);
        var (empty, kept) = (new List<double>(), new List<double>());
        for (int turn = 0; turn < Turns; turn++)
        {
            // Whoever comes second on a machine that is slowing down would lose.
            foreach (bool history in new[] { turn % 2 == 0, turn % 2 != 0 })
            {
                double cpu = ProcessTree.CpuSeconds();
                await (history ? with : without).Load.SaturateAsync(
                    Pictures.Tiny, Jobs,
                    () =>
                    {
                        (history ? kept : empty).Add(1000 * (ProcessTree.CpuSeconds() - cpu) / Jobs);
                        return Task.CompletedTask;
                    },
                    cancellationToken);
            }

            Bench.Say($"  empty {empty[^1]:0.0} ms of processor a job, {Analyses:N0} kept {kept[^1]:0.0}");
        }

        var ratios = kept.Zip(empty, (k, e) => k / e).ToList();
        bench.Result["growth_with_kept"] = new JsonObject
        {
            ["analyses"] = Analyses, ["cpu_ms_per_job_empty"] = Bench.Number(Percentiles.Median(empty)), ["cpu_ms_per_job"] = Bench.Number(Percentiles.Median(kept)),
            ["ratio"] = Bench.Number(Percentiles.Median(ratios), 3), ["ratio_bounds_95"] = Bench.Bounds(ratios),
        };
        Bench.Say($"  with {Analyses:N0} analyses kept a job costs {Percentiles.Median(ratios):0.00} times what it costs with none");
    }

    private static async Task FillAsync(string data, CancellationToken cancellationToken)
    {
        await using var database = new PlatformDatabase(new PlatformSettings { ServiceName = "bench", DataDirectory = data, ModelsDirectory = data });
        await new SchemaMigrator(database, TimeProvider.System, NullLogger<SchemaMigrator>.Instance).StartAsync(cancellationToken);
        var month = TimeSpan.FromDays(30);
        var now = TimeProvider.System.GetUtcNow();
        await database.ExecuteAsync(
            Fill,
            new { count = Analyses, begun = (now - month).ToUnixTimeMilliseconds(), each = (long)month.TotalMilliseconds / Analyses, expires = (now + month).ToUnixTimeMilliseconds() },
            cancellationToken);
        await database.ExecuteAsync(Hashes, null, cancellationToken);
    }
}
