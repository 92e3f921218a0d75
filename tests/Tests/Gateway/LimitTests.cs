using System.Net;
using System.Net.Http.Json;
using Microsoft.Extensions.Time.Testing;
using Palimpsest.Contracts;
using Palimpsest.Gateway;
using Palimpsest.Hosting;
using Palimpsest.Tests.Webhooks;

namespace Palimpsest.Tests.Gateway;

/// <summary>Quotas of a tenant (429) and of the platform (503).</summary>
public sealed class LimitTests
{
    [Fact]
    public async Task A_bucket_gives_its_burst_then_its_rate()
    {
        var time = new FakeTimeProvider();
        var buckets = new LocalBuckets(time);
        ValueTask<DrawResult> DrawAsync(double cost = 1) => buckets.DrawAsync([new Draw("a", 5, 2, cost)], owed: false);
        for (int i = 4; i >= 0; i--)
        {
            var result = await DrawAsync();
            result.Allowed.ShouldBeTrue();
            result.Levels[0].ShouldBe(i);
        }

        var refused = await DrawAsync();
        refused.Allowed.ShouldBeFalse();
        refused.Wait.ShouldBe(TimeSpan.FromSeconds(0.5));
        time.Advance(TimeSpan.FromSeconds(0.5));
        (await DrawAsync()).Allowed.ShouldBeTrue();
        (await DrawAsync()).Allowed.ShouldBeFalse();
        time.Advance(TimeSpan.FromHours(1));
        (await DrawAsync()).Levels[0].ShouldBe(4);
    }

    [Fact]
    public async Task Of_two_buckets_none_is_drawn_when_one_is_empty()
    {
        var buckets = new LocalBuckets(new FakeTimeProvider());
        (await buckets.DrawAsync([new Draw("a", 5, 1, 1), new Draw("b", 1, 1, 1)], owed: false)).Allowed.ShouldBeTrue();
        var refused = await buckets.DrawAsync([new Draw("a", 5, 1, 1), new Draw("b", 1, 1, 1)], owed: false);
        refused.Allowed.ShouldBeFalse();
        refused.Levels.ShouldBe([4, 0]);
    }

    [Fact]
    public async Task What_is_owed_is_waited_for()
    {
        var time = new FakeTimeProvider();
        var buckets = new LocalBuckets(time);
        (await buckets.DrawAsync([new Draw("a", 10, 1, 25)], owed: true)).Levels[0].ShouldBe(-15);
        (await buckets.DrawAsync([new Draw("a", 10, 1, 1)], owed: false)).Wait.ShouldBe(TimeSpan.FromSeconds(16));
    }

