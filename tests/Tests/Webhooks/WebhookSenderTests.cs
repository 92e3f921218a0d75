using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Reporting.Webhooks;

namespace Palimpsest.Tests.Webhooks;

/// <summary>Deliveries to real receivers on loopback.</summary>
public sealed class WebhookSenderTests
{
    [Fact]
    public async Task After_500_and_500_the_third_attempt_delivers_under_the_same_id_and_verifies()
    {
        await using var fixture = await SenderFixture.CreateAsync();
        await using var receiver = await Receiver.StartAsync(Receiver.Status(500), Receiver.Status(500));
        await fixture.StartSenderAsync();
        string analysis = await fixture.FinishAsync(receiver.Url);

        await fixture.UntilAsync(log => log[0].Attempts == 1);
        fixture.Time.Advance(TimeSpan.FromSeconds(3.9));
        await Task.Delay(100);
        receiver.Posts.Count.ShouldBe(1, "5 s less 20 % have not passed");
        fixture.Time.Advance(TimeSpan.FromSeconds(2.2));
        await fixture.UntilAsync(log => log[0].Attempts == 2);
        fixture.Time.Advance(TimeSpan.FromMinutes(3.9));
        await Task.Delay(100);
        receiver.Posts.Count.ShouldBe(2, "5 min less 20 % have not passed");
        fixture.Time.Advance(TimeSpan.FromMinutes(2.2));
        var delivery = (await fixture.UntilAsync(log => log[0].State == "delivered"))[0];

        receiver.Posts.Count.ShouldBe(3);
        receiver.Posts.Select(p => p.Id).Distinct().Single().ShouldBe(delivery.Id);
        receiver.Posts.Select(p => p.Timestamp).Distinct().Count().ShouldBe(3, "each attempt has its own time");
        receiver.Posts.Select(p => p.Body).Distinct().Count().ShouldBe(1);
        delivery.History.Select(a => a.Status).ShouldBe([500, 500, 200]);
        (await Receiver.VerifyAsync([.. receiver.Posts.Select(p => (p, fixture.Secret, (string?)null))])).ShouldBe(["ok", "ok", "ok"]);
        var body = receiver.Posts[0].Json;
        body.GetProperty("type").GetString().ShouldBe("analysis.completed");
        body.GetProperty("data").GetProperty("id").GetString().ShouldBe(analysis);
        body.GetProperty("data").GetProperty("links").GetProperty("mask").GetString().ShouldBe($"/v1/analyses/{analysis}/mask");
        receiver.Posts[0].Headers["content-type"].ShouldBe("application/json");
    }

    [Fact]
    public async Task A_changed_body_id_or_time_or_another_secret_does_not_verify()
    {
        await using var fixture = await SenderFixture.CreateAsync();
        await using var receiver = await Receiver.StartAsync();
        await fixture.StartSenderAsync();
        await fixture.FinishAsync(receiver.Url);
        await fixture.UntilAsync(log => log[0].State == "delivered");
        var post = receiver.Posts.Single();
        Receiver.Post With(string header, string value) => post with { Headers = new Dictionary<string, string>(post.Headers) { [header] = value } };
        var verdicts = await Receiver.VerifyAsync(
            (post, fixture.Secret, null),
            (post, fixture.Secret, post.Body.Replace("likely_fake", "likely_real")),
            (With("webhook-id", "wd_other"), fixture.Secret, null),
            (With("webhook-timestamp", (post.Timestamp + 1).ToString()), fixture.Secret, null),
            (post, WebhookSignature.CreateSecret(), null));
        verdicts[0].ShouldBe("ok");
        verdicts[1..].ShouldAllBe(v => v == "No matching signature found");
    }

