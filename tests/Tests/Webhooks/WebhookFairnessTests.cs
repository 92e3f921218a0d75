using Palimpsest.Hosting;
using Palimpsest.Reporting.Webhooks;

namespace Palimpsest.Tests.Webhooks;

/// <summary>Whose deliveries go out when some tenants' receivers hang, ask for a pause, or are many.</summary>
public sealed class WebhookFairnessTests
{
    private static readonly string[] HangingTenants = ["hanging-1", "hanging-2", "hanging-3", "hanging-4"];

    [Fact]
    public async Task Four_tenants_whose_receivers_hang_leave_the_fifth_its_place()
    {
        await using var fixture = await SenderFixture.CreateAsync();
        (fixture.Options.MaxInFlight, fixture.Options.MaxPerTenant) = (8, 2);
        await using var hanging = await Receiver.StartAsync();
        await using var quick = await Receiver.StartAsync();
        hanging.Otherwise = context => Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
        foreach (string tenant in HangingTenants)
        {
            await fixture.Database.ExecuteAsync("INSERT INTO tenants (id, webhook_secret, created_at) VALUES (@tenant, @Secret, 0)", new { tenant, fixture.Secret }, default);
            for (int i = 0; i < 10; i++)
            {
                await fixture.FinishAsync(hanging.Url, r => r with { Tenant = tenant });
            }
        }

        await fixture.StartSenderAsync();
        await Task.Delay(300); // as many of those as there may be are on their way
        for (int i = 0; i < 10; i++)
        {
            await fixture.FinishAsync(quick.Url);
        }

        // The clock stands still: no receiver has timed out.
        await fixture.UntilAsync(log => log.Count == 10 && log.All(d => d.State == "delivered"));
    }

    [Fact]
    public async Task A_claim_is_fair_between_tenants()
    {
        await using var fixture = await SenderFixture.CreateAsync();
        await ClaimsAreFairAsync(fixture);
    }

    /// <summary>The statement of the claim, on either database.</summary>
    internal static async Task ClaimsAreFairAsync(SenderFixture fixture)
    {
        var now = fixture.Time.GetUtcNow();
        foreach (string tenant in HangingTenants)
        {
            for (int target = 0; target < 4; target++)
            {
                await AddAsync(fixture, tenant, target, 5, now.AddMinutes(-10));
            }
        }

        var claimed = await ClaimAsync(64);
        claimed.GroupBy(d => d.Tenant).Select(g => (g.Key, g.Count())).Order().ToArray().ShouldBe(HangingTenants.Select(t => (t, 14)).ToArray(), "and eight places are left for others");
        claimed.GroupBy(d => d.Target).ShouldAllBe(g => g.Count() <= 4);
        (await ClaimAsync(8)).ShouldBeEmpty();

        for (int target = 0; target < 3; target++)
        {
            await AddAsync(fixture, "fifth", target, 5, now.AddSeconds(-1));
        }

        (await ClaimAsync(8)).Select(d => (d.Tenant, d.Target)).Order().ToArray().ShouldBe(
            [("fifth", "fifth 0"), ("fifth", "fifth 0"), ("fifth", "fifth 1"), ("fifth", "fifth 1"), ("fifth", "fifth 2")], "its receivers in turn, and three places for a sixth");

        // One of those that hang timed out; all that waits for it is ten minutes older.
        await fixture.Store.ReleaseAsync(claimed[0].Id, default);
        (await ClaimAsync(4)).Select(d => d.Tenant).ShouldBe(["fifth"]);

        Task<IReadOnlyList<Delivery>> ClaimAsync(int room) => fixture.Store.ClaimAsync(room, 4, 16, TimeSpan.FromSeconds(30), default);
    }

    [Fact]
    public async Task Answers_that_ask_for_a_pause_one_after_the_other_write_once_to_what_waits()
    {
        await using var fixture = await SenderFixture.CreateAsync();
        // At the beginning of ten seconds.
        fixture.Time.Advance(TimeSpan.FromMilliseconds(10_000 - (fixture.Time.GetUtcNow().ToUnixTimeMilliseconds() % 10_000)));
        int arrived = 0;
        await using var receiver = await Receiver.StartAsync();
        receiver.Otherwise = async context =>
        {
            int before = Interlocked.Increment(ref arrived) - 1;
            await fixture.UntilAsync(log => log.Sum(d => d.Attempts) == before);
            fixture.Time.Advance(TimeSpan.FromMilliseconds(100));
            await Receiver.Status(429, retryAfter: "1")(context);
        };
        for (int i = 0; i < 30; i++)
        {
            await fixture.FinishAsync(receiver.Url);
        }

        await fixture.Database.ExecuteAsync("CREATE TABLE held (id TEXT)", null, default);
        await fixture.Database.ExecuteAsync(
            "CREATE TRIGGER hold AFTER UPDATE OF due_at ON webhook_deliveries WHEN NEW.attempts = 0 BEGIN INSERT INTO held VALUES (NEW.id); END", null, default);
        await fixture.StartSenderAsync();
        var log = await fixture.UntilAsync(l => l.Sum(d => d.Attempts) == 4);
        log.Where(d => d.Attempts == 0).ShouldAllBe(d => d.NextAttemptAt > fixture.Time.GetUtcNow().AddSeconds(1));
        (await fixture.Database.QueryFirstAsync<long>("SELECT count(*) FROM held", null, default)).ShouldBe(26);
    }

