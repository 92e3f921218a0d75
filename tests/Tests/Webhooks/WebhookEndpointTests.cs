using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Reporting.Webhooks;

namespace Palimpsest.Tests.Webhooks;

/// <summary>The HTTP face over a real server: endpoints, tests, rotation, log, redelivery.</summary>
public sealed class WebhookEndpointTests : IAsyncLifetime
{
    private readonly string folder = Directory.CreateTempSubdirectory("palimpsest-").FullName;
    private WebApplication app = null!;
    private HttpClient client = null!;

    public async Task InitializeAsync()
    {
        var platform = PlatformBuilder.Create(["--urls", "http://127.0.0.1:0"], "reporting", new Dictionary<string, string?>
        {
            ["PALIMPSEST_DATA"] = folder, ["PALIMPSEST_MODELS"] = folder, ["PALIMPSEST_ALLOW_NETWORKS"] = "127.0.0.0/8", ["Webhooks:PollSeconds"] = "0.05", ["Webhooks:MaxEndpoints"] = "3",
        });
        platform.Host.Logging.ClearProviders();
        platform.AddWebhooks();
        app = platform.Build();
        // Stands where the gateway's key check stands.
        app.Use((context, next) =>
        {
            if (context.Request.Headers["X-Test-Tenant"] is [{ } tenant])
            {
                context.Features.Set(new TenantContext(tenant, "k", context.Request.Headers["X-Test-Scopes"] is [{ } scopes] ? scopes.Split(' ').ToHashSet() : Scopes.All.ToHashSet()));
            }

            return next(context);
        });
        app.MapWebhooks();
        await app.StartAsync();
        client = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };
    }

    public async Task DisposeAsync()
    {
        client.Dispose();
        await app.StopAsync();
        await app.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task The_secret_is_shown_once_and_a_test_event_verifies_with_it()
    {
        await using var receiver = await Receiver.StartAsync();
        var created = await CreateAsync(receiver.Url);
        created.Secret!.ShouldStartWith("whsec_");
        Convert.FromBase64String(created.Secret![6..]).Length.ShouldBeInRange(24, 64);
        (await ReadAsync<WebhookEndpointDocument>(HttpMethod.Get, $"/v1/webhook-endpoints/{created.Id}")).Secret.ShouldBeNull();
        var delivery = await TestAsync(created.Id);
        await DeliveredAsync(delivery.Id);
        var post = receiver.Posts.Single();
        post.Id.ShouldBe(delivery.Id);
        post.Json.GetProperty("type").GetString().ShouldBe("webhook.test");
        (await Receiver.VerifyAsync((post, created.Secret!, null))).ShouldBe(["ok"]);
    }

    [Fact]
    public async Task While_a_secret_rotates_both_verify_and_afterwards_only_the_new_one()
    {
        await using var receiver = await Receiver.StartAsync();
        var created = await CreateAsync(receiver.Url);
        await DeliveredAsync((await TestAsync(created.Id)).Id);
        var rotated = await ReadAsync<WebhookEndpointDocument>(HttpMethod.Post, $"/v1/webhook-endpoints/{created.Id}/rotate-secret");
        rotated.Secret.ShouldNotBe(created.Secret);
        rotated.PreviousSecretExpiresAt!.Value.ShouldBe(TimeProvider.System.GetUtcNow().AddHours(24), TimeSpan.FromMinutes(1));
        await DeliveredAsync((await TestAsync(created.Id)).Id);
        await app.Services.GetRequiredService<PlatformDatabase>().ExecuteAsync("UPDATE webhook_endpoints SET previous_until = 0", null, default);
        await DeliveredAsync((await TestAsync(created.Id)).Id);
        var (before, during, after) = (receiver.Posts[0], receiver.Posts[1], receiver.Posts[2]);
        (before.Signatures.Length, during.Signatures.Length, after.Signatures.Length).ShouldBe((1, 2, 1));
        const string No = "No matching signature found";
        (await Receiver.VerifyAsync(
            (before, created.Secret!, null), (before, rotated.Secret!, null), (during, created.Secret!, null), (during, rotated.Secret!, null),
            (after, created.Secret!, null), (after, rotated.Secret!, null), (during, rotated.Secret!, during.Body + " ")))
            .ShouldBe(["ok", No, "ok", "ok", No, "ok", No]);
    }

    [Fact]
    public async Task Redelivery_repeats_the_same_id_and_body_and_the_log_keeps_both_attempts()
    {
        await using var receiver = await Receiver.StartAsync(Receiver.Status(404));
        var created = await CreateAsync(receiver.Url);
        var delivery = await TestAsync(created.Id);
        await UntilAsync(delivery.Id, d => d.Attempts == 1);
        (await ReadAsync<WebhookDeliveryDocument>(HttpMethod.Post, $"/v1/webhook-deliveries/{delivery.Id}/redeliver", status: HttpStatusCode.Accepted)).State.ShouldBe("pending");
        var done = await DeliveredAsync(delivery.Id);
        done.History.Select(a => a.Status).ShouldBe([404, 200]);
        done.Body.ShouldBe(receiver.Posts[0].Body);
        receiver.Posts.Select(p => (p.Id, p.Body)).Distinct().Count().ShouldBe(1);
    }

    [Fact]
    public async Task The_log_is_paged_newest_first_by_cursor()
    {
        await using var receiver = await Receiver.StartAsync();
        var created = await CreateAsync(receiver.Url);
        var sent = new List<string>();
        for (int i = 0; i < 5; i++)
        {
            sent.Add((await TestAsync(created.Id)).Id);
        }

        var seen = new List<string>();
        string? cursor = null;
        int pages = 0;
        do
        {
            using var response = await SendAsync(HttpMethod.Get, $"/v1/webhook-deliveries?endpoint_id={created.Id}&limit=2" + (cursor is null ? "" : "&cursor=" + cursor));
            var page = await response.Content.ReadFromJsonAsync<JsonElement>();
            seen.AddRange(page.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("id").GetString()!));
            cursor = page.GetProperty("next_cursor").GetString();
            response.Headers.Contains("Link").ShouldBe(cursor is not null);
            pages++;
        }
        while (cursor is not null);
        pages.ShouldBe(3);
        seen.Count.ShouldBe(5);
        seen.Order().ShouldBe(sent.Order());
    }

    [Fact]
    public async Task Changes_are_kept_and_a_disabled_endpoint_takes_no_test()
    {
        await using var receiver = await Receiver.StartAsync();
        var created = await CreateAsync(receiver.Url);
        var changed = await ReadAsync<WebhookEndpointDocument>(HttpMethod.Patch, $"/v1/webhook-endpoints/{created.Id}", new { enabled = false, description = "old", events = new[] { "batch.completed" } });
        changed.Enabled.ShouldBeFalse();
        changed.Events.ShouldBe(["batch.completed"]);
        changed.Url.ShouldBe(created.Url);
        await ProblemAsync(HttpMethod.Post, $"/v1/webhook-endpoints/{created.Id}/test", null, 409, "conflict");
        (await ReadAsync<WebhookEndpointDocument>(HttpMethod.Patch, $"/v1/webhook-endpoints/{created.Id}", new { enabled = true })).DisabledReason.ShouldBeNull();
        using var removed = await SendAsync(HttpMethod.Delete, $"/v1/webhook-endpoints/{created.Id}");
        removed.StatusCode.ShouldBe(HttpStatusCode.NoContent);
        await ProblemAsync(HttpMethod.Get, $"/v1/webhook-endpoints/{created.Id}", null, 404, "not_found");
    }

    [Theory]
    [InlineData("http://169.254.169.254/latest", 422, "address_refused")]
    [InlineData("http://10.0.0.1/", 422, "address_refused")]
    [InlineData("ftp://example.com/", 422, "address_refused")]
    [InlineData("http://user:pw@127.0.0.1:80/", 422, "address_refused")]
    [InlineData("", 422, "invalid_option")]
    public async Task An_address_that_may_not_be_reached_is_refused_at_once(string url, int status, string code) =>
        await ProblemAsync(HttpMethod.Post, "/v1/webhook-endpoints", new { url }, status, code);

    [Fact]
    public async Task Unknown_events_bad_json_and_bad_cursors_are_explained()
    {
        await ProblemAsync(HttpMethod.Post, "/v1/webhook-endpoints", new { url = "http://127.0.0.1/", events = new[] { "analysis.started" } }, 422, "invalid_option");
        await ProblemAsync(HttpMethod.Post, "/v1/webhook-endpoints", new { url = "http://127.0.0.1/", events = new string?[] { null } }, 422, "invalid_option");
        await ProblemAsync(HttpMethod.Post, "/v1/webhook-endpoints", new { url = "http://127.0.0.1/", events = new[] { "batch.completed", "batch.completed" } }, 422, "invalid_option");
        await ProblemAsync(HttpMethod.Post, "/v1/webhook-endpoints", new { url = "http://127.0.0.1/", description = "a\0b" }, 422, "invalid_option");
        await ProblemAsync(HttpMethod.Post, "/v1/webhook-endpoints", "just a string", 400, "malformed_request");
        await ProblemAsync(HttpMethod.Get, "/v1/webhook-deliveries?cursor=zzz", null, 422, "invalid_option");
        await ProblemAsync(HttpMethod.Get, "/v1/webhook-deliveries?limit=0", null, 422, "invalid_option");
        await ProblemAsync(HttpMethod.Get, "/v1/webhook-deliveries?limit=many", null, 422, "invalid_option");
        await ProblemAsync(HttpMethod.Get, "/v1/webhook-deliveries?state=lost", null, 422, "invalid_option");
    }

    [Theory]
    [InlineData("application/json", "{\"url\": }", 400, "malformed_request", "line 1, byte 8")]
    [InlineData("application/json", "{\"url\": \"http://127.0.0.1/\", \"enabled\": \"yes\"}", 400, "malformed_request", "$.enabled")]
    [InlineData("application/json", "", 400, "malformed_request", "application/json")]
    [InlineData("text/plain", "{}", 415, "unsupported_format", "application/json")]
    public async Task A_body_that_is_not_understood_is_told_where(string type, string body, int status, string code, string where)
    {
        foreach (var (method, path) in new[] { (HttpMethod.Post, "/v1/webhook-endpoints"), (HttpMethod.Patch, "/v1/webhook-endpoints/we_1") })
        {
            var request = new HttpRequestMessage(method, path) { Content = new StringContent(body, null, type), Headers = { { "X-Test-Tenant", "tenant-a" } } };
            using var response = await client.SendAsync(request);
            string text = await response.Content.ReadAsStringAsync();
            ((int)response.StatusCode).ShouldBe(status, text);
            var problem = JsonDocument.Parse(text).RootElement;
            problem.GetProperty("code").GetString().ShouldBe(code);
            problem.GetProperty("detail").GetString()!.ShouldContain(where);
            problem.GetProperty("detail").GetString()!.ShouldNotContain("EndpointRequest");
        }
    }

    [Fact]
    public async Task Another_tenant_finds_nothing_and_a_weaker_key_may_not()
    {
        await using var receiver = await Receiver.StartAsync();
        var created = await CreateAsync(receiver.Url);
        var delivery = await TestAsync(created.Id);
        await DeliveredAsync(delivery.Id);
        foreach (var (method, path) in new[]
        {
            (HttpMethod.Get, $"/v1/webhook-endpoints/{created.Id}"), (HttpMethod.Patch, $"/v1/webhook-endpoints/{created.Id}"), (HttpMethod.Delete, $"/v1/webhook-endpoints/{created.Id}"),
            (HttpMethod.Post, $"/v1/webhook-endpoints/{created.Id}/test"), (HttpMethod.Post, $"/v1/webhook-endpoints/{created.Id}/rotate-secret"),
            (HttpMethod.Get, $"/v1/webhook-deliveries/{delivery.Id}"), (HttpMethod.Post, $"/v1/webhook-deliveries/{delivery.Id}/redeliver"),
        })
        {
            object? body = method == HttpMethod.Patch ? new { enabled = false } : null;
            await ProblemAsync(method, path, body, 404, "not_found", tenant: "tenant-b");
            await ProblemAsync(method, path, body, 401, "unauthenticated", tenant: null);
            await ProblemAsync(method, path, body, 403, "forbidden", scopes: "submit");
        }

        foreach (string list in new[] { "/v1/webhook-endpoints", "/v1/webhook-deliveries" })
        {
            using var response = await SendAsync(HttpMethod.Get, list, tenant: "tenant-b");
            (await response.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("items").GetArrayLength().ShouldBe(0);
        }

        (await ReadAsync<WebhookEndpointDocument>(HttpMethod.Get, $"/v1/webhook-endpoints/{created.Id}")).Enabled.ShouldBeTrue();
        receiver.Posts.Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_tenant_has_a_limited_number_of_endpoints()
    {
        for (int i = 0; i < 3; i++)
        {
            await CreateAsync("http://127.0.0.1:9/");
        }

        await ProblemAsync(HttpMethod.Post, "/v1/webhook-endpoints", new { url = "http://127.0.0.1:9/" }, 409, "conflict");
    }

    [Fact]
    public async Task Deliveries_are_counted_by_outcome_on_the_metrics_page()
    {
        await using var receiver = await Receiver.StartAsync();
        await DeliveredAsync((await TestAsync((await CreateAsync(receiver.Url)).Id)).Id);
        string metrics = await client.GetStringAsync("/metrics");
        metrics.ShouldContain("palimpsest_webhook_deliveries_total{outcome=\"delivered\"}");
        metrics.ShouldContain("palimpsest_webhook_duration_seconds_bucket");
        metrics.ShouldContain("palimpsest_webhook_lateness_seconds");
    }

    private async Task<WebhookEndpointDocument> CreateAsync(string url) => await ReadAsync<WebhookEndpointDocument>(HttpMethod.Post, "/v1/webhook-endpoints", new { url }, HttpStatusCode.Created);

    private Task<WebhookDeliveryDocument> TestAsync(string endpoint) => ReadAsync<WebhookDeliveryDocument>(HttpMethod.Post, $"/v1/webhook-endpoints/{endpoint}/test", status: HttpStatusCode.Accepted);

    private Task<WebhookDeliveryDocument> DeliveredAsync(string id) => UntilAsync(id, d => d.State == "delivered");

    private async Task<WebhookDeliveryDocument> UntilAsync(string id, Func<WebhookDeliveryDocument, bool> condition)
    {
        for (int i = 0; i < 1_000; i++)
        {
            var delivery = await ReadAsync<WebhookDeliveryDocument>(HttpMethod.Get, $"/v1/webhook-deliveries/{id}");
            if (condition(delivery))
            {
                return delivery;
            }

            await Task.Delay(20);
        }

        throw new TimeoutException($"{id} did not get there.");
    }

    private async Task<T> ReadAsync<T>(HttpMethod method, string path, object? body = null, HttpStatusCode status = HttpStatusCode.OK)
    {
        using var response = await SendAsync(method, path, body);
        string text = await response.Content.ReadAsStringAsync();
        response.StatusCode.ShouldBe(status, text);
        return JsonSerializer.Deserialize<T>(text, PlatformJson.Options)!;
    }

    private async Task ProblemAsync(HttpMethod method, string path, object? body, int status, string code, string? tenant = "tenant-a", string? scopes = null)
    {
        using var response = await SendAsync(method, path, body, tenant, scopes);
        string text = await response.Content.ReadAsStringAsync();
        ((int)response.StatusCode).ShouldBe(status, $"{method} {path}: {text}");
        response.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
        JsonDocument.Parse(text).RootElement.GetProperty("code").GetString().ShouldBe(code);
    }

    private Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, object? body = null, string? tenant = "tenant-a", string? scopes = null)
    {
        var request = new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body, options: PlatformJson.Options) };
        if (tenant is not null)
        {
            request.Headers.Add("X-Test-Tenant", tenant);
        }

        if (scopes is not null)
        {
            request.Headers.Add("X-Test-Scopes", scopes);
        }

        return client.SendAsync(request);
    }
}