    [Fact]
    public async Task Requests_beyond_the_burst_get_429_and_every_answer_says_what_is_left()
    {
        await using var host = await GatewayHost.StartAsync(new() { ["Limits:Burst"] = "3", ["Limits:RequestsPerSecond"] = "0.01" });
        for (int left = 2; left >= 0; left--)
        {
            // Errors say it too.
            using var answer = await host.Client.GetAsync("/v1/nothing-here");
            answer.StatusCode.ShouldBe(HttpStatusCode.NotFound);
            answer.Headers.GetValues("RateLimit").Single().ShouldStartWith($"\"requests\";r={left};t=");
            answer.Headers.GetValues("RateLimit-Policy").Single().ShouldStartWith("\"requests\";q=3;w=300");
        }

        using var refused = await host.Client.GetAsync("/v1/nothing-here");
        await refused.ProblemAsync(429, ErrorCodes.RateLimited);
        refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds.ShouldBeInRange(90, 100);
        refused.Headers.Contains("RateLimit").ShouldBeTrue();

        using var other = host.Connect((await host.Keys.CreateAsync("globex", "k", Scopes.All, null, default)).Key);
        (await other.GetAsync("/v1/nothing-here")).StatusCode.ShouldBe(HttpStatusCode.NotFound);
        using var stranger = host.Connect();
        (await stranger.GetAsync("/health/live")).StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Bytes_a_day_run_out(bool chunked)
    {
        await using var host = await GatewayHost.StartAsync(new() { ["Limits:Tenants:acme:BytesPerDay"] = "30000" });
        async Task<HttpResponseMessage> SendAsync(int length)
        {
            var request = Api.Post(Api.Raw(Api.Jpeg(length)));
            request.Headers.TransferEncodingChunked = chunked;
            return await host.Client.SendAsync(request);
        }

        using var first = await SendAsync(29_000);
        await first.AnalysisAsync();
        using var second = await SendAsync(29_000);
        if (chunked)
        {
            // Its length is not known before; it is owed.
            await second.AnalysisAsync();
            using var third = await SendAsync(100);
            await third.ProblemAsync(429, ErrorCodes.RateLimited);
        }
        else
        {
            await second.ProblemAsync(429, ErrorCodes.RateLimited);
            second.Headers.RetryAfter!.Delta!.Value.ShouldBeGreaterThan(TimeSpan.FromHours(20));
        }
    }

    [Fact]
    public async Task Jobs_in_flight_are_counted_by_tenant()
    {
        await using var host = await GatewayHost.StartAsync(new() { ["Limits:JobsInFlight"] = "2" });
        (await SendAsync(host.Client, 1)).Dispose();
        (await SendAsync(host.Client, 2)).Dispose();
        using var third = await SendAsync(host.Client, 3);
        await third.ProblemAsync(429, ErrorCodes.RateLimited);
        third.Headers.RetryAfter.ShouldNotBeNull();
        using var other = host.Connect((await host.Keys.CreateAsync("globex", "k", Scopes.All, null, default)).Key);
        using var theirs = await SendAsync(other, 4);
        await theirs.AnalysisAsync();
    }

    [Theory]
    [InlineData("Limits:JobsInFlight", 429, ErrorCodes.RateLimited)]
    [InlineData("Intake:MaxPending", 503, ErrorCodes.Overloaded)]
    public async Task Whoever_lost_the_answer_to_accepted_work_gets_it_although_there_is_no_room(string limit, int status, string code)
    {
        await using var host = await GatewayHost.StartAsync(new() { [limit] = "1" });
        using var first = await SendAsync("k");
        string id = (await first.AnalysisAsync()).Id;
        using var again = await SendAsync("k");
        (await again.AnalysisAsync()).Id.ShouldBe(id);
        using var other = await SendAsync("new");
        await other.ProblemAsync(status, code);
        using var batch = await host.Client.SendAsync(Api.Post(Api.Form(Api.Jpeg()), "/v1/batches", ("Idempotency-Key", "new")));
        await batch.ProblemAsync(status, code);
        (await host.Service<PlatformDatabase>().QueryAsync<string>("SELECT key FROM idempotency", null, default)).ShouldBe(["k"], "a refused key is not reserved");

        Task<HttpResponseMessage> SendAsync(string key) => host.Client.SendAsync(Api.Post(Api.Form(Api.Jpeg()), headers: ("Idempotency-Key", key)));
    }

    [Fact]
    public async Task When_too_much_waits_everybody_gets_503()
    {
        await using var host = await GatewayHost.StartAsync(new() { ["Intake:MaxPending"] = "2" });
        (await SendAsync(host.Client, 1)).Dispose();
        (await SendAsync(host.Client, 2)).Dispose();
        using var third = await SendAsync(host.Client, 3);
        await third.ProblemAsync(503, ErrorCodes.Overloaded);
        third.Headers.RetryAfter.ShouldNotBeNull();
        host.StoredFiles().Length.ShouldBe(2);
    }

    [Fact]
    public async Task A_volume_without_room_gets_503_before_the_bytes_are_read()
    {
        await using var host = await GatewayHost.StartAsync(new() { ["Intake:MinFreeBytes"] = long.MaxValue.ToString() });
        using var response = await SendAsync(host.Client, 1);
        await response.ProblemAsync(503, ErrorCodes.Unavailable);
        host.StoredFiles().ShouldBeEmpty();
    }

    [Fact]
    public async Task A_data_folder_that_is_gone_gets_503()
    {
        await using var host = await GatewayHost.StartAsync();
        (await SendAsync(host.Client, 1)).Dispose();
        Directory.Delete(host.Blobs, recursive: true);
        using var response = await SendAsync(host.Client, 2);
        await response.ProblemAsync(503, ErrorCodes.Unavailable);
        Directory.CreateDirectory(Path.Combine(host.Blobs, ".tmp"));
        using var again = await SendAsync(host.Client, 2);
        await again.AnalysisAsync();
    }

    private static Task<HttpResponseMessage> SendAsync(HttpClient client, int seed) => client.SendAsync(Api.Post(Api.Form(Api.Jpeg(seed: seed))));

    [Fact]
    public async Task A_tenant_whose_hosts_hang_leaves_slots_for_fetching_to_another()
    {
        await using var pictures = await Receiver.StartAsync();
        pictures.Otherwise = context => context.Request.Path == "/hang"
            ? Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default)
            : context.Response.Body.WriteAsync(Api.Jpeg()).AsTask();
        await using var host = await GatewayHost.StartAsync(new() { ["PALIMPSEST_ALLOW_NETWORKS"] = "127.0.0.0/8", ["Intake:MaxFetches"] = "4", ["Intake:FetchWaitSeconds"] = "1" });
        var server = new Uri(pictures.Url);
        using var leave = new CancellationTokenSource();
        Task<HttpResponseMessage> SubmitAsync(HttpClient client, string path, CancellationToken cancellationToken) => client.SendAsync(Api.Post(JsonContent.Create(new { url = new Uri(server, path) })), cancellationToken);
        List<Task<HttpResponseMessage>> hanging = [SubmitAsync(host.Client, "/hang", leave.Token)];
        for (int i = 0; i < 500 && pictures.Busiest == 0; i++)
        {
            await Task.Delay(20);
        }

        hanging.AddRange(Enumerable.Range(0, 5).Select(_ => SubmitAsync(host.Client, "/hang", leave.Token)));
        using var other = host.Connect((await host.Keys.CreateAsync("globex", "other", Scopes.All, null, default)).Key);
        using var fetched = await SubmitAsync(other, "/a.jpg", default);
        fetched.StatusCode.ShouldBe(HttpStatusCode.Accepted);
        using var refused = await hanging[1];
        await refused.ProblemAsync(503, ErrorCodes.Overloaded);
        refused.Headers.RetryAfter.ShouldNotBeNull();
        await leave.CancelAsync();
        await Task.WhenAll(hanging).ContinueWith(_ => { }, TaskScheduler.Default);
    }
}
