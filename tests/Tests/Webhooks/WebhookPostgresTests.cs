using Palimpsest.Contracts;
using Palimpsest.Local.Servers;
using Palimpsest.Reporting.Webhooks;

namespace Palimpsest.Tests.Webhooks;

/// <summary>The same statements on PostgreSQL, where two processes really run side by side.</summary>
public sealed class WebhookPostgresTests : IAsyncLifetime
{
    private readonly TestFolder folder = new();
    private PostgresServer? server;
    private SenderFixture fixture = null!;

    public async Task InitializeAsync()
    {
        if (Environment.GetEnvironmentVariable("POSTGRES_URL") is not { Length: > 0 })
        {
            server = new PostgresServer(PostgresServer.Reachable(folder["postgres"]));
            await server.StartAsync(default);
        }

        fixture = await SenderFixture.CreateAsync(postgres: server?.Url ?? new Uri(Environment.GetEnvironmentVariable("POSTGRES_URL")!));
    }

    public async Task DisposeAsync()
    {
        await fixture.DisposeAsync();
        if (server is not null)
        {
            await server.DisposeAsync();
        }

        folder.Dispose();
    }

    [Fact]
    public Task A_claim_is_fair_between_tenants() => WebhookFairnessTests.ClaimsAreFairAsync(fixture);

    [Fact]
    public async Task Two_senders_share_the_work_retry_disable_rotate_log_and_erase()
    {
        await using var receiver = await Receiver.StartAsync();
        receiver.Otherwise = _ => Task.Delay(20);
        var ids = new List<string>();
        for (int i = 0; i < 40; i++)
        {
            ids.Add(await fixture.FinishAsync(receiver.Url));
        }

        await fixture.StartSenderAsync();
        await fixture.StartSenderAsync();
        await fixture.UntilAsync(log => log.Count(d => d.State == "delivered") == 40);
        receiver.Posts.Count.ShouldBe(40, "neither repeats the other's");
        receiver.Busiest.ShouldBeInRange(2, 4);

        // Endpoints: added within the limit, changed, rotated, tested, throttled, disabled, removed.
        await using var second = await Receiver.StartAsync(Receiver.Status(429, retryAfter: "60"), Receiver.Status(200), Receiver.Status(410));
        var endpoint = (await fixture.Endpoints.AddAsync(SenderFixture.Tenant, second.Url, "first", [], 1, default))!;
        (await fixture.Endpoints.AddAsync(SenderFixture.Tenant, second.Url, null, [], 1, default)).ShouldBeNull();
        (await fixture.Endpoints.ChangeAsync(SenderFixture.Tenant, endpoint.Id, new EndpointChange(null, "renamed", ["analysis.completed"], null), default)).ShouldBeTrue();
        (await fixture.Endpoints.FindAsync(SenderFixture.Tenant, endpoint.Id, default))!.Description.ShouldBe("renamed");
        (await fixture.Endpoints.RotateAsync(SenderFixture.Tenant, endpoint.Id, TimeSpan.FromHours(24), default))!.Secret.ShouldNotBe(endpoint.Secret);
        string analysis = await fixture.FinishAsync(null);
        await fixture.UntilAsync(log => log.Single(d => d.AnalysisId == analysis).LastStatus == 429);
        fixture.Time.Advance(TimeSpan.FromSeconds(61));
        await fixture.UntilAsync(log => log.Single(d => d.AnalysisId == analysis).State == "delivered");
        second.Posts[1].Signatures.Length.ShouldBe(2);
        await fixture.FinishAsync(null);
        await fixture.UntilAsync(log => log.Any(d => d.LastStatus == 410));
        (await fixture.Endpoints.FindAsync(SenderFixture.Tenant, endpoint.Id, default))!.Enabled.ShouldBeFalse();
        (await fixture.Endpoints.ChangeAsync(SenderFixture.Tenant, endpoint.Id, new EndpointChange(null, null, null, true), default)).ShouldBeTrue();
        string test = await fixture.Endpoints.AddTestAsync(SenderFixture.Tenant, endpoint, null, default);
        await fixture.UntilAsync(log => log.Single(d => d.Id == test).State == "delivered");
        (await fixture.Endpoints.RemoveAsync(SenderFixture.Tenant, endpoint.Id, default)).ShouldBeTrue();

        // Log: pages, redelivery, erasure.
        var page = await fixture.Endpoints.DeliveriesAsync(SenderFixture.Tenant, new DeliveryFilter(null, null, "delivered", 10, null), default);
        var next = await fixture.Endpoints.DeliveriesAsync(SenderFixture.Tenant, new DeliveryFilter(null, null, "delivered", 10, (page[^1].CreatedAt, page[^1].Id)), default);
        page.Concat(next).Select(d => d.Id).Distinct().Count().ShouldBe(20);
        var first = (await fixture.LogAsync()).Single(d => d.AnalysisId == ids[0]);
        (await fixture.Endpoints.RedeliverAsync(SenderFixture.Tenant, first.Id, default)).ShouldBe(1);
        fixture.Schedule.Wake();
        await fixture.UntilAsync(log => log.Single(d => d.Id == first.Id) is { State: "delivered", History.Count: 2 });
        receiver.Posts.Count(p => p.Id == first.Id).ShouldBe(2);
        await fixture.Store.EraseAsync(ids[0], default);
        (await fixture.Endpoints.DeliveryAsync(SenderFixture.Tenant, first.Id, default))!.Body.ShouldBeEmpty();
        (await fixture.Endpoints.RedeliverAsync(SenderFixture.Tenant, first.Id, default)).ShouldBe(0);
        (await fixture.Store.BacklogAsync(default)).Due.ShouldBe(0);
        fixture.Time.Advance(TimeSpan.FromDays(31));
        // A sender, whose hour is over too, may be first with some of them.
        await fixture.Store.PruneAsync(TimeSpan.FromDays(30), default);
        await fixture.UntilAsync(log => log.Count == 0);
    }
}
