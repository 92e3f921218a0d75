using Palimpsest.Contracts;
using Palimpsest.Local.Client;

namespace Palimpsest.Bench;

/// <summary>What clients do.</summary>
internal sealed class Load(PalimpsestClient client, TimeProvider time)
{
    /// <summary>Of <see cref="SteadyAsync"/>.</summary>
    public const int InFlight = 8;

    private const int Concurrency = 16;
    private static readonly SubmitOptions Waiting = new() { WaitSeconds = 60 };
    private static readonly SubmitOptions Sending = new();

    /// <summary>One picture at a time, nothing else: POST to succeeded, and what of it was not the localizers'.</summary>
    public async Task<(Percentiles Latency, Percentiles Overhead)> SingleAsync(Pictures pictures, int count, CancellationToken cancellationToken)
    {
        var (latency, overhead) = (new List<double>(), new List<double>());
        for (int i = 0; i < count; i++)
        {
            byte[] picture = pictures.Next();
            long start = time.GetTimestamp();
            var finished = await FinishedAsync(picture, cancellationToken);
            double total = time.GetElapsedTime(start).TotalMilliseconds;
            latency.Add(total);
            overhead.Add(total - finished.Detectors.Sum(d => d.DurationMs ?? 0));
        }

        return (Percentiles.Of(latency), Percentiles.Of(overhead));
    }

    /// <summary>Everything at once: images a second from the first POST to the last result, by the reports' own times.</summary>
    /// <param name="pictures">What is sent.</param>
    /// <param name="count">How many.</param>
    /// <param name="ended">Called when all have ended, before their results are fetched one by one.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<double> SaturateAsync(Pictures pictures, int count, Func<Task>? ended, CancellationToken cancellationToken)
    {
        byte[][] bytes = pictures.Next(count);
        var ids = new string[count];
        var start = time.GetUtcNow();
        await Parallel.ForAsync(0, count, new ParallelOptions { MaxDegreeOfParallelism = Concurrency, CancellationToken = cancellationToken }, async (i, token) =>
            ids[i] = (await client.SubmitAsync(new MemoryStream(bytes[i]), "p.jpg", Sending, token)).Id);
        // The last one first: the others are done by then, and polling costs the processor that is measured.
        await client.WaitAsync(ids[^1], TimeSpan.FromMinutes(10), cancellationToken);
        if (ended is not null)
        {
            await ended();
        }

        var ends = await EndsAsync(ids, cancellationToken);
        return count / (ends.Max() - start).TotalSeconds;
    }

    /// <summary>When each of these ended; waits for those that have not.</summary>
    /// <exception cref="InvalidOperationException">One did not succeed: a figure made of failures would be a fine figure.</exception>
    public async Task<IReadOnlyList<DateTimeOffset>> EndsAsync(IEnumerable<string> ids, CancellationToken cancellationToken)
    {
        var ends = new List<DateTimeOffset>();
        foreach (string id in ids)
        {
            ends.Add(Check(await client.WaitAsync(id, TimeSpan.FromMinutes(10), cancellationToken)).CompletedAt!.Value);
        }

        return ends;
    }

    /// <summary>
    /// The same number of pictures in flight all the time, so that every stage has work: images a second. What ended while the line was filling or running empty is left out.
    /// </summary>
    public Task<double> SteadyAsync(IReadOnlyList<byte[]> pictures, CancellationToken cancellationToken) =>
        SteadyAsync(pictures.Count, InFlight, (i, token) => FinishedAsync(pictures[i], token), time, cancellationToken);

    /// <summary>The same of any work that clients wait for.</summary>
    public static async Task<double> SteadyAsync(int count, int clients, Func<int, CancellationToken, Task> work, TimeProvider time, CancellationToken cancellationToken)
    {
        var ends = new TimeSpan[count];
        long start = time.GetTimestamp();
        await Parallel.ForAsync(0, count, new ParallelOptions { MaxDegreeOfParallelism = clients, CancellationToken = cancellationToken }, async (i, token) =>
        {
            await work(i, token);
            ends[i] = time.GetElapsedTime(start);
        });
        Array.Sort(ends);
        return (count - (2 * clients)) / (ends[count - clients - 1] - ends[clients - 1]).TotalSeconds;
    }

