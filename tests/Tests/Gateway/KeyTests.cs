using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using Palimpsest.Contracts;
using Palimpsest.Gateway;
using Palimpsest.Hosting;

namespace Palimpsest.Tests.Gateway;

/// <summary>Who gets in, with what, and for how long.</summary>
public sealed class KeyTests : IAsyncLifetime
{
    private readonly FakeTimeProvider time = new(new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero));
    private GatewayHost host = null!;

    public async Task InitializeAsync() => host = await GatewayHost.StartAsync(
        new() { ["PALIMPSEST_API_KEY"] = "one-that-was-chosen-elsewhere" },
        platform => platform.Services.AddSingleton<TimeProvider>(time),
        app =>
        {
            app.MapGet("/v1/whoami", (HttpContext context) => TenantContext.Of(context).Tenant);
            app.MapGet("/somewhere/else", () => "not for strangers");
        });

    public async Task DisposeAsync() => await host.DisposeAsync();

    [Fact]
    public async Task A_key_has_256_random_bits_and_only_its_hash_is_kept()
    {
        var created = await host.Keys.CreateAsync("globex", "ci", [Scopes.Read], null, default);
        created.Key.ShouldMatch("^pk_[0-9a-f]{12}_[A-Za-z0-9_-]{43}$");
        created.WebhookSecret!.ShouldStartWith("whsec_");
        Convert.FromBase64String(created.WebhookSecret![6..]).Length.ShouldBe(32);
        (await host.Keys.CreateAsync("globex", "second", [Scopes.Read], null, default)).WebhookSecret.ShouldBeNull();
        string secret = created.Key.Split('_', 3)[2];
        foreach (string file in Directory.EnumerateFiles(Path.GetDirectoryName(host.Blobs)!, "palimpsest.db*"))
        {
            using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using var reader = new StreamReader(stream, Encoding.Latin1);
            (await reader.ReadToEndAsync()).Contains(secret, StringComparison.Ordinal).ShouldBeFalse(file);
        }
    }

    [Theory]
    [InlineData("Authorization", "Bearer {0}", true)]
    [InlineData("authorization", "bearer {0}", true)]
    [InlineData("X-Api-Key", "{0}", true)]
    [InlineData("Authorization", "{0}", false)]
    [InlineData("Authorization", "Basic {0}", false)]
    [InlineData("Authorization", "Bearer", false)]
    [InlineData("X-Api-Key", "Bearer {0}", false)]
    [InlineData("Cookie", "key={0}", false)]
    [InlineData("X-Palimpsest-Tenant", "{0}", false)]
    public async Task The_key_is_taken_from_two_headers_and_nowhere_else(string header, string value, bool accepted)
    {
        using var client = host.Connect();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/whoami?key=" + host.Key);
        request.Headers.TryAddWithoutValidation(header, string.Format(value, host.Key));
        using var response = await client.SendAsync(request);
        if (accepted)
        {
            (await response.Content.ReadAsStringAsync()).ShouldBe("acme");
        }
        else
        {
            await response.ProblemAsync(401, ErrorCodes.Unauthenticated);
            response.Headers.WwwAuthenticate.ToString().ShouldBe("Bearer");
        }
    }

    [Fact]
    public async Task Two_keys_in_one_request_are_refused_and_one_key_twice_is_one()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/whoami");
        request.Headers.TryAddWithoutValidation("X-Api-Key", "one-that-was-chosen-elsewhere");
        using var response = await host.Client.SendAsync(request);
        await response.ProblemAsync(400, ErrorCodes.MalformedRequest);
        using var twice = new HttpRequestMessage(HttpMethod.Get, "/v1/whoami");
        twice.Headers.TryAddWithoutValidation("X-Api-Key", host.Key);
        using var accepted = await host.Client.SendAsync(twice);
        (await accepted.Content.ReadAsStringAsync()).ShouldBe("acme");
    }

    [Theory]
    [InlineData("http://localhost:8080", true)]
    [InlineData("http://127.0.0.1:0; http://[::1]:0", true)]
    [InlineData("http://localhost:8080;http://0.0.0.0:8080", false)]
    [InlineData("http://+:8080", false)]
    [InlineData("http://*:8080", false)]
    [InlineData("http://palimpsest.example.com", false)]
    [InlineData("", false)]
    [InlineData(null, false)]
    public async Task A_short_key_of_the_environment_is_taken_where_only_this_machine_is_served(string? urls, bool taken)
    {
        var keys = new ApiKeys(host.Service<PlatformDatabase>(), time);
        var configuration = new ConfigurationBuilder().AddInMemoryCollection([new("PALIMPSEST_API_KEY", "secret"), new("urls", urls)]).Build();
        var first = new FirstKey(keys, configuration, Options.Create(new IntakeOptions()), NullLogger<FirstKey>.Instance);
        if (taken)
        {
            await first.StartAsync(default);
            (await keys.VerifyAsync("secret", default))!.Tenant.ShouldBe("default");
            (await new ApiKeys(host.Service<PlatformDatabase>(), time).VerifyAsync("secret", default)).ShouldBeNull("elsewhere the same database does not open to it");
        }
        else
        {
            (await Should.ThrowAsync<ArgumentException>(() => first.StartAsync(default))).Message.ShouldContain("at least 16");
        }
    }

    [Fact]
    public async Task A_key_of_the_environment_works_for_the_default_tenant()
    {
        using var client = host.Connect("one-that-was-chosen-elsewhere");
        (await client.GetStringAsync("/v1/whoami")).ShouldBe("default");
        (await host.Keys.ImportAsync("one-that-was-chosen-elsewhere", "default", "again", default)).ShouldBeNull();
        await Should.ThrowAsync<ArgumentException>(() => new ApiKeys(host.Service<PlatformDatabase>(), time).ImportAsync("short", "default", "no", default));
    }

    [Fact]
    public async Task The_webhook_secret_of_the_environment_is_the_default_tenants_and_a_new_one_replaces_it()
    {
        string[] secrets = [WebhookSignature.CreateSecret(), "whsec_" + Convert.ToBase64String(new byte[24]), "whsec_" + Convert.ToBase64String(new byte[64])];
        var database = host.Service<PlatformDatabase>();
        foreach (string secret in secrets)
        {
            await StartWithAsync(secret);
            (await database.QueryFirstAsync<string>("SELECT webhook_secret FROM tenants WHERE id = 'default'", null, default)).ShouldBe(secret);
        }

        await StartWithAsync("");
        (await database.QueryFirstAsync<string>("SELECT webhook_secret FROM tenants WHERE id = 'default'", null, default)).ShouldBe(secrets[^1]);
        (await database.QueryFirstAsync<string>("SELECT webhook_secret FROM tenants WHERE id = 'acme'", null, default)).ShouldNotBe(secrets[^1]);
        foreach (string wrong in new[] { "secret", secrets[0][6..], "whsec_", "whsec_" + Convert.ToBase64String(new byte[23]), "whsec_" + Convert.ToBase64String(new byte[65]), secrets[0] + "!" })
        {
            var refusal = await Should.ThrowAsync<ArgumentException>(() => StartWithAsync(wrong));
            refusal.Message.ShouldContain("PALIMPSEST_WEBHOOK_SECRET");
            refusal.Message.ShouldContain("openssl rand -base64 32");
        }

        (await host.Keys.SetWebhookSecretAsync("nobody", secrets[0], default)).ShouldBeFalse();

        Task StartWithAsync(string secret) => new FirstKey(
            host.Keys, new ConfigurationBuilder().AddInMemoryCollection([new("PALIMPSEST_WEBHOOK_SECRET", secret)]).Build(), Options.Create(new IntakeOptions()), NullLogger<FirstKey>.Instance).StartAsync(default);
    }

    [Fact]
    public async Task Revoking_works_at_once_here_and_within_sixty_seconds_elsewhere()
    {
        var elsewhere = new ApiKeys(host.Service<PlatformDatabase>(), time);
        (await elsewhere.VerifyAsync(host.Key, default))!.Tenant.ShouldBe("acme");
        (await host.Keys.RevokeAsync(KeyFormat.IdOf(host.Key), default)).ShouldBeTrue();
        (await host.Keys.RevokeAsync(KeyFormat.IdOf(host.Key), default)).ShouldBeFalse();
        (await host.Keys.VerifyAsync(host.Key, default)).ShouldBeNull();
        ApiKeys.CacheTime.ShouldBeLessThanOrEqualTo(TimeSpan.FromSeconds(60));
        time.Advance(ApiKeys.CacheTime);
        (await elsewhere.VerifyAsync(host.Key, default)).ShouldBeNull();
        using var response = await host.Client.GetAsync("/v1/whoami");
        await response.ProblemAsync(401, ErrorCodes.Unauthenticated);
    }

    [Fact]
    public async Task A_key_that_does_not_exist_is_looked_up_now_and_then_and_one_that_is_made_works_soon()
    {
        const string Own = "made-while-others-try-it";
        (await host.Keys.VerifyAsync(Own, default)).ShouldBeNull();
        var elsewhere = new ApiKeys(host.Service<PlatformDatabase>(), time);
        (await elsewhere.VerifyAsync(Own, default)).ShouldBeNull();
        await elsewhere.ImportAsync(Own, "acme", "own", default);
        (await elsewhere.VerifyAsync(Own, default)).ShouldNotBeNull("it was made here");
        (await host.Keys.VerifyAsync(Own, default)).ShouldBeNull("not looked up again yet");
        time.Advance(TimeSpan.FromSeconds(5));
        (await host.Keys.VerifyAsync(Own, default)).ShouldNotBeNull();
    }

    [Fact]
    public async Task A_key_ends_at_its_hour_although_it_is_cached()
    {
        var created = await host.Keys.CreateAsync("acme", "short", Scopes.All, time.GetUtcNow().AddSeconds(10), default);
        (await host.Keys.VerifyAsync(created.Key, default)).ShouldNotBeNull();
        time.Advance(TimeSpan.FromSeconds(10));
        (await host.Keys.VerifyAsync(created.Key, default)).ShouldBeNull();
    }

    [Fact]
    public async Task Every_route_refuses_every_wrong_key()
    {
        var routes = host.Service<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
            .SelectMany(e => (e.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? ["GET"]).Select(m => (Method: m, Path: Fill(e.RoutePattern))))
            .Where(r => !IsPublic(r.Path)).Distinct().ToList();
        routes.ShouldContain(("POST", "/v1/analyses"));
        routes.ShouldContain(("POST", "/v1/batches"));
        routes.ShouldContain(("GET", "/somewhere/else"));

        string revoked = (await host.Keys.CreateAsync("acme", "old", Scopes.All, null, default)).Key;
        await host.Keys.RevokeAsync(KeyFormat.IdOf(revoked), default);
        string expired = (await host.Keys.CreateAsync("acme", "expired", Scopes.All, time.GetUtcNow(), default)).Key;
        string wrong = host.Key[..^1] + (host.Key[^1] == 'A' ? 'B' : 'A');
        string unknown = KeyFormat.Create().Key;
        foreach (var (method, path) in routes)
        {
            foreach (string? key in new[] { null, "", revoked, expired, wrong, unknown, host.Key + "x", host.Key[..20], "pk_", new string('k', 5_000) })
            {
                using var client = host.Connect(key);
                using var response = await client.SendAsync(new HttpRequestMessage(new HttpMethod(method), path));
                response.StatusCode.ShouldBe(HttpStatusCode.Unauthorized, $"{method} {path} with {key ?? "no key"}");
            }
        }
    }

    [Theory]
    [InlineData("/v1/analyses")]
    [InlineData("/v1/batches")]
    public async Task Submitting_needs_its_scope(string path)
    {
        using var reader = host.Connect((await host.Keys.CreateAsync("acme", "reader", [Scopes.Read, Scopes.Admin], null, default)).Key);
        using var response = await reader.SendAsync(Api.Post(Api.Form(Api.Jpeg()), path));
        (await response.ProblemAsync(403, ErrorCodes.Forbidden)).GetProperty("detail").GetString()!.ShouldContain("'submit'");
        host.StoredFiles().ShouldBeEmpty();
    }

    [Theory]
    [InlineData("/V1/analyses")]
    [InlineData("//v1/analyses")]
    [InlineData("/v1//analyses")]
    [InlineData("/v1/./analyses")]
    [InlineData("/health/../v1/analyses")]
    [InlineData("/health/%2e%2e/v1/analyses")]
    [InlineData("/openapi/..%2fv1/analyses")]
    [InlineData("/docs/..;/v1/analyses")]
    [InlineData("/v1%2fanalyses")]
    [InlineData("/v1/analyses/")]
    [InlineData("/v1/analyses%00")]
    [InlineData("/v1/analyses?x=/health")]
    [InlineData("http://other.example/v1/analyses")]
    [InlineData("/somewhere/else")]
    [InlineData("/SOMEWHERE/else/")]
    public async Task No_spelling_of_a_path_goes_round_the_key(string path)
    {
        foreach (string method in new[] { "GET", "POST", "PUT", "OPTIONS", "get" })
        {
            string answer = await SendRawAsync($"{method} {path} HTTP/1.1\r\nHost: localhost\r\nX-Original-URL: /health/live\r\nX-Forwarded-For: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            int status = int.Parse(answer.Split(' ')[1]);
            status.ShouldBeOneOf(400, 401, 404, 405, 501);
            answer.ShouldNotContain("not for strangers");
        }
    }

    [Fact]
    public async Task A_client_cannot_speak_our_own_headers()
    {
        string forged = TenantAssertion.Create(new TenantContext("victim", "k", Scopes.All.ToHashSet()), new string('k', 32), time.GetUtcNow());
        using var client = host.Connect();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/whoami");
        request.Headers.TryAddWithoutValidation(TenantAssertion.Header, forged);
        using var response = await client.SendAsync(request);
        await response.ProblemAsync(401, ErrorCodes.Unauthenticated);
    }

    [Theory]
    [InlineData("/health/live")]
    [InlineData("/health/ready")]
    [InlineData("/metrics")]
    public async Task Health_and_metrics_need_no_key(string path)
    {
        using var client = host.Connect();
        (await client.GetAsync(path)).StatusCode.ShouldBeOneOf(HttpStatusCode.OK, HttpStatusCode.ServiceUnavailable);
    }

    [Fact]
    public async Task Without_keys_only_loopback_names_are_served()
    {
        await using var open = await GatewayHost.StartAsync(new() { ["Intake:NoAuth"] = "true" });
        using var client = open.Connect();
        using var response = await client.SendAsync(Api.Post(Api.Form(Api.Jpeg())));
        var analysis = await response.AnalysisAsync();
        (await open.Service<IAnalysisStore>().FindAsync(ApiKeys.DefaultTenant, analysis.Id, default)).ShouldNotBeNull();
        // A page of evil.example whose name was rebound to 127.0.0.1.
        using var rebound = Api.Post(Api.Form(Api.Jpeg()));
        rebound.Headers.Host = "evil.example";
        using var refused = await client.SendAsync(rebound);
        await refused.ProblemAsync(401, ErrorCodes.Unauthenticated);
    }

    private async Task<string> SendRawAsync(string request)
    {
        using var socket = new TcpClient();
        await socket.ConnectAsync(IPAddress.Loopback, host.Address.Port);
        await using var stream = socket.GetStream();
        await stream.WriteAsync(Encoding.Latin1.GetBytes(request));
        using var reader = new StreamReader(stream, Encoding.Latin1);
        return await reader.ReadToEndAsync();
    }

    private static string Fill(Microsoft.AspNetCore.Routing.Patterns.RoutePattern pattern) =>
        "/" + string.Join('/', pattern.PathSegments.Select(s => string.Concat(s.Parts.Select(p => p is Microsoft.AspNetCore.Routing.Patterns.RoutePatternLiteralPart literal ? literal.Content : "an_x"))));

    private static bool IsPublic(string path) => path is "/" or "/metrics" or "/docs" or "/docs/docs.js" or "/docs/docs.css" or "/openapi/v1.json" or "/health/live" or "/health/ready";
}
