using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Patterns;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Tests.Imaging;
using Palimpsest.Tests.Webhooks;

namespace Palimpsest.Tests.Gateway;

/// <summary>The whole API on the whole platform, and the document that describes it.</summary>
public sealed class ApiTests(WholePlatform platform) : IClassFixture<WholePlatform>
{
    private static readonly string[] Public = ["/health/live", "/health/ready", "/metrics", "/openapi/v1.json", "/docs", "/docs/docs.js", "/docs/docs.css", "/"];

    [Fact]
    public async Task The_document_describes_every_endpoint_and_no_other()
    {
        var document = await DocumentAsync();
        var described = document["paths"]!.AsObject().SelectMany(p => p.Value!.AsObject().Select(o => (Method: o.Key.ToUpperInvariant(), Path: p.Key, Id: o.Value!["operationId"]!.GetValue<string>()))).ToList();
        var mapped = Endpoints().Where(e => !e.Path.StartsWith("/docs", StringComparison.Ordinal)).ToList();
        mapped.Select(m => (m.Method, m.Path)).Order().ShouldBe(described.Select(d => (d.Method, d.Path)).Order());
        foreach (var (method, path, name) in mapped.Where(m => m.Name is not null))
        {
            described.Single(d => d.Method == method && d.Path == path).Id.ShouldBe(name);
        }
    }

    [Fact]
    public async Task A_gateway_alone_serves_the_same_document()
    {
        await using var alone = await GatewayHost.StartAsync(new()
        {
            ["RABBITMQ_URL"] = "amqp://127.0.0.1:1", ["PALIMPSEST_INTERNAL_KEY"] = new string('k', 32), ["REPORTING_URL"] = "http://127.0.0.1:1",
        });
        using var client = alone.Connect();
        var its = JsonNode.Parse(await client.GetStringAsync("/openapi/v1.json"))!;
        JsonNode.DeepEquals(its, await DocumentAsync()).ShouldBeTrue();
        its["openapi"]!.GetValue<string>().ShouldStartWith("3.1");
    }

    [Fact]
    public async Task The_documentation_needs_nothing_from_elsewhere()
    {
        using var client = platform.Connect(null);
        foreach (string path in new[] { "/docs", "/docs/docs.js", "/docs/docs.css" })
        {
            using var response = await client.GetAsync(path);
            response.StatusCode.ShouldBe(HttpStatusCode.OK);
            response.Headers.GetValues("Content-Security-Policy").Single().ShouldStartWith("default-src 'none'");
            (await response.Content.ReadAsStringAsync()).ShouldNotContain("//" + "cdn");
            (await response.Content.ReadAsStringAsync()).ShouldNotMatch("https?://");
        }
    }

    [Fact]
    public async Task Every_answer_is_as_the_document_says()
    {
        await using var receiver = await Receiver.StartAsync();
        using var client = platform.Connect(platform.Key);
        string id = await SubmitAsync(client);
        string batch = await DriveBatchesAsync(client);
        await DriveAnalysisAsync(client, id);
        await DriveErrorsAsync(client, id);
        await DriveWebhooksAsync(client, receiver.Url);
        foreach (string path in new[] { "/v1/detectors", "/v1/batches?limit=1", $"/v1/batches/{batch}/results.csv", "/health/live", "/health/ready", "/metrics", "/openapi/v1.json", "/v1/feedback", "/v1/feedback?format=json" })
        {
            (await client.GetAsync(path)).StatusCode.ShouldBe(HttpStatusCode.OK, path);
        }

        (await client.DeleteAsync("/v1/analyses/" + id)).StatusCode.ShouldBe(HttpStatusCode.NoContent);
        (await client.GetAsync("/v1/analyses/" + id)).StatusCode.ShouldBe(HttpStatusCode.Gone);

        platform.Exchanges.ShouldNotContain(e => e.Status == 500);
        string input = new JsonObject
        {
            ["document"] = await DocumentAsync(),
            ["exchanges"] = new JsonArray([.. platform.Exchanges.Where(e => e.Path != "/v1/nothing" && !e.Path.StartsWith("/docs", StringComparison.Ordinal)).Select(e => JsonSerializer.SerializeToNode(e, JsonSerializerOptions.Web))]),
        }.ToJsonString();
        var findings = JsonNode.Parse(await NodeScript.RunAsync("check-openapi.mjs", input))!;
        findings["lint"]!.AsArray().Select(f => f!.ToString()).ShouldBeEmpty();
        findings["examples"]!.AsArray().Select(f => f!.ToString()).ShouldBeEmpty();
        findings["exchanges"]!.AsArray().Select(f => f!.ToString()).Distinct().ShouldBeEmpty();
    }