    /// <summary>As many different results as the cache of one process keeps, of tiny pictures: until it is full, it grows with every picture.</summary>
    public Task FillCacheAsync(int entries, CancellationToken cancellationToken) =>
        Parallel.ForAsync(0, entries, new ParallelOptions { MaxDegreeOfParallelism = InFlight, CancellationToken = cancellationToken }, async (_, token) => await FinishedAsync(Pictures.Tiny.Next(), token));

    /// <summary>A few clients that each want a picture's score and its full-size mask before they send the next.</summary>
    public Task<double> WithMasksAsync(IReadOnlyList<byte[]> pictures, int clients, CancellationToken cancellationToken) => SteadyAsync(
        pictures.Count, clients,
        async (i, token) =>
        {
            var finished = await FinishedAsync(pictures[i], token);
            await client.MaskAsync(finished.Id, token);
        },
        time, cancellationToken);

    /// <summary>POSTs at a fixed rate, whatever becomes of them: times of the answers, from when each was due to be sent, and how many were accepted.</summary>
    public async Task<OpenArrivals> ArriveAsync(IReadOnlyList<byte[]> pictures, double perSecond, TimeSpan duration, CancellationToken cancellationToken)
    {
        var answers = new List<Task<(double Milliseconds, string? Id)>>();
        long start = time.GetTimestamp();
        for (int i = 0; time.GetElapsedTime(start) < duration; i++)
        {
            answers.Add(PostAsync(pictures[i % pictures.Count], TimeSpan.FromSeconds(i / perSecond)));
            var wait = TimeSpan.FromSeconds((i + 1) / perSecond) - time.GetElapsedTime(start);
            if (wait > TimeSpan.Zero)
            {
                await Task.Delay(wait, time, cancellationToken);
            }
        }

        var all = await Task.WhenAll(answers);
        return new OpenArrivals(
            [.. all.Where(a => a.Id is not null).Select(a => a.Milliseconds)], [.. all.Where(a => a.Id is null).Select(a => a.Milliseconds)], [.. all.Select(a => a.Id).OfType<string>()]);

        async Task<(double, string?)> PostAsync(byte[] picture, TimeSpan due)
        {
            try
            {
                string id = (await client.SubmitAsync(new MemoryStream(picture), "p.jpg", Sending, cancellationToken)).Id;
                return ((time.GetElapsedTime(start) - due).TotalMilliseconds, id);
            }
            catch (PalimpsestProblemException e) when ((int)e.Status is 429 or 503)
            {
                return ((time.GetElapsedTime(start) - due).TotalMilliseconds, null);
            }
        }
    }

    /// <summary>The same picture again and again.</summary>
    public async Task<Percentiles> CacheHitsAsync(Pictures pictures, int count, CancellationToken cancellationToken)
    {
        byte[] picture = pictures.Next();
        await FinishedAsync(picture, cancellationToken);
        // A result enters the cache just after it is saved.
        for (int i = 0; i < 20 && !(await client.SubmitAsync(new MemoryStream(picture), "p.jpg", Sending, cancellationToken)).Cached; i++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(50), time, cancellationToken);
        }

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

    public async Task<AnalysisDocument> FinishedAsync(byte[] picture, CancellationToken cancellationToken)
    {
        var answer = await client.SubmitAsync(new MemoryStream(picture), "p.jpg", Waiting, cancellationToken);
        return Check(AnalysisStatuses.IsTerminal(answer.Status) ? answer : await client.WaitAsync(answer.Id, TimeSpan.FromMinutes(5), cancellationToken));
    }

    private static AnalysisDocument Check(AnalysisDocument finished) => finished is { Status: AnalysisStatuses.Succeeded, Cached: false }
        ? finished
        : throw new InvalidOperationException($"{finished.Id} ended as {finished.Status}{(finished.Cached ? ", from the cache" : "")}: {finished.Error?.Detail}");
}

/// <summary>What came of arrivals at a fixed rate.</summary>
/// <param name="Accepted">Milliseconds to 202.</param>
/// <param name="Refused">Milliseconds to 429 or 503.</param>
/// <param name="Ids">Of the accepted.</param>
internal sealed record OpenArrivals(IReadOnlyList<double> Accepted, IReadOnlyList<double> Refused, IReadOnlyList<string> Ids);
