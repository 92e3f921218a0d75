using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Palimpsest.Contracts;
using Palimpsest.Gateway;
using Palimpsest.Hosting;

namespace Palimpsest.Tests.Gateway;

/// <summary>The gateway in front of another process, which checks the assertion with the middleware that reporting uses. The broker is down throughout.</summary>
public sealed class ProxyTests : IAsyncLifetime
{
    private const string InternalKey = "an-internal-key-of-forty-characters-----";

    private readonly Dictionary<string, string?> distributed = new() { ["RABBITMQ_URL"] = "amqp://127.0.0.1:1", ["PALIMPSEST_INTERNAL_KEY"] = InternalKey };
    private readonly TaskCompletionSource finishStream = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly string folder = Directory.CreateTempSubdirectory("palimpsest-").FullName;
    private WebApplication behind = null!;
    private GatewayHost host = null!;

    public async Task InitializeAsync()
    {
        var platform = PlatformBuilder.Create(["--urls", "http://127.0.0.1:0"], "behind", new Dictionary<string, string?>(distributed) { ["PALIMPSEST_DATA"] = folder });
        platform.Host.Logging.ClearProviders();
        behind = platform.Build();
        behind.UseTenantAssertions();
        behind.MapGet("/v1/analyses/{id}", (string id, HttpContext c) => $"{TenantContext.Of(c).Tenant} {TenantContext.Of(c).KeyId} {id} {c.Request.QueryString}");
        behind.MapGet("/v1/analyses", () => "[]");
        behind.MapGet("/v1/headers", (HttpContext c) => string.Join('\n', c.Request.Headers.Select(h => $"{h.Key}: {h.Value}")));
        behind.MapGet("/v1/stream", async (HttpContext c) =>
        {
            c.Response.ContentType = "text/event-stream";
            await c.Response.WriteAsync(": first\n\n");
            await c.Response.Body.FlushAsync();
            await finishStream.Task;
            await c.Response.WriteAsync(": last\n\n");
        });
        await behind.StartAsync();
        host = await GatewayHost.StartAsync(new(distributed) { ["REPORTING_URL"] = behind.Urls.First() });
    }

    public async Task DisposeAsync()
    {
        await host.DisposeAsync();
        await behind.StopAsync();
        await behind.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task Reading_goes_to_reporting_under_the_tenants_name()
    {
        string answer = await host.Client.GetStringAsync("/v1/analyses/an_1?a=b%2Fc");
        answer.ShouldBe($"acme {KeyFormat.IdOf(host.Key)} an_1 ?a=b%2Fc");
    }

    [Fact]
    public async Task The_key_stays_at_the_gateway_and_forged_headers_too()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/headers");
        request.Headers.TryAddWithoutValidation("X-Palimpsest-Tenant", "forged");
        request.Headers.TryAddWithoutValidation("x-palimpsest-anything", "forged");
        request.Headers.TryAddWithoutValidation("Cookie", "a=b");
        using var response = await host.Client.SendAsync(request);
        string headers = await response.Content.ReadAsStringAsync();
        headers.ShouldNotContain("forged");
        headers.ShouldNotContain(host.Key);
        headers.ShouldNotContain("Authorization");
        headers.ShouldNotContain("Cookie");
        string assertion = headers.Split('\n').Single(l => l.StartsWith(TenantAssertion.Header)).Split(": ")[1];
        TenantAssertion.Verify(assertion, InternalKey, TimeProvider.System.GetUtcNow())!.Tenant.ShouldBe("acme");
    }

    [Fact]
    public async Task What_an_address_takes_is_known_through_the_gateway()
    {
        using var head = await host.Client.SendAsync(new HttpRequestMessage(HttpMethod.Head, "/v1/headers"));
        head.StatusCode.ShouldBe(HttpStatusCode.OK);
        (await head.Content.ReadAsByteArrayAsync()).ShouldBeEmpty();
        using var own = await host.Client.SendAsync(new HttpRequestMessage(HttpMethod.Put, "/v1/analyses"));
        await own.ProblemAsync(405, ErrorCodes.MethodNotAllowed);
        own.Content.Headers.Allow.ShouldBe(["GET", "HEAD", "POST"], ignoreOrder: true);
        using var options = await host.Client.SendAsync(new HttpRequestMessage(HttpMethod.Options, "/v1/headers"));
        options.StatusCode.ShouldBe(HttpStatusCode.NoContent);
        options.Content.Headers.Allow.ShouldBe(["GET", "HEAD"], ignoreOrder: true);
    }