    [Fact]
    public async Task A_pause_holds_what_would_come_within_it_and_nothing_else()
    {
        await using var fixture = await SenderFixture.CreateAsync();
        await using var receiver = await Receiver.StartAsync(Receiver.Status(429, retryAfter: "120"));
        var now = fixture.Time.GetUtcNow();
        await fixture.FinishAsync(receiver.Url);
        string soon = await fixture.FinishAsync(receiver.Url), later = await fixture.FinishAsync(receiver.Url);
        foreach (var (id, due) in new[] { (soon, now.AddMinutes(1)), (later, now.AddHours(1)) })
        {
            await fixture.Database.ExecuteAsync("UPDATE webhook_deliveries SET due_at = @due WHERE analysis_id = @id", new { id, due = due.ToUnixTimeMilliseconds() }, default);
        }

        await fixture.StartSenderAsync();
        var log = await fixture.UntilAsync(l => l.Any(d => d.LastStatus == 429));
        log.Single(d => d.AnalysisId == soon).NextAttemptAt!.Value.ShouldBeInRange(now.AddSeconds(119), now.AddSeconds(130));
        log.Single(d => d.AnalysisId == later).NextAttemptAt!.Value.ShouldBe(now.AddHours(1), TimeSpan.FromSeconds(1));
    }

    [Fact]
    public void The_hosts_of_a_tenants_callback_urls_share_64_places()
    {
        var places = Enumerable.Range(0, 20_000).Select(i => WebhookSchedule.CallbackTarget("acme", $"https://s{i}.example.com/hook")).ToHashSet();
        places.Count.ShouldBe(64);
        places.ShouldContain(WebhookSchedule.CallbackTarget("acme", "not a URL"));
        places.ShouldNotContain(WebhookSchedule.CallbackTarget("other", "https://s1.example.com/hook"));
        WebhookSchedule.CallbackTarget("acme", "https://S1.example.com/other?token=1").ShouldBe(WebhookSchedule.CallbackTarget("acme", "https://s1.example.com/hook"));
    }

    [Fact]
    public async Task What_an_earlier_version_scheduled_for_a_host_is_still_delivered()
    {
        await using var fixture = await SenderFixture.CreateAsync();
        await using var receiver = await Receiver.StartAsync();
        await fixture.FinishAsync(receiver.Url);
        await fixture.Database.ExecuteAsync("UPDATE webhook_deliveries SET target = tenant || ' ' || @host", new { host = new Uri(receiver.Url).Authority }, default);
        await fixture.FinishAsync(receiver.Url);
        await fixture.StartSenderAsync();
        await fixture.UntilAsync(log => log.Count == 2 && log.All(d => d.State == "delivered"));
    }

    /// <summary>A receiver that shares no place with another.</summary>
    internal static async Task<Receiver> ApartAsync(Receiver other)
    {
        while (true)
        {
            var receiver = await Receiver.StartAsync();
            if (Place(receiver) != Place(other))
            {
                return receiver;
            }

            await receiver.DisposeAsync();
        }
    }

    private static string Place(Receiver receiver) => WebhookSchedule.CallbackTarget(SenderFixture.Tenant, receiver.Url);

    private static async Task AddAsync(SenderFixture fixture, string tenant, int target, int count, DateTimeOffset due)
    {
        for (int i = 0; i < count; i++)
        {
            await fixture.Database.ExecuteAsync(
                """
                INSERT INTO webhook_deliveries (id, tenant, url, target, event, body, state, attempts, due_at, created_at)
                VALUES (@id, @tenant, 'https://example.com/', @target, 'webhook.test', '{}', 'pending', 0, @due, @due)
                """,
                new { id = $"wd_{tenant}_{target}_{i}", tenant, target = $"{tenant} {target}", due = due.ToUnixTimeMilliseconds() + i }, default);
        }
    }
}
