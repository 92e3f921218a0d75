using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Palimpsest.Local.Commands;
using Palimpsest.Local.Servers;

namespace Palimpsest.IntegrationTests;

/// <summary>What the processes of the distributed mode write down and send away, and what they ask of PostgreSQL.</summary>
[Collection(PlatformCollection.Name)]
public sealed class SecretsTests(TestPlatform platform)
{
    [Fact]
    public async Task Logs_and_exported_traces_hold_no_key_secret_or_query()
    {
        using var http = Connect();
        using var endpoint = await http.PostAsJsonAsync("/v1/webhook-endpoints", new { url = platform.Receiver.Webhook + "?a=3ndp0int" });
        var made = JsonNode.Parse(await endpoint.Content.ReadAsStringAsync())!;
        string secret = made["secret"]!.GetValue<string>(), path = "/v1/webhook-endpoints/" + made["id"]!.GetValue<string>();
        using var fetched = await http.PostAsJsonAsync("/v1/analyses", new { url = platform.Receiver.Address + "not-there?sig=s1gn4ture" });
        fetched.StatusCode.ShouldBe(HttpStatusCode.UnprocessableEntity);
        using var form = new MultipartFormDataContent { { new ByteArrayContent(TestPictures.Forged(7200)), "image", "p.jpg" }, { new StringContent(platform.Receiver.Webhook + "?b=c4llb4ck"), "callback_url" } };
        using var submitted = await http.PostAsync("/v1/analyses?retention=default", form);
        string id = JsonNode.Parse(await submitted.Content.ReadAsStringAsync())!["id"]!.GetValue<string>();
        (await http.GetAsync("/v1/analyses?limit=7&sha256=qu3ry")).StatusCode.ShouldBe(HttpStatusCode.UnprocessableEntity);
        using var stranger = new HttpClient { BaseAddress = http.BaseAddress, DefaultRequestHeaders = { { "X-Api-Key", "pk_000000000000_wr0ngsecret" } } };
        (await stranger.GetAsync("/v1/analyses?key=qu3ry")).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        for (int i = 0; i < 300 && platform.Receiver.Deliveries.Count(d => d.Body.Contains(id, StringComparison.Ordinal)) < 2; i++)
        {
            await Task.Delay(100);
        }

        // Its span leaves its process within the export interval.
        await Task.Delay(1_000);
        (await http.DeleteAsync(path)).StatusCode.ShouldBe(HttpStatusCode.NoContent);
        var exports = platform.Receiver.Exports.ToList();
        exports.ShouldContain(e => e.Contains(id, StringComparison.Ordinal), "the traces are those of this run");
        string[] logs = [.. Directory.GetFiles(Path.Combine(platform.Folder, "logs")).Select(f => new StreamReader(new FileStream(f, FileMode.Open, FileAccess.Read, FileShare.ReadWrite)).ReadToEnd())];
        logs.Length.ShouldBeGreaterThanOrEqualTo(6, "one of each service, and of the second ones that another test may have started");
        string password = new Uri(platform.Host.Servers.Urls["POSTGRES_URL"]!).UserInfo.Split(':')[^1];
        foreach (string hidden in new[] { TestPlatform.Key, secret, secret["whsec_".Length..], password, "3ndp0int", "s1gn4ture", "c4llb4ck", "qu3ry", "wr0ngsecret" })
        {
            logs.FirstOrDefault(l => l.Contains(hidden, StringComparison.Ordinal)).ShouldBeNull(hidden);
            exports.FirstOrDefault(e => e.Contains(hidden, StringComparison.Ordinal)).ShouldBeNull(hidden);
        }
    }

    [Fact]
    public async Task A_character_that_PostgreSQL_does_not_keep_is_the_clients_mistake()
    {
        using var http = Connect();
        using var response = await http.GetAsync("/v1/webhook-deliveries?analysis_id=%00");
        response.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await response.Content.ReadAsStringAsync()).ShouldContain("malformed_request");
    }

    [Fact]
    public async Task Keys_finds_the_database_that_a_running_platform_has_started()
    {
        if (platform.Host.Servers.Postgres is null)
        {
            // POSTGRES_URL was given: there is nothing to find.
            LocalServers.RunningPostgres(platform.Folder).ShouldBeNull();
            return;
        }

        string note = Path.Combine(platform.Folder, "servers", "postgres.url");
        File.GetUnixFileMode(note).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        var output = new StringWriter();
        var before = Console.Out;
        Console.SetOut(output);
        try
        {
            (await CommandLine.RunAsync(["keys", "create", "--data", platform.Folder, "--name", "beside"])).ShouldBe(0);
        }
        finally
        {
            Console.SetOut(before);
        }

        using var http = Connect(output.ToString().Trim());
        (await http.GetAsync("/v1/analyses?limit=1")).StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    private HttpClient Connect(string key = TestPlatform.Key) =>
        new() { BaseAddress = platform.Host["gateway"].Address, DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", key) } };
}