    [Fact]
    public async Task Every_address_says_what_it_takes_and_takes_HEAD_where_it_takes_GET()
    {
        using var owner = platform.Connect(platform.Key);
        var ids = await ThingsOfAsync(owner);
        // Not recorded: the document describes neither HEAD nor OPTIONS.
        using var client = new HttpClient { BaseAddress = platform.Address, DefaultRequestHeaders = { { "X-Api-Key", platform.Key } } };
        foreach (var address in Endpoints().Where(e => !e.Path.StartsWith("/health", StringComparison.Ordinal)).GroupBy(e => e.Path))
        {
            string path = ids.Aggregate(address.Key, (p, thing) => p.StartsWith(thing.Key, StringComparison.Ordinal) ? p.Replace("{id}", thing.Value) : p).Replace("{name}", "mask-shallowfake");
            string[] methods = [.. address.Select(a => a.Method)];
            string[] allowed = methods.Contains("GET") ? [.. methods, "HEAD"] : methods;
            using var options = await client.SendAsync(new HttpRequestMessage(HttpMethod.Options, path));
            options.StatusCode.ShouldBe(HttpStatusCode.NoContent, path);
            options.Content.Headers.Allow.ShouldBe(allowed, ignoreOrder: true, path);
            using var other = await client.SendAsync(new HttpRequestMessage(HttpMethod.Put, path));
            await other.ProblemAsync(405, ErrorCodes.MethodNotAllowed);
            other.Content.Headers.Allow.ShouldBe(allowed, ignoreOrder: true, path);
            if (methods.Contains("GET"))
            {
                using var get = await client.GetAsync(path);
                using var head = await client.SendAsync(new HttpRequestMessage(HttpMethod.Head, path));
                head.StatusCode.ShouldBe(get.StatusCode, path);
                head.Content.Headers.ContentType.ShouldBe(get.Content.Headers.ContentType, path);
                (await head.Content.ReadAsByteArrayAsync()).ShouldBeEmpty(path);
            }
        }
    }

