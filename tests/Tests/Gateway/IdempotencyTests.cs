using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Palimpsest.Contracts;
using Palimpsest.Gateway;
using Palimpsest.Hosting;

namespace Palimpsest.Tests.Gateway;

public sealed class IdempotencyTests : IAsyncLifetime
{
    private readonly FakeTimeProvider time = new(new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero));
    private GatewayHost host = null!;

    public async Task InitializeAsync() => host = await GatewayHost.StartAsync(configure: p => p.Services.AddSingleton<TimeProvider>(time));

    public async Task DisposeAsync() => await host.DisposeAsync();

    [Fact]
    public async Task The_same_request_gets_the_same_answer_and_no_second_analysis()
    {
        using var first = await SendAsync("k", Api.Jpeg());
        using var second = await SendAsync("k", Api.Jpeg());
        string body = await first.Content.ReadAsStringAsync();
        first.StatusCode.ShouldBe(HttpStatusCode.Accepted);
        second.StatusCode.ShouldBe(HttpStatusCode.Accepted);
        (await second.Content.ReadAsStringAsync()).ShouldBe(body);
        second.Headers.Location.ShouldBe(first.Headers.Location);
        second.Headers.GetValues("Idempotent-Replayed").Single().ShouldBe("true");
        (await CountAsync()).ShouldBe(1);
        host.StoredFiles().Length.ShouldBe(1);
    }

    [Fact]
    public async Task Another_picture_or_option_under_the_same_key_is_a_mistake()
    {
        (await SendAsync("k", Api.Jpeg())).Dispose();
        using var otherBytes = await SendAsync("k", Api.Jpeg(seed: 2));
        await otherBytes.ProblemAsync(422, ErrorCodes.IdempotencyMismatch);
        using var otherOption = await SendAsync("k", Api.Jpeg(), ("detectors", "both"));
        await otherOption.ProblemAsync(422, ErrorCodes.IdempotencyMismatch);
        (await CountAsync()).ShouldBe(1);
    }

    [Fact]
    public async Task While_the_first_is_in_flight_a_second_is_told_so()
    {
        var body = new PausedContent(Api.Jpeg());
        var first = host.Client.SendAsync(Api.Post(body, headers: ("Idempotency-Key", "k")));
        await body.Started.Task;
        // The server reads headers before the body: the key is reserved once a look-up finds it.
        await Poll.UntilAsync(async () => await host.Service<PlatformDatabase>().QueryFirstAsync<long>("SELECT count(*) FROM idempotency", null, default) == 1);
        using var second = await SendAsync("k", Api.Jpeg());
        await second.ProblemAsync(409, ErrorCodes.IdempotencyInFlight);
        second.Headers.RetryAfter.ShouldNotBeNull();
        body.Continue.SetResult();
        using var finished = await first;
        finished.StatusCode.ShouldBe(HttpStatusCode.Accepted);
        (await CountAsync()).ShouldBe(1);
    }

    [Fact]
    public async Task A_refused_request_gives_its_key_back()
    {
        using var refused = await SendAsync("k", "no picture, but text"u8.ToArray());
        await refused.ProblemAsync(415, ErrorCodes.UnsupportedFormat);
        using var accepted = await SendAsync("k", Api.Jpeg());
        await accepted.AnalysisAsync();
    }

    [Fact]
    public async Task A_crashed_request_blocks_its_key_until_its_reservation_runs_out()
    {
        // Never disposed, and its renewal dies with its process.
        var store = new IdempotencyStore(host.Service<PlatformDatabase>(), Microsoft.Extensions.Options.Options.Create(new IntakeOptions()), new FakeTimeProvider(time.GetUtcNow()));
        await store.BeginAsync("acme", "k", default);
        using var blocked = await SendAsync("k", Api.Jpeg());
        await blocked.ProblemAsync(409, ErrorCodes.IdempotencyInFlight);
        time.Advance(IdempotencyStore.InFlight);
        using var free = await SendAsync("k", Api.Jpeg());
        await free.AnalysisAsync();
    }

    [Fact]
    public async Task Whoever_has_lost_its_key_to_another_accepts_nothing()
    {
        var body = new PausedContent(Api.Jpeg());
        var first = host.Client.SendAsync(Api.Post(body, headers: ("Idempotency-Key", "k")));
        await body.Started.Task;
        await Poll.UntilAsync(async () => await host.Service<PlatformDatabase>().ExecuteAsync("UPDATE idempotency SET expires_at = 0", null, default) == 1);
        await using var second = await host.Service<IdempotencyStore>().BeginAsync("acme", "k", default);
        second.Stored.ShouldBeNull();
        body.Continue.SetResult();
        using var late = await first;
        await late.ProblemAsync(409, ErrorCodes.IdempotencyInFlight);
        (await CountAsync()).ShouldBe(0);
        host.StoredFiles().ShouldBeEmpty();
    }

    [Fact]
    public async Task A_slow_live_request_keeps_its_key()
    {
        var store = host.Service<IdempotencyStore>();
        await using var reservation = await store.BeginAsync("acme", "slow", default);
        for (int i = 0; i < 6; i++)
        {
            long before = await ExpiryAsync("slow");
            time.Advance(IdempotencyStore.InFlight / 3);
            await Poll.UntilAsync(async () => await ExpiryAsync("slow") > before);
        }

        (await Should.ThrowAsync<ApiException>(() => store.BeginAsync("acme", "slow", default))).Code.ShouldBe(ErrorCodes.IdempotencyInFlight);
    }

    [Fact]
    public async Task After_a_day_the_key_is_new_again()
    {
        using var first = await SendAsync("k", Api.Jpeg());
        time.Advance(TimeSpan.FromHours(24));
        using var second = await SendAsync("k", Api.Jpeg(seed: 2));
        (await second.AnalysisAsync()).Id.ShouldNotBe((await first.AnalysisAsync()).Id);
        (await host.Service<IdempotencyStore>().SweepAsync(default)).ShouldBe(0);
        time.Advance(TimeSpan.FromHours(24));
        // The hourly sweep's timer fires on this very clock.
        await Poll.UntilAsync(async () => await host.Service<PlatformDatabase>().QueryFirstAsync<long>("SELECT count(*) FROM idempotency", null, default) == 0);
    }

    [Fact]
    public async Task Any_number_that_ran_out_is_forgotten_in_turn_with_submissions()
    {
        long now = time.GetUtcNow().ToUnixTimeMilliseconds(), day = (long)TimeSpan.FromHours(24).TotalMilliseconds;
        await host.Service<PlatformDatabase>().ExecuteAsync(
            """
            WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 2502)
            INSERT INTO idempotency (tenant, key, request_hash, status, body, created_at, expires_at)
            SELECT 'acme', 'k' || n, 'h', 202, '{}', @now - @day, CASE WHEN n < 2500 THEN @now ELSE @now + 1 END FROM numbers
            """,
            new { now, day }, default);
        var sweep = host.Service<IdempotencyStore>().SweepAsync(default);
        (await SendAsync("new", Api.Jpeg())).Dispose();
        (await sweep).ShouldBe(2500);
        (await host.Service<PlatformDatabase>().QueryAsync<string>("SELECT key FROM idempotency ORDER BY key", null, default)).ShouldBe(["k2500", "k2501", "k2502", "new"]);
    }

    [Fact]
    public async Task Tenants_do_not_share_keys()
    {
        (await SendAsync("k", Api.Jpeg())).Dispose();
        using var other = host.Connect((await host.Keys.CreateAsync("globex", "k", Scopes.All, null, default)).Key);
        using var response = await other.SendAsync(Api.Post(Api.Form(Api.Jpeg(seed: 2)), headers: ("Idempotency-Key", "k")));
        await response.AnalysisAsync();
    }

    [Theory]
    [InlineData(" ")]
    [InlineData("a b")]
    public async Task A_key_must_be_visible_ascii(string key)
    {
        using var response = await SendAsync(key, Api.Jpeg());
        await response.ProblemAsync(400, ErrorCodes.MalformedRequest);
    }

    [Fact]
    public async Task Many_at_once_with_one_key_are_one_analysis()
    {
        var answers = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => SendAsync("k", Api.Jpeg())));
        answers.ShouldAllBe(a => a.StatusCode == HttpStatusCode.Accepted || a.StatusCode == HttpStatusCode.Conflict);
        answers.ShouldContain(a => a.StatusCode == HttpStatusCode.Accepted);
        (await CountAsync()).ShouldBe(1);
        host.StoredFiles().Length.ShouldBe(1);
    }

    private Task<HttpResponseMessage> SendAsync(string key, byte[] image, params (string Name, string Value)[] fields) =>
        host.Client.SendAsync(Api.Post(Api.Form(image, fields), headers: ("Idempotency-Key", key)));

    private Task<long> CountAsync() => host.Service<PlatformDatabase>().QueryFirstAsync<long>("SELECT count(*) FROM analyses", null, default);

    private Task<long> ExpiryAsync(string key) => host.Service<PlatformDatabase>().QueryFirstAsync<long>("SELECT expires_at FROM idempotency WHERE key = @key", new { key }, default);

    /// <summary>A raw body that stops in the middle until it is told to go on.</summary>
    private sealed class PausedContent : HttpContent
    {
        private readonly byte[] bytes;

        public PausedContent(byte[] bytes)
        {
            this.bytes = bytes;
            Headers.ContentType = new("image/jpeg");
        }

        public TaskCompletionSource Started { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Continue { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync(bytes.AsMemory(0, bytes.Length / 2));
            await stream.FlushAsync();
            Started.SetResult();
            await Continue.Task;
            await stream.WriteAsync(bytes.AsMemory(bytes.Length / 2));
        }

        protected override bool TryComputeLength(out long length)
        {
            length = bytes.Length;
            return true;
        }
    }
}
