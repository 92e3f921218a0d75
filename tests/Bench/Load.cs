using Palimpsest.Contracts;
using Palimpsest.Local.Client;

namespace Palimpsest.Bench;

/// <summary>What a client does: different pictures of 512x384, so that no answer comes from the cache unless that is what is measured.</summary>
internal sealed class Load(PalimpsestClient client, TimeProvider time)
{
    private const int Concurrency = 16;
    private static readonly SubmitOptions Waiting = new() { WaitSeconds = 60, Analysis = new AnalysisOptions { Detectors = DetectorNames.Shallowfake } };
    private static readonly SubmitOptions Sending = Waiting with { WaitSeconds = null };

    private int seed;

    public async Task WarmUpAsync(CancellationToken cancellationToken)
    {
        for (int i = 0; i < 5; i++)
        {
            await FinishedAsync(BenchPictures.Jpeg(++seed), cancellationToken);
        }
    }

    /// <summary>One picture at a time, nothing else: POST to succeeded, and what of it was not the localizers'.</summary>
    public async Task<(Percentiles Latency, Percentiles Overhead)> SingleAsync(int count, CancellationToken cancellationToken)
    {
        var (latency, overhead) = (new List<double>(), new List<double>());
        for (int i = 0; i < count; i++)
        {
            byte[] picture = BenchPictures.Jpeg(++seed);
            long start = time.GetTimestamp();
            var finished = await FinishedAsync(picture, cancellationToken);
            double total = time.GetElapsedTime(start).TotalMilliseconds;
            latency.Add(total);
            overhead.Add(total - finished.Detectors.Sum(d => d.DurationMs ?? 0));
        }

        return (Percentiles.Of(latency), Percentiles.Of(overhead));
    }

    /// <summary>As much as it takes: images a second from the first POST to the last result, and how long the POSTs took.</summary>
    public async Task<(double ImagesPerSecond, Percentiles Submit)> SaturateAsync(int count, CancellationToken cancellationToken)
    {
        byte[][] pictures = [.. Enumerable.Range(0, count).Select(_ => BenchPictures.Jpeg(++seed))];
        var (ids, submit) = (new string[count], new double[count]);
        long start = time.GetTimestamp();
        await Parallel.ForAsync(0, count, new ParallelOptions { MaxDegreeOfParallelism = Concurrency, CancellationToken = cancellationToken }, async (i, token) =>
        {
            long sent = time.GetTimestamp();
            ids[i] = (await client.SubmitAsync(new MemoryStream(pictures[i]), "p.jpg", Sending, token)).Id;
            submit[i] = time.GetElapsedTime(sent).TotalMilliseconds;
        });
        foreach (string id in ids)
        {
            Check(await client.WaitAsync(id, TimeSpan.FromMinutes(10), cancellationToken));
        }

        return (count / time.GetElapsedTime(start).TotalSeconds, Percentiles.Of(submit));
    }

    /// <summary>The same picture again and again.</summary>
    public async Task<Percentiles> CacheHitsAsync(int count, CancellationToken cancellationToken)
    {
        byte[] picture = BenchPictures.Jpeg(++seed);
        await FinishedAsync(picture, cancellationToken);
        var times = new List<double>();
        for (int i = 0; i < count; i++)
        {
            long start = time.GetTimestamp();
            var again = await client.SubmitAsync(new MemoryStream(picture), "p.jpg", Sending, cancellationToken);
            times.Add(time.GetElapsedTime(start).TotalMilliseconds);
            if (!again.Cached)
            {
                throw new InvalidOperationException("A repeated picture was not answered from the cache.");
            }
        }

        return Percentiles.Of(times);
    }

    private async Task<AnalysisDocument> FinishedAsync(byte[] picture, CancellationToken cancellationToken)
    {
        var answer = await client.SubmitAsync(new MemoryStream(picture), "p.jpg", Waiting, cancellationToken);
        return Check(AnalysisStatuses.IsTerminal(answer.Status) ? answer : await client.WaitAsync(answer.Id, TimeSpan.FromMinutes(5), cancellationToken));
    }

    // A figure made of failures would be a fine figure.
    private static AnalysisDocument Check(AnalysisDocument finished) => finished is { Status: AnalysisStatuses.Succeeded, Cached: false }
        ? finished
        : throw new InvalidOperationException($"{finished.Id} ended as {finished.Status}{(finished.Cached ? ", from the cache" : "")}: {finished.Error?.Detail}");
}
