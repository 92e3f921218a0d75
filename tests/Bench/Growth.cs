using System.Diagnostics;
using System.Text.Json.Nodes;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Bench;

/// <summary>How time and memory grow: with what is queued, with the size of pictures, with what is in flight, and with the hours.</summary>
internal static class Growth
{
    private const int Quarters = 4;

    /// <summary>
    /// 10 to 10,000 jobs that wait while the decoders are held, then are worked off: milliseconds a job, and the most memory meanwhile. Of the longest also quarter by quarter: the first is
    /// worked off before three others, the last before none, and by then the queue is short: its speed is the steady one.
    /// </summary>
    public static async Task QueueAsync(Bench bench, CancellationToken cancellationToken)
    {
        await using var running = await Noop.StartAsync(bench, distributed: false, cancellationToken, new Dictionary<string, string?>(StringComparer.Ordinal) { ["Decoder:Timeout"] = "01:00:00" });
        await running.WarmUntilCompiledAsync(cancellationToken);
        byte[][] pictures = Pictures.Tiny.Next(11_110);
        var rows = new JsonArray();
        int from = 0;
        foreach (int queued in new[] { 10, 100, 1_000, 10_000 })
        {
            Running.Pause("Palimpsest.Decoder");
            double done = await DoneAsync(running);
            int first = from;
            await Parallel.ForAsync(0, queued, new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = cancellationToken }, async (i, token) =>
                await running.Client.SubmitAsync(new MemoryStream(pictures[first + i]), "p.png", cancellationToken: token));
            from += queued;
            long start = Stopwatch.GetTimestamp(), most = ProcessTree.ResidentBytes();
            double looked = 1;
            var passed = new List<(double Done, double Ms)> { (0, 0) };
            Running.Resume("Palimpsest.Decoder");
            for (double ended = 0; ended < queued;)
            {
                await Task.Delay(queued < 1000 ? 10 : 100, cancellationToken);
                ended = await DoneAsync(running) - done;
                if (Stopwatch.GetElapsedTime(start).TotalSeconds > looked)
                {
                    // Each look reads all of /proc on the processors that are measured.
                    most = Math.Max(most, ProcessTree.ResidentBytes());
                    looked += 1;
                }

                if (ended >= queued * (double)passed.Count / Quarters)
                {
                    passed.Add((ended, Stopwatch.GetElapsedTime(start).TotalMilliseconds));
                }
            }

            if (await NotDoneAsync(running) > 0)
            {
                throw new InvalidOperationException("Jobs failed: their end is no work.");
            }

            double each = Stopwatch.GetElapsedTime(start).TotalMilliseconds / queued;
            double[] quarters = [.. passed.Zip(passed.Skip(1), (a, b) => (b.Ms - a.Ms) / (b.Done - a.Done))];
            rows.Add(new JsonObject
            {
                ["queued"] = queued, ["ms_per_job"] = Bench.Number(each), ["ms_per_job_by_quarter"] = new JsonArray([.. quarters.Select(q => Bench.Number(q))]), ["resident_mb"] = most >> 20,
            });
            Bench.Say($"  {queued} queued: {each:0.00} ms a job (by quarters {string.Join(", ", quarters.Select(q => $"{q:0.00}"))}), at most {most >> 20} MB");
            bench.Result["queue_drain_share_of_steady_speed"] = Bench.Number(quarters[^1] / quarters.Take(Quarters - 1).Average(), 3);
        }