    [Fact]
    public async Task A_body_that_is_too_long_is_refused_in_words_even_to_a_client_that_sends_it_all()
    {
        using var content = new ByteArrayContent(new byte[3 << 20]);
        content.Headers.ContentType = new("application/json");
        using var response = await host.Client.PostAsync("/v1/webhook-endpoints", content);
        await response.ProblemAsync(413, ErrorCodes.ImageTooLarge);
    }

    [Fact]
    public async Task Behind_the_gateway_nobody_is_believed_without_an_assertion()
    {
        using var direct = new HttpClient { BaseAddress = new Uri(behind.Urls.First()) };
        using var none = await direct.GetAsync("/v1/analyses/an_1");
        await none.ProblemAsync(401, ErrorCodes.Unauthenticated);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/analyses/an_1");
        request.Headers.TryAddWithoutValidation(TenantAssertion.Header, TenantAssertion.Create(new TenantContext("acme", "k", Scopes.All.ToHashSet()), new string('x', 40), TimeProvider.System.GetUtcNow()));
        using var forged = await direct.SendAsync(request);
        await forged.ProblemAsync(401, ErrorCodes.Unauthenticated);
    }

    [Fact]
    public async Task Nothing_passes_without_a_key()
    {
        using var stranger = host.Connect();
        foreach (string path in new[] { "/v1/analyses/an_1", "/v1/headers", "/v1/stream", "/V1/headers" })
        {
            using var response = await stranger.GetAsync(path);
            await response.ProblemAsync(401, ErrorCodes.Unauthenticated);
        }
    }

    [Fact]
    public async Task Events_come_through_as_they_are_sent()
    {
        using var response = await host.Client.GetAsync("/v1/stream", HttpCompletionOption.ResponseHeadersRead);
        await using var stream = await response.Content.ReadAsStreamAsync();
        byte[] buffer = new byte[64];
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        // The first event arrives while the response is still open: nothing on the way waits for more.
        int read = await stream.ReadAsync(buffer, limit.Token);
        Encoding.ASCII.GetString(buffer, 0, read).ShouldBe(": first\n\n");
        finishStream.SetResult();
        using var reader = new StreamReader(stream);
        (await reader.ReadToEndAsync(limit.Token)).ShouldBe(": last\n\n");
    }

    [Fact]
    public async Task With_the_broker_down_submissions_are_still_accepted_and_wait_in_the_outbox()
    {
        using var response = await host.Client.SendAsync(Api.Post(Api.Form(Api.Jpeg())));
        await response.AnalysisAsync();
        (await host.Service<OutboxStore>().CountAsync(default)).ShouldBe(1);
        // A load balancer must go on sending them; the other processes have nothing to do without the broker.
        using var ready = await host.Client.GetAsync("/health/ready");
        ready.StatusCode.ShouldBe(HttpStatusCode.OK, await ready.Content.ReadAsStringAsync());
        using var worker = new HttpClient();
        using var idle = await worker.GetAsync(new Uri(behind.Urls.First() + "/health/ready"));
        idle.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
    }

    [Fact]
    public async Task When_reporting_is_away_the_answer_is_503_with_a_code()
    {
        await using var lonely = await GatewayHost.StartAsync(new(distributed) { ["REPORTING_URL"] = "http://127.0.0.1:1" });
        using var response = await lonely.Client.GetAsync("/v1/analyses/an_1");
        await response.ProblemAsync(503, ErrorCodes.Unavailable);
    }

    [Theory]
    [InlineData("PALIMPSEST_INTERNAL_KEY", "short")]
    [InlineData("REPORTING_URL", "reporting:8080")]
    [InlineData("REPORTING_URL", null)]
    public async Task A_gateway_that_could_not_work_does_not_start(string name, string? value)
    {
        var settings = new Dictionary<string, string?>(distributed) { ["REPORTING_URL"] = behind.Urls.First(), [name] = value };
        (await Should.ThrowAsync<InvalidOperationException>(() => GatewayHost.StartAsync(settings))).Message.ShouldContain(name);
    }
}
