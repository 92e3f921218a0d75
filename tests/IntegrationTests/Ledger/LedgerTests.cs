using System.Globalization;
using Palimpsest.Local.Servers;

namespace Palimpsest.IntegrationTests.Ledger;

/// <summary>
/// "A 202 is a promise": everything is killed and every connection bent, in seeded order, while submissions stream in; then every promise is looked up. The platform runs with the
/// settings it is shipped with. <c>PALIMPSEST_LEDGER</c> sets the number of submissions, <c>PALIMPSEST_LEDGER_SEED</c> the order of things,
/// <c>PALIMPSEST_LEDGER_MINUTES</c> when to stop submitting, <c>PALIMPSEST_LEDGER_ONLY</c> what is struck: a part of its name.
/// </summary>
public sealed class LedgerTests
{
    // In CI: every process dies once, and some connections are bent on the way.
    private const int Few = 200, FewKills = 9, FewBends = 6, MostRounds = 126;

    private static int Seed => Number("PALIMPSEST_LEDGER_SEED", 20_261_122);

    private static int Submissions => Number("PALIMPSEST_LEDGER", Few);

    [SkippableFact]
    public async Task Distributed_nothing_is_lost()
    {
        Skip.IfNot(
            RabbitMqServer.IsInstalled && RedisServer.IsInstalled && PostgresServer.IsInstalled, "It kills servers of its own, from the machine's packages.");
        // Each kill ten times, each bend twice; with more submissions the bursts grow, not their number.
        int rounds = Math.Clamp(Submissions / 50, 1, MostRounds);
        await using var platform = await DistributedLedgerPlatform.StartAsync();
        await CloseAsync(platform, "distributed", Submissions, Math.Max(FewKills, rounds * 5 / 7), Math.Max(FewBends, rounds * 2 / 7));
    }

    [Fact]
    public async Task Embedded_nothing_is_lost()
    {
        await using var platform = await EmbeddedLedgerPlatform.StartAsync();
        await CloseAsync(platform, "embedded", Math.Min(Submissions, Math.Max(Submissions / 10, 80)), Math.Max(4, Submissions / 500), 2);
    }

    private static async Task CloseAsync(ILedgerPlatform platform, string mode, int submissions, int kills, int bends)
    {
        var pictures = await LedgerPictures.MakeAsync();
        var book = new LedgerBook(platform.Client, pictures, platform.Webhook);
        var struck = await new Chaos(platform, book, Seed, Environment.GetEnvironmentVariable("PALIMPSEST_LEDGER_ONLY") ?? "", line => Console.WriteLine($"{mode} {line}")).RunAsync(submissions, kills, bends, TimeSpan.FromMinutes(Number("PALIMPSEST_LEDGER_MINUTES", 60)));
        var audit = new LedgerAudit(platform, book, pictures);
        await audit.SettleAsync();
        Console.WriteLine($"{mode} settled: {book.Entries.Count} submissions, nothing left in rows, outbox, queues or deliveries");
        var account = await audit.CompareAsync();

        Console.WriteLine(
            $"submitted {account.Submitted} accepted {account.Accepted} succeeded {account.Succeeded} lost {account.Lost} duplicated {account.Duplicated} webhooks {account.Webhooks} kills {struck.Sum(s => s.Kills)}");
        Console.WriteLine(
            $"{mode}, seed {Seed}: beside these {book.Entries.Count(e => e.Kind == Kind.Poison)} poisoned and {book.Entries.Count(e => e.Kind == Kind.NoPicture)} no pictures; "
            + $"other answers {string.Join(", ", book.Refusals.OrderBy(r => r.Key).Select(r => $"{r.Value} x {r.Key}"))}; {book.Unanswered} attempts without an answer; "
            + $"slowest recovery from one kill {struck.Where(s => s.Allowed < TimeSpan.MaxValue).Max(s => s.Recovered).TotalSeconds:0.0} s");
        account.Wrong.ShouldBeEmpty();
        (account.Lost, account.Duplicated).ShouldBe((0, 0));
        account.Succeeded.ShouldBe(account.Submitted);
        account.Webhooks.ShouldBe(account.Submitted);
        book.Refusals.Keys.ShouldAllBe(status => (status >= 400 && status < 500) || status == 503);
        struck.Where(s => s.Recovered > s.Allowed).ShouldBeEmpty();
    }

    private static int Number(string variable, int otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
}