    [Fact]
    public async Task Gone_disables_the_endpoint_and_ends_what_was_waiting_for_it()
    {
        await using var fixture = await SenderFixture.CreateAsync();
        await using var receiver = await Receiver.StartAsync(Receiver.Status(410));
        var endpoint = await AddAsync(fixture, receiver);
        await fixture.FinishAsync(null);
        await fixture.StartSenderAsync();
        (await fixture.UntilAsync(log => log[0].State == "failed"))[0].LastStatus.ShouldBe(410);
        var after = (await fixture.Endpoints.FindAsync(SenderFixture.Tenant, endpoint.Id, default))!;
        after.Enabled.ShouldBeFalse();
        after.DisabledReason!.ShouldContain("410");
        await fixture.FinishAsync(null);
        (await fixture.LogAsync()).Count.ShouldBe(1, "nothing is scheduled for a disabled endpoint");
        receiver.Posts.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Gone_at_a_callback_url_ends_that_delivery_only()
    {
        await using var fixture = await SenderFixture.CreateAsync();
        await using var receiver = await Receiver.StartAsync(Receiver.Status(410));
        await fixture.StartSenderAsync();
        await fixture.FinishAsync(receiver.Url);
        (await fixture.UntilAsync(log => log[0].State == "failed"))[0].NextAttemptAt.ShouldBeNull();
        await fixture.FinishAsync(receiver.Url);
        await fixture.UntilAsync(log => log.Count(d => d.State == "delivered") == 1);
    }

    [Fact]
    public async Task An_endpoint_that_fails_for_five_days_is_disabled()
    {
        await using var fixture = await SenderFixture.CreateAsync();
        await using var receiver = await Receiver.StartAsync();
        receiver.Otherwise = Receiver.Status(503);
        var endpoint = await AddAsync(fixture, receiver);
        await fixture.StartSenderAsync();
        await fixture.FinishAsync(null);
        await fixture.UntilAsync(log => log[0].Attempts == 1);
        fixture.Time.Advance(TimeSpan.FromDays(4.9));
        await fixture.FinishAsync(null);
        await fixture.UntilAsync(log => log.Sum(d => d.Attempts) == 3);
        (await fixture.Endpoints.FindAsync(SenderFixture.Tenant, endpoint.Id, default))!.Enabled.ShouldBeTrue();
        fixture.Time.Advance(TimeSpan.FromDays(0.2));
        await fixture.UntilAsync(log => log.All(d => d.State == "failed"));
        var after = (await fixture.Endpoints.FindAsync(SenderFixture.Tenant, endpoint.Id, default))!;
        after.Enabled.ShouldBeFalse();
        after.DisabledReason!.ShouldContain("failed since");
    }

    [Fact]
    public async Task One_success_clears_the_count_of_days()
    {
        await using var fixture = await SenderFixture.CreateAsync();
        await using var receiver = await Receiver.StartAsync(Receiver.Status(500));
        var endpoint = await AddAsync(fixture, receiver);
        await fixture.StartSenderAsync();
        await fixture.FinishAsync(null);
        await fixture.UntilAsync(log => log[0].Attempts == 1);
        (await fixture.Endpoints.FindAsync(SenderFixture.Tenant, endpoint.Id, default))!.FailingSince.ShouldNotBeNull();
        fixture.Time.Advance(TimeSpan.FromSeconds(7));
        await fixture.UntilAsync(log => log[0].State == "delivered");
        (await fixture.Endpoints.FindAsync(SenderFixture.Tenant, endpoint.Id, default))!.FailingSince.ShouldBeNull();
    }

    [Fact]
    public async Task After_ten_attempts_it_is_given_up()
    {
        await using var fixture = await SenderFixture.CreateAsync();
        await using var receiver = await Receiver.StartAsync();
        receiver.Otherwise = Receiver.Status(500);
        await fixture.StartSenderAsync();
        await fixture.FinishAsync(receiver.Url);
        for (int attempt = 1; attempt <= 10; attempt++)
        {
            int made = attempt;
            await fixture.UntilAsync(log => log[0].Attempts == made);
            fixture.Time.Advance(TimeSpan.FromHours(29)); // 24 h and a fifth
        }

        (await fixture.UntilAsync(log => log[0].State == "failed"))[0].NextAttemptAt.ShouldBeNull();
        receiver.Posts.Count.ShouldBe(10);
    }

    [Fact]
    public async Task A_redirect_is_a_failure_and_is_not_followed()
    {
        await using var fixture = await SenderFixture.CreateAsync();
        await using var elsewhere = await Receiver.StartAsync();
        await using var receiver = await Receiver.StartAsync(Receiver.Status(307, location: elsewhere.Url));
        await fixture.StartSenderAsync();
        await fixture.FinishAsync(receiver.Url);
        var delivery = (await fixture.UntilAsync(log => log[0].Attempts == 1))[0];
        delivery.State.ShouldBe("pending");
        delivery.LastError!.ShouldContain("redirects are not followed");
        elsewhere.Posts.ShouldBeEmpty();
    }

    [Fact]
    public async Task Too_many_requests_holds_everything_for_the_target_until_the_time_it_asked_for()
    {
        await using var fixture = await SenderFixture.CreateAsync();
        await using var receiver = await Receiver.StartAsync(Receiver.Status(429, retryAfter: "120"));
        fixture.Options.MaxPerTarget = 1;
        await fixture.FinishAsync(receiver.Url);
        await fixture.FinishAsync(receiver.Url);
        await fixture.StartSenderAsync();
        var log = await fixture.UntilAsync(l => l.Any(d => d.LastStatus == 429));
        log.ShouldAllBe(d => d.NextAttemptAt >= fixture.Time.GetUtcNow().AddSeconds(119));
        fixture.Time.Advance(TimeSpan.FromSeconds(100));
        await Task.Delay(100);
        receiver.Posts.Count.ShouldBe(1);
        fixture.Time.Advance(TimeSpan.FromSeconds(30));
        await fixture.UntilAsync(l => l.All(d => d.State == "delivered"));
    }

    [Fact]
    public async Task A_receiver_that_does_not_answer_within_15_s_has_failed()
    {
        await using var fixture = await SenderFixture.CreateAsync();
        var reached = new TaskCompletionSource();
        await using var receiver = await Receiver.StartAsync(async context =>
        {
            reached.TrySetResult();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
        });
        await fixture.StartSenderAsync();
        await fixture.FinishAsync(receiver.Url);
        await reached.Task.WaitAsync(TimeSpan.FromSeconds(10));
        fixture.Time.Advance(TimeSpan.FromSeconds(14));
        await Task.Delay(50);
        (await fixture.LogAsync())[0].Attempts.ShouldBe(0);
        fixture.Time.Advance(TimeSpan.FromSeconds(1.5));
        (await fixture.UntilAsync(log => log[0].Attempts == 1))[0].LastError!.ShouldContain("15 s");
    }

    [Fact]
    public async Task At_most_four_at_once_reach_one_target_even_from_two_senders()
    {
        await using var fixture = await SenderFixture.CreateAsync();
        await using var receiver = await Receiver.StartAsync();
        receiver.Otherwise = _ => Task.Delay(30);
        for (int i = 0; i < 40; i++)
        {
            await fixture.FinishAsync(receiver.Url);
        }

        await fixture.StartSenderAsync();
        await fixture.StartSenderAsync();
        await fixture.UntilAsync(log => log.All(d => d.State == "delivered"));
        receiver.Posts.Count.ShouldBe(40, "two senders share the work, neither repeats the other's");
        receiver.Busiest.ShouldBeInRange(2, 4);
    }

    [Fact]
    public async Task A_slow_receiver_does_not_hold_up_another()
    {
        await using var fixture = await SenderFixture.CreateAsync();
        await using var slow = await Receiver.StartAsync();
        await using var quick = await WebhookFairnessTests.ApartAsync(slow);
        slow.Otherwise = context => Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
        fixture.Options.MaxInFlight = 8;
        for (int i = 0; i < 20; i++)
        {
            await fixture.FinishAsync(slow.Url);
        }

        string last = await fixture.FinishAsync(quick.Url);
        await fixture.StartSenderAsync();
        await fixture.UntilAsync(log => log.Single(d => d.AnalysisId == last).State == "delivered");
    }

    [Fact]
    public async Task After_a_change_of_address_the_new_one_gets_what_was_pending_and_what_is_sent_again()
    {
        await using var fixture = await SenderFixture.CreateAsync();
        await using var old = await Receiver.StartAsync();
        await using var moved = await Receiver.StartAsync();
        old.Otherwise = Receiver.Status(500);
        var endpoint = await AddAsync(fixture, old);
        await fixture.StartSenderAsync();
        await fixture.FinishAsync(null);
        await fixture.UntilAsync(log => log[0].Attempts == 1);
        await fixture.Endpoints.ChangeAsync(SenderFixture.Tenant, endpoint.Id, new EndpointChange(moved.Url, null, null, null), default);
        fixture.Time.Advance(TimeSpan.FromSeconds(7));
        var delivery = (await fixture.UntilAsync(log => log[0].State == "delivered"))[0];
        delivery.Url.ShouldBe(moved.Url.Split('?')[0], "the log says where it went");
        await fixture.Endpoints.RedeliverAsync(SenderFixture.Tenant, delivery.Id, default);
        fixture.Schedule.Wake();
        await fixture.UntilAsync(log => log[0].History.Count == 3);
        (old.Posts.Count, moved.Posts.Count).ShouldBe((1, 2));
    }

    [Fact]
    public async Task What_is_erased_while_it_is_on_its_way_is_not_tried_again()
    {
        await using var fixture = await SenderFixture.CreateAsync();
        string analysis = "";
        await using var receiver = await Receiver.StartAsync(async context =>
        {
            await fixture.Store.EraseAsync(analysis, default);
            context.Response.StatusCode = 500;
        });
        analysis = await fixture.FinishAsync(receiver.Url);
        await fixture.StartSenderAsync();
        var delivery = (await fixture.UntilAsync(log => log[0].Attempts == 1))[0];
        (delivery.State, delivery.NextAttemptAt, delivery.LastError).ShouldBe(("failed", null, "The analysis was erased."));
        delivery.History.Single().Status.ShouldBe(500);
        fixture.Time.Advance(TimeSpan.FromMinutes(10));
        await Task.Delay(100);
        receiver.Posts.Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_delivery_without_a_body_is_not_sent()
    {
        await using var fixture = await SenderFixture.CreateAsync();
        await using var receiver = await Receiver.StartAsync();
        string analysis = await fixture.FinishAsync(receiver.Url);
        await fixture.Database.ExecuteAsync("UPDATE webhook_deliveries SET body = '' WHERE analysis_id = @analysis", new { analysis }, default);
        await fixture.StartSenderAsync();
        (await fixture.UntilAsync(log => log[0].State != "pending"))[0].State.ShouldBe("failed");
        receiver.Posts.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_tenant_with_many_hanging_receivers_leaves_room_for_another()
    {
        await using var fixture = await SenderFixture.CreateAsync();
        await fixture.Database.ExecuteAsync("INSERT INTO tenants (id, webhook_secret, created_at) VALUES ('tenant-b', @Secret, 0)", new { fixture.Secret }, default);
        (fixture.Options.MaxInFlight, fixture.Options.MaxPerTenant) = (4, 2);
        var hanging = new List<Receiver>();
        for (int i = 0; i < 5; i++)
        {
            var receiver = await Receiver.StartAsync();
            receiver.Otherwise = context => Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
            hanging.Add(receiver);
            await fixture.FinishAsync(receiver.Url);
        }

        await using var quick = await Receiver.StartAsync();
        string last = await fixture.FinishAsync(quick.Url, r => r with { Tenant = "tenant-b" });
        await fixture.StartSenderAsync();
        for (int i = 0; i < 500 && quick.Posts.Count == 0; i++)
        {
            await Task.Delay(20);
        }

        quick.Posts.Single().Body.ShouldContain(last);
        foreach (var receiver in hanging)
        {
            await receiver.DisposeAsync();
        }
    }

    [Fact]
    public async Task Whatever_breaks_the_schedule_the_sender_goes_on()
    {
        await using var fixture = await SenderFixture.CreateAsync();
        await using var receiver = await Receiver.StartAsync();
        await fixture.FinishAsync(receiver.Url);
        // Not a number: reading it throws what no database throws.
        await fixture.Database.ExecuteAsync("UPDATE webhook_deliveries SET attempts = 'many'", null, default);
        await fixture.StartSenderAsync();
        await Task.Delay(300);
        await fixture.Database.ExecuteAsync("UPDATE webhook_deliveries SET attempts = 0", null, default);
        await fixture.UntilAsync(log => log[0].State == "delivered");
    }

    [Fact]
    public async Task A_sender_that_died_over_an_attempt_leaves_it_to_the_next()
    {
        await using var fixture = await SenderFixture.CreateAsync();
        await using var receiver = await Receiver.StartAsync();
        await fixture.FinishAsync(receiver.Url);
        (await fixture.Store.ClaimAsync(10, 4, 16, fixture.Options.Claim, default)).Count.ShouldBe(1);
        await fixture.StartSenderAsync();
        await Task.Delay(100);
        receiver.Posts.ShouldBeEmpty();
        fixture.Time.Advance(fixture.Options.Claim + TimeSpan.FromSeconds(1));
        await fixture.UntilAsync(log => log[0].State == "delivered");
    }

    [Fact]
    public async Task A_private_target_is_refused_for_good()
    {
        await using var fixture = await SenderFixture.CreateAsync(allowed: null);
        await using var receiver = await Receiver.StartAsync();
        await fixture.StartSenderAsync();
        await fixture.FinishAsync(receiver.Url);
        (await fixture.UntilAsync(log => log[0].State == "failed"))[0].LastError!.ShouldStartWith("address_refused");
        receiver.Posts.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_name_that_leads_to_a_private_address_is_tried_again_and_disables_its_endpoint_in_time()
    {
        var leads = IPAddress.Parse("10.0.0.7");
        await using var fixture = await SenderFixture.CreateAsync(resolve: (_, _) => Task.FromResult<IPAddress[]>([leads]));
        await using var receiver = await Receiver.StartAsync();
        string url = receiver.Url.Replace("127.0.0.1", "receiver.example.com", StringComparison.Ordinal);
        await fixture.StartSenderAsync();
        await fixture.FinishAsync(url);
        var tried = (await fixture.UntilAsync(log => log[0].Attempts == 1))[0];
        (tried.State, tried.LastError![..15]).ShouldBe(("pending", "address_refused"));

        leads = IPAddress.Loopback; // the resolver is set right
        fixture.Time.Advance(TimeSpan.FromSeconds(7));
        await fixture.UntilAsync(log => log[0].State == "delivered");
    }

    [Fact]
    public async Task The_span_hangs_under_the_trace_that_decided_it_and_the_receiver_sees_it()
    {
        await using var fixture = await SenderFixture.CreateAsync();
        await using var receiver = await Receiver.StartAsync();
        Activity? span = null;
        using var listener = new ActivityListener
        {
            ShouldListenTo = s => s.Name == PlatformTelemetry.Name,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = a => span = a.OperationName == "webhook" && a.TraceId.ToString() == "0af7651916cd43dd8448eb211c80319c" ? a : span,
        };
        ActivitySource.AddActivityListener(listener);
        await fixture.StartSenderAsync();
        await fixture.FinishAsync(receiver.Url, r => r with { Request = r.Request with { Traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" } });
        await fixture.UntilAsync(log => log[0].State == "delivered");
        for (int i = 0; i < 500 && span is null; i++)
        {
            await Task.Delay(10); // it stops after the log is written
        }

        span.ShouldNotBeNull();
        span.GetTagItem("webhook.outcome").ShouldBe("delivered");
        receiver.Posts.Single().Headers["traceparent"].ShouldStartWith($"00-0af7651916cd43dd8448eb211c80319c-{span.SpanId}-");
    }

    [Fact]
    public async Task Scheduling_twice_delivers_once()
    {
        await using var fixture = await SenderFixture.CreateAsync();
        await using var receiver = await Receiver.StartAsync();
        AnalysisRecord? record = null;
        await fixture.FinishAsync(receiver.Url, r => record = r);
        await fixture.Database.InTransactionAsync(async t => { await fixture.Schedule.ScheduleAsync(t, record!, default); return 0; }, default);
        (await fixture.LogAsync()).Count.ShouldBe(1);
    }

    [Fact]
    public async Task Endpoints_get_the_events_they_chose_and_failed_analyses_say_so()
    {
        await using var fixture = await SenderFixture.CreateAsync();
        await using var all = await Receiver.StartAsync();
        await using var failures = await Receiver.StartAsync();
        await AddAsync(fixture, all);
        await AddAsync(fixture, failures, WebhookEvents.AnalysisFailed);
        await fixture.StartSenderAsync();
        await fixture.FinishAsync(null);
        await fixture.FinishAsync(null, r => r with
        {
            Status = AnalysisStatuses.Failed, Findings = new AnalysisFindings { Error = new ErrorDocument { Code = ErrorCodes.ImageCorrupt, Detail = "It cannot be decoded." } },
        });
        await fixture.FinishAsync(null, r => r with { Status = AnalysisStatuses.Canceled });
        await fixture.Database.InTransactionAsync(
            async t =>
            {
                var now = fixture.Time.GetUtcNow();
                await fixture.Schedule.ScheduleBatchAsync(t, new FinishedBatch { Id = "ba_1", Tenant = SenderFixture.Tenant, CreatedAt = now, CompletedAt = now, Total = 2, Succeeded = 1, Failed = 1, Verdicts = new Dictionary<string, int> { [Verdicts.LikelyFake] = 1 } }, default);
                return 0;
            }, default);
        await fixture.UntilAsync(log => log.Count == 4 && log.All(d => d.State == "delivered"));
        all.Posts.Select(p => p.Json.GetProperty("type").GetString()).Order().ShouldBe(["analysis.completed", "analysis.failed", "batch.completed"]);
        failures.Posts.Single().Json.GetProperty("data").GetProperty("error").GetProperty("code").GetString().ShouldBe("image_corrupt");
    }

    [Fact]
    public async Task A_report_of_thousands_of_regions_stays_under_20_kB_and_says_what_is_missing()
    {
        await using var fixture = await SenderFixture.CreateAsync();
        await using var receiver = await Receiver.StartAsync();
        await fixture.StartSenderAsync();
        var box = new PixelBox { X = 1, Y = 2, Width = 3, Height = 4 };
        await fixture.FinishAsync(receiver.Url, r => r with
        {
            Request = r.Request with { Metadata = new JsonObject { ["note"] = new string('x', 4_000) } },
            Findings = r.Findings with { Result = r.Findings.Result! with { Regions = [.. Enumerable.Range(0, 3_000).Select(i => new RegionDocument { Box = box, Area = 0.5, Score = 0.9, Detector = "shallowfake" })] } },
        });
        await fixture.UntilAsync(log => log[0].State == "delivered");
        var post = receiver.Posts.Single();
        Encoding.UTF8.GetByteCount(post.Body).ShouldBeLessThan(20_000);
        post.Json.GetProperty("data").GetProperty("regions").GetArrayLength().ShouldBeGreaterThan(0);
        post.Json.GetProperty("data").GetProperty("warnings").EnumerateArray().Last().GetString()!.ShouldContain("shortened");
    }

    [Fact]
    public void The_schedule_is_that_of_Standard_Webhooks_within_a_fifth()
    {
        double[] seconds = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400];
        RetrySchedule.Attempts.ShouldBe(10);
        for (int attempt = 1; attempt <= 9; attempt++)
        {
            double plain = seconds[attempt - 1];
            RetrySchedule.After(attempt, 0.5, null)!.Value.TotalSeconds.ShouldBe(plain, 0.001);
            RetrySchedule.After(attempt, 0, null)!.Value.TotalSeconds.ShouldBe(plain * 0.8, 0.001);
            RetrySchedule.After(attempt, 1, null)!.Value.TotalSeconds.ShouldBe(plain * 1.2, 0.001);
        }

        RetrySchedule.After(10, 0.5, TimeSpan.FromSeconds(1)).ShouldBeNull();
        RetrySchedule.After(1, 0.5, TimeSpan.FromMinutes(2)).ShouldBe(TimeSpan.FromMinutes(2));
        RetrySchedule.After(2, 0.5, TimeSpan.FromSeconds(1)).ShouldBe(TimeSpan.FromMinutes(5), "Retry-After never shortens");
        RetrySchedule.After(1, 0.5, TimeSpan.FromDays(365)).ShouldBe(TimeSpan.FromHours(24));
    }

    private static async Task<WebhookEndpointDocument> AddAsync(SenderFixture fixture, Receiver receiver, params string[] events) =>
        (await fixture.Endpoints.AddAsync(SenderFixture.Tenant, receiver.Url, null, events, 20, default))!;
}