    [Fact]
    public async Task Every_route_asks_for_key_scope_and_ownership()
    {
        using var owner = platform.Connect(platform.Key);
        var ids = await ThingsOfAsync(owner);
        string revoked = (await platform.Keys.CreateAsync("acme", "old", Scopes.All, null, default)).Key;
        (await platform.Keys.RevokeAsync(revoked[..15], default)).ShouldBeTrue();
        var scoped = new Dictionary<string, string>();
        foreach (string missing in Scopes.All)
        {
            scoped[missing] = (await platform.Keys.CreateAsync("acme", "no " + missing, [.. Scopes.All.Where(s => s != missing)], null, default)).Key;
        }

        var document = await DocumentAsync();
        int tried = 0, through = 0;
        foreach (var (method, template, _) in Endpoints().Where(e => !Public.Contains(e.Path)))
        {
            string path = ids.Aggregate(template, (p, thing) => p.StartsWith(thing.Key, StringComparison.Ordinal) ? p.Replace("{id}", thing.Value) : p).Replace("{name}", "mask-shallowfake");
            path.ShouldNotContain("{");
            async Task TryAsync(string? key, params HttpStatusCode[] allowed)
            {
                using var client = platform.Connect(key);
                using var response = await client.SendAsync(new HttpRequestMessage(new HttpMethod(method), path) { Content = method is "POST" or "PATCH" ? JsonContent.Create(new { }) : null }, HttpCompletionOption.ResponseHeadersRead);
                tried++;
                through += response.IsSuccessStatusCode ? 1 : 0;
                response.StatusCode.ShouldBeOneOf(allowed);
            }

            foreach (string? wrong in new[] { null, "wrong", platform.Key + "x", revoked })
            {
                await TryAsync(wrong, HttpStatusCode.Unauthorized);
            }

            string scope = document["paths"]![template]![method.ToLowerInvariant()]!["security"]![0]!["bearer"]![0]!.GetValue<string>();
            await TryAsync(scoped[scope], HttpStatusCode.Forbidden);
            if (template.Contains("{id}", StringComparison.Ordinal))
            {
                await TryAsync(platform.OtherKey, HttpStatusCode.NotFound);
            }
        }

        tried.ShouldBeGreaterThan(100);
        through.ShouldBe(0, $"tried {tried}, let through {through}");
        // The control: the owner is let in.
        (await owner.GetAsync("/v1/analyses/" + ids["/v1/analyses/"])).StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Logs_and_traces_hold_no_key_secret_or_query()
    {
        await using var receiver = await Receiver.StartAsync();
        using var client = platform.Connect(platform.Key);
        string hook = receiver.Url + "&more=c4llb4ck";
        using var fetched = await client.PostAsJsonAsync("/v1/analyses", new { url = receiver.Url + "&sig=s1gn4ture", callback_url = hook });
        using var submitted = await client.SendAsync(Api.Post(Api.Form(TestPictures.Jpeg(128, 96), ("callback_url", hook)), headers: ("Prefer", "wait=60")));
        await submitted.AnalysisAsync(HttpStatusCode.OK);
        (await client.GetAsync("/v1/analyses?cursor=qu3ry")).Dispose();
        (await client.GetAsync("/v1/nothing?x=qu3ry")).Dispose();
        using var stranger = platform.Connect("pk_000000000000_wr0ngsecret");
        (await stranger.GetAsync("/v1/analyses?key=qu3ry")).Dispose();
        using var endpoint = await client.PostAsJsonAsync("/v1/webhook-endpoints", new { url = receiver.Url + "&more=3ndp0int" });
        string secret = JsonNode.Parse(await endpoint.Content.ReadAsStringAsync())!["secret"]!.GetValue<string>();
        await DeliveredAsync();

        platform.Logged.ShouldNotBeEmpty();
        platform.Traced.ShouldNotBeEmpty();
        foreach (string hidden in new[] { platform.Key, platform.Key.Split('_', 3)[2], "wr0ngsecret", "c4llb4ck", "s1gn4ture", "3ndp0int", "qu3ry", secret, secret["whsec_".Length..] })
        {
            platform.Logged.FirstOrDefault(l => l.Contains(hidden, StringComparison.Ordinal)).ShouldBeNull();
            platform.Traced.FirstOrDefault(l => l.Contains(hidden, StringComparison.Ordinal)).ShouldBeNull();
        }
    }

    private async Task DeliveredAsync()
    {
        var database = platform.Services.GetRequiredService<PlatformDatabase>();
        await Poll.UntilAsync(
            async () => await database.QueryFirstAsync<long>("SELECT count(*) FROM webhook_deliveries WHERE state = 'delivered' AND url LIKE '%/hook%'", null, default) > 0, seconds: 60);
    }

    private static async Task<string> SubmitAsync(HttpClient client)
    {
        using var response = await client.SendAsync(Api.Post(Api.Form(TestPictures.Jpeg(256, 192), ("detectors", "both"), ("metadata", """{"a":[1]}""")), headers: ("Prefer", "wait=60")));
        var analysis = await response.AnalysisAsync(HttpStatusCode.OK);
        analysis.Status.ShouldBe(AnalysisStatuses.Succeeded, analysis.Error?.Detail);
        using var again = await client.SendAsync(Api.Post(Api.Form(TestPictures.Jpeg(256, 192), ("detectors", "both")), headers: ("Idempotency-Key", "twice")));
        (await again.AnalysisAsync()).Cached.ShouldBeTrue();
        return analysis.Id;
    }

    private static async Task<string> DriveBatchesAsync(HttpClient client)
    {
        using var form = Api.Form(TestPictures.Jpeg(64, 64, 80), ("metadata", """{"lot":1}"""));
        form.Add(new ByteArrayContent("hello, this is text"u8.ToArray()), "image", "notes.txt");
        using var response = await client.SendAsync(Api.Post(form, "/v1/batches"));
        response.StatusCode.ShouldBe(HttpStatusCode.Accepted);
        string id = JsonNode.Parse(await response.Content.ReadAsStringAsync())!["id"]!.GetValue<string>();
        (await client.GetAsync("/v1/batches/" + id)).StatusCode.ShouldBe(HttpStatusCode.OK);
        return id;
    }

    private static async Task DriveAnalysisAsync(HttpClient client, string id)
    {
        string self = "/v1/analyses/" + id;
        foreach (string path in new[]
        {
            self, self + "/mask", self + "/overlay", self + "/thumbnail", self + "/evidence/mask-shallowfake", self + "/report", self + "/report?format=json", self + "/report?format=csv", self + "/events",
            "/v1/analyses", "/v1/analyses?status=succeeded&limit=1",
        })
        {
            using var response = await client.GetAsync(path);
            response.StatusCode.ShouldBe(HttpStatusCode.OK, path);
        }

        using var csv = new HttpRequestMessage(HttpMethod.Get, "/v1/analyses") { Headers = { { "Accept", "text/csv" } } };
        (await client.SendAsync(csv)).Content.Headers.ContentType!.MediaType.ShouldBe("text/csv");
        using var known = new HttpRequestMessage(HttpMethod.Get, self) { Headers = { { "If-None-Match", "*" } } };
        (await client.SendAsync(known)).StatusCode.ShouldBe(HttpStatusCode.NotModified);
        (await client.GetAsync(self + "/feedback")).StatusCode.ShouldBe(HttpStatusCode.NoContent);
        (await client.PostAsJsonAsync(self + "/feedback", new { label = "real", note = "mine" })).StatusCode.ShouldBe(HttpStatusCode.OK);
        (await client.GetAsync(self + "/feedback")).StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    private async Task DriveErrorsAsync(HttpClient client, string id)
    {
        using var broken = await client.SendAsync(Api.Post(Api.Form(Api.Jpeg()), headers: ("Prefer", "wait=60")));
        (await broken.AnalysisAsync(HttpStatusCode.OK)).Status.ShouldBe(AnalysisStatuses.Failed);
        foreach (var (request, status) in new (HttpRequestMessage, int)[]
        {
            (Api.Post(Api.Form([])), 400), (Api.Post(Api.Form("some text, no picture at all"u8.ToArray())), 415), (Api.Post(Api.Form(Api.Jpeg(21 << 20))), 413),
            (Api.Post(Api.Form(Api.Jpeg(), ("detectors", "x"))), 422), (Api.Post(Api.Form(Api.Jpeg()), headers: ("Idempotency-Key", "twice")), 422), (Api.Post(Api.Form(Api.Jpeg()), headers: ("Idempotency-Key", "a b")), 400),
            (Api.Post(JsonContent.Create(new { url = "http://10.0.0.1/" })), 422), (Api.Post(JsonContent.Create(new { url = "http://127.0.0.1:1/" })), 422), (Api.Post(JsonContent.Create(new { urls = new[] { 1 } }), "/v1/batches"), 422),
            (new(HttpMethod.Get, "/v1/analyses/an_nothing"), 404), (new(HttpMethod.Get, "/v1/analyses/an_nothing/mask"), 404), (new(HttpMethod.Get, "/v1/batches/ba_nothing"), 404),
            (new(HttpMethod.Get, "/v1/analyses?status=x"), 422), (new(HttpMethod.Get, "/v1/analyses?limit=x"), 422), (new(HttpMethod.Get, "/v1/analyses?cursor=%21"), 422),
            (new(HttpMethod.Get, $"/v1/analyses/{id}/report?format=x"), 422), (new(HttpMethod.Get, $"/v1/analyses/{id}/thumbnail?max=1"), 422),
            (Api.Post(JsonContent.Create(new { label = "maybe" }), $"/v1/analyses/{id}/feedback"), 422), (Api.Post(new StringContent("x"), $"/v1/analyses/{id}/feedback"), 415),
            (new(HttpMethod.Get, "/v1/webhook-deliveries?limit=0"), 422), (new(HttpMethod.Get, "/v1/webhook-deliveries?limit=x"), 422), (new(HttpMethod.Get, "/v1/webhook-endpoints/we_nothing"), 404),
        })
        {
            using var response = await client.SendAsync(request);
            ((int)response.StatusCode).ShouldBe(status, $"{request.Method} {request.RequestUri}: {await response.Content.ReadAsStringAsync()}");
            response.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
        }

        using var stranger = platform.Connect(null);
        (await stranger.GetAsync("/v1/analyses")).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
    }

    private static async Task DriveWebhooksAsync(HttpClient client, string url)
    {
        using var created = await client.PostAsJsonAsync("/v1/webhook-endpoints", new { url, events = new[] { "analysis.completed" } });
        created.StatusCode.ShouldBe(HttpStatusCode.Created);
        string self = "/v1/webhook-endpoints/" + JsonNode.Parse(await created.Content.ReadAsStringAsync())!["id"]!.GetValue<string>();
        (await client.GetAsync("/v1/webhook-endpoints")).StatusCode.ShouldBe(HttpStatusCode.OK);
        (await client.GetAsync(self)).StatusCode.ShouldBe(HttpStatusCode.OK);
        (await client.PatchAsJsonAsync(self, new { description = "ours" })).StatusCode.ShouldBe(HttpStatusCode.OK);
        (await client.PostAsync(self + "/rotate-secret", null)).StatusCode.ShouldBe(HttpStatusCode.OK);
        using var tested = await client.PostAsync(self + "/test", null);
        tested.StatusCode.ShouldBe(HttpStatusCode.Accepted);
        string delivery = "/v1/webhook-deliveries/" + JsonNode.Parse(await tested.Content.ReadAsStringAsync())!["id"]!.GetValue<string>();
        (await client.GetAsync(delivery)).StatusCode.ShouldBe(HttpStatusCode.OK);
        (await client.GetAsync("/v1/webhook-deliveries?limit=1")).StatusCode.ShouldBe(HttpStatusCode.OK);
        (await client.PostAsync(delivery + "/redeliver", null)).StatusCode.ShouldBe(HttpStatusCode.Accepted);
        (await client.DeleteAsync(self)).StatusCode.ShouldBe(HttpStatusCode.NoContent);
    }

    /// <summary>One thing of each kind, by the head of its path.</summary>
    private static async Task<Dictionary<string, string>> ThingsOfAsync(HttpClient owner)
    {
        async Task<string> IdOfAsync(Task<HttpResponseMessage> request) => JsonNode.Parse(await (await request).Content.ReadAsStringAsync())!["id"]!.GetValue<string>();
        string endpoint = await IdOfAsync(owner.PostAsJsonAsync("/v1/webhook-endpoints", new { url = "http://127.0.0.1:9/" }));
        return new Dictionary<string, string>
        {
            ["/v1/analyses/"] = await IdOfAsync(owner.SendAsync(Api.Post(Api.Form(TestPictures.Jpeg(200, 150)), headers: ("Prefer", "wait=60")))),
            ["/v1/batches/"] = await IdOfAsync(owner.SendAsync(Api.Post(Api.Form(TestPictures.Jpeg(64, 64)), "/v1/batches"))),
            ["/v1/webhook-endpoints/"] = endpoint,
            ["/v1/webhook-deliveries/"] = await IdOfAsync(owner.PostAsync($"/v1/webhook-endpoints/{endpoint}/test", null)),
        };
    }

    private async Task<JsonNode> DocumentAsync()
    {
        using var client = platform.Connect(null);
        return JsonNode.Parse(await client.GetStringAsync("/openapi/v1.json"))!;
    }

    private IEnumerable<(string Method, string Path, string? Name)> Endpoints() => platform.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
        .SelectMany(e => (e.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? ["GET"]).Select(m => (m, Path(e.RoutePattern), e.Metadata.GetMetadata<EndpointNameMetadata>()?.EndpointName)));

    private static string Path(RoutePattern pattern) => "/" + string.Join('/', pattern.PathSegments.Select(s => string.Concat(s.Parts.Select(p => p switch
    {
        RoutePatternLiteralPart literal => literal.Content,
        RoutePatternParameterPart parameter => "{" + parameter.Name + "}",
        RoutePatternSeparatorPart separator => separator.Content,
        _ => "",
    }))));
}
