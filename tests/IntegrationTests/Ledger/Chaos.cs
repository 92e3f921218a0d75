using System.Data.Common;
using System.Diagnostics;
using System.Threading.Channels;

namespace Palimpsest.IntegrationTests.Ledger;

/// <summary>One strike and what came of it.</summary>
/// <param name="Name">Which.</param>
/// <param name="Kills">Processes that died of it.</param>
/// <param name="At">Since the start.</param>
/// <param name="Recovered">Time until everything accepted before it, and after a kill one submission made right after it, had ended.</param>
/// <param name="Allowed">Of <paramref name="Recovered"/>.</param>
internal sealed record Struck(string Name, int Kills, TimeSpan At, TimeSpan Recovered, TimeSpan Allowed)
{
    public override string ToString() => $"{At.TotalSeconds,7:0.0} s  {Name}: all done after {Recovered.TotalSeconds:0.0} s";
}

/// <summary>
/// Strikes in seeded order while submissions stream in: a share of them is set free with each round, and in the middle of that burst something is killed or bent. Every kill and every
/// bend comes once before any comes again. One thing at a time, so that recovery can be told.
/// </summary>
/// <param name="platform">Is struck.</param>
/// <param name="book">Submits.</param>
/// <param name="seed">Of the order.</param>
/// <param name="only">Strikes with this in their name only; empty: all.</param>
/// <param name="say">Told of each.</param>
internal sealed class Chaos(ILedgerPlatform platform, LedgerBook book, int seed, string only, Action<string> say)
{
    // A burst of eighty from four would last longer than what happens in it.
    private const int Clients = 4, ClientsOfMany = 8, Many = 2_000;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);

    private readonly Random random = new(seed);
    private readonly long start = Stopwatch.GetTimestamp();

    /// <summary>Submits so many, strikes so often; stops with what was submitted by then when <paramref name="most"/> is over.</summary>
    public async Task<IReadOnlyList<Struck>> RunAsync(int submissions, int kills, int bends, TimeSpan most)
    {
        var released = Channel.CreateUnbounded<int>();
        var clients = Enumerable.Range(0, submissions >= Many ? ClientsOfMany : Clients).Select(_ => SubmitAsync(released.Reader)).ToList();
        var strikes = Order(kills, bends);
        var struck = new List<Struck>();
        for (int round = 0, free = 0; round < strikes.Count && Stopwatch.GetElapsedTime(start) < most; round++)
        {
            for (; free < (long)submissions * (round + 1) / strikes.Count; free++)
            {
                released.Writer.TryWrite(free);
            }

            await Task.Delay(random.Next(200, 1500));
            struck.Add(strikes[round].Kill ? await KillAsync(strikes[round]) : await BendAsync(strikes[round]));
            say($"{struck[^1]} ({free} set free)");
        }

        released.Writer.Complete();
        await Task.WhenAll(clients);
        return struck;
    }

    private List<Strike> Order(int kills, int bends)
    {
        var all = Deck(Named(platform.Kills), kills).Concat(Deck(Named(platform.Bends), bends)).ToArray();
        random.Shuffle(all);
        return [.. all];
    }

    private List<Strike> Named(IReadOnlyList<Strike> strikes) => [.. strikes.Where(s => s.Name.Contains(only, StringComparison.Ordinal))];

    private IEnumerable<Strike> Deck(IReadOnlyList<Strike> strikes, int count)
    {
        for (int left = count; left > 0 && strikes.Count > 0; left -= strikes.Count)
        {
            Strike[] shuffled = [.. strikes];
            random.Shuffle(shuffled);
            foreach (var strike in shuffled.Take(left))
            {
                yield return strike;
            }
        }
    }

    private async Task SubmitAsync(ChannelReader<int> released)
    {
        await foreach (int _ in released.ReadAllAsync())
        {
            await book.SubmitNextAsync();
        }
    }

    /// <summary>A bend, and now and then a kill on top of it. Everything may take its time; it is waited for, because the next kill is to be measured alone.</summary>
    private async Task<Struck> BendAsync(Strike strike)
    {
        var at = Stopwatch.GetElapsedTime(start);
        var bent = strike.Act(random);
        string name = strike.Name;
        int kills = 0;
        if (random.Next(3) == 0)
        {
            var kill = platform.Kills[random.Next(platform.Kills.Count)];
            name += " and " + kill.Name;
            kills = 1;
            await kill.Act(random);
        }

        await bent;
        await UntilEndedAsync(await UnfinishedAsync());
        return new Struck(name, kills, at, Stopwatch.GetElapsedTime(start) - at, TimeSpan.MaxValue);
    }

    private async Task<Struck> KillAsync(Strike strike)
    {
        var before = await UnfinishedAsync();
        var at = Stopwatch.GetElapsedTime(start);
        var act = strike.Act(random);
        Entry after;
        do
        {
            after = await book.SubmitNextAsync();
        }
        while (after.AnalysisId is null);

        await act;
        await book.EndedAsync(after.AnalysisId);
        await UntilEndedAsync(before);
        return new Struck(strike.Name, 1, at, Stopwatch.GetElapsedTime(start) - at, strike.Recovery);
    }

    private async Task UntilEndedAsync(IReadOnlySet<string> ids)
    {
        long since = Stopwatch.GetTimestamp();
        while ((await UnfinishedAsync()).Where(ids.Contains).ToList() is { Count: > 0 } left)
        {
            (Stopwatch.GetElapsedTime(since) < Patience).ShouldBeTrue($"{left.Count} analyses are still unfinished, among them {left[0]}");
            await Task.Delay(250);
        }
    }

    private async Task<IReadOnlySet<string>> UnfinishedAsync()
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return (await platform.Database.QueryAsync<string>("SELECT id FROM analyses WHERE stage_due IS NOT NULL", null, CancellationToken.None)).ToHashSet(StringComparer.Ordinal);
            }
            catch (Exception e) when (e is DbException or TimeoutException && attempt < 120)
            {
                // It is the database that was struck.
                await Task.Delay(250);
            }
        }
    }
}