        bench.Result["growth_with_queue"] = rows;
    }

    /// <summary>0.1 to 50 megapixels, one at a time: milliseconds a picture, and the most memory meanwhile.</summary>
    public static async Task PixelsAsync(Bench bench, CancellationToken cancellationToken)
    {
        await using var running = await Running.EmbeddedAsync(bench.NewFolder("pixels"), null, cancellationToken);
        await running.WarmAsync(Pictures.Small, 30, cancellationToken);
        var rows = new JsonArray();
        foreach (var pictures in new[] { new Pictures(368, 272), new Pictures(816, 612), Pictures.Megapixel, new Pictures(1632, 1224), new Pictures(2304, 1728), new Pictures(4000, 3000), new Pictures(8160, 6120) })
        {
            var times = new List<double>();
            long most = 0;
            for (int i = 0; i < 3; i++)
            {
                byte[] bytes = pictures.Next();
                long start = Stopwatch.GetTimestamp();
                var finished = running.Load.FinishedAsync(bytes, cancellationToken);
                while (!finished.IsCompleted)
                {
                    most = Math.Max(most, ProcessTree.ResidentBytes());
                    await Task.WhenAny(finished, Task.Delay(100, cancellationToken));
                }

                await finished;
                times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            }

            double megapixels = pictures.Width * pictures.Height / 1e6;
            rows.Add(new JsonObject { ["megapixels"] = Bench.Number(megapixels), ["ms"] = Bench.Number(Percentiles.Median(times)), ["resident_mb"] = most >> 20 });
            Bench.Say($"  {megapixels:0.0} MP: {Percentiles.Median(times):0} ms, at most {most >> 20} MB");
        }

        bench.Result["growth_with_pixels"] = rows;
    }

    /// <summary>Megapixel pictures in flight: the most memory with 1, 16 and 128 of them, and what each more costs.</summary>
    public static async Task MemoryAsync(Bench bench, CancellationToken cancellationToken)
    {
        await using var running = await Running.EmbeddedAsync(bench.NewFolder("memory"), null, cancellationToken);
        await running.WarmAsync(Pictures.Megapixel, 24, cancellationToken);
        var rows = new JsonArray();
        var peaks = new List<(int InFlight, long Bytes)>();
        foreach (int inFlight in new[] { 1, 16, 128 })
        {
            var work = running.Load.SaturateAsync(Pictures.Megapixel, inFlight, null, cancellationToken);
            long most = 0;
            while (!work.IsCompleted)
            {
                most = Math.Max(most, ProcessTree.ResidentBytes());
                await Task.WhenAny(work, Task.Delay(50, cancellationToken));
            }

            await work;
            peaks.Add((inFlight, most));
            rows.Add(new JsonObject { ["in_flight"] = inFlight, ["resident_mb"] = most >> 20 });
            Bench.Say($"  {inFlight} in flight: at most {most >> 20} MB");
        }

        bench.Result["memory_in_flight"] = rows;
        bench.Result["memory_mb_per_picture_in_flight"] = Bench.Number((peaks[^1].Bytes - peaks[0].Bytes) / 1048576.0 / (peaks[^1].InFlight - peaks[0].InFlight));
    }

    /// <summary>Steady work for some minutes: does memory or the number of open files creep?</summary>
    public static async Task SoakAsync(Bench bench, CancellationToken cancellationToken)
    {
        await using var running = await Running.EmbeddedAsync(bench.NewFolder("soak"), null, cancellationToken);
        // Whatever grows after this is not the result cache: it is as full as it gets.
        await running.Load.FillCacheAsync(InMemoryPlatformCache.Most, cancellationToken);
        await running.WarmAsync(Pictures.Small, 100, cancellationToken);
        var samples = new List<(double Hours, double Bytes, int Handles)>();
        long start = Stopwatch.GetTimestamp();
        int count = 0;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var clients = Enumerable.Range(0, 4).Select(async _ =>
        {
            while (!stop.IsCancellationRequested)
            {
                await running.Load.FinishedAsync(Pictures.Small.Next(), cancellationToken);
                Interlocked.Increment(ref count);
            }
        }).ToList();
        while (Stopwatch.GetElapsedTime(start).TotalMinutes < bench.Minutes && !clients.Exists(c => c.IsFaulted))
        {
            await Task.Delay(TimeSpan.FromSeconds(2), cancellationToken);
            samples.Add((Stopwatch.GetElapsedTime(start).TotalHours, ProcessTree.ResidentBytes(), ProcessTree.Handles()));
        }

        await stop.CancelAsync();
        await Task.WhenAll(clients);
        var steady = samples.Skip(samples.Count / 3).ToList();
        double meanBytes = steady.Average(s => s.Bytes), slope = Slope(steady);
        // Garbage is swept every few minutes, and until then it stands: what each sweep leaves says more of a leak than a window of a few teeth of the saw.
        double floor = Slope([.. steady.Chunk(Math.Max(1, steady.Count / 5)).Where(c => c.Length >= steady.Count / 5).Select(c => c.MinBy(s => s.Bytes))]);
        bench.Result["soak"] = new JsonObject
        {
            ["minutes"] = Bench.Number(bench.Minutes), ["pictures"] = count, ["resident_mb"] = (long)meanBytes >> 20, ["resident_slope_percent_per_hour"] = Bench.Number(100 * slope / meanBytes),
            ["resident_floor_slope_percent_per_hour"] = Bench.Number(100 * floor / meanBytes),
            ["handles_first"] = steady[0].Handles, ["handles_last"] = steady[^1].Handles, ["warm_up_share"] = Bench.Number(1.0 / 3),
        };
        Bench.Say($"  {count} pictures, {(long)meanBytes >> 20} MB, {100 * slope / meanBytes:+0.0;-0.0} %/h, its floor {100 * floor / meanBytes:+0.0;-0.0} %/h, handles {steady[0].Handles} to {steady[^1].Handles}");
    }

    /// <summary>Bytes an hour, by least squares.</summary>
    private static double Slope(List<(double Hours, double Bytes, int Handles)> samples)
    {
        double meanHours = samples.Average(s => s.Hours), meanBytes = samples.Average(s => s.Bytes);
        return samples.Sum(s => (s.Hours - meanHours) * (s.Bytes - meanBytes)) / samples.Sum(s => (s.Hours - meanHours) * (s.Hours - meanHours));
    }

    private static Task<double> DoneAsync(Running running) => running.MetricAsync("palimpsest_images_total");

    private static async Task<double> NotDoneAsync(Running running) =>
        await running.MetricAsync("palimpsest_images_total", $"\"{AnalysisStatuses.Failed}\"") + await running.MetricAsync("palimpsest_images_total", $"\"{AnalysisStatuses.Canceled}\"");
}
