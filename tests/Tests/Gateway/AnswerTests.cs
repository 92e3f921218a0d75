using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Palimpsest.Contracts;
using Palimpsest.Gateway;
using Palimpsest.Hosting;

namespace Palimpsest.Tests.Gateway;

/// <summary>Answers that depend on what has become of analyses: from the cache, after waiting; batches; pictures by URL.</summary>
public sealed class AnswerTests : IAsyncLifetime
{
    private static readonly ModelIdentity Model = new() { Name = "m", Version = "1", Sha256 = new string('a', 64) };

    private GatewayHost host = null!;
    private WebApplication pictures = null!;

    public async Task InitializeAsync()
    {
        host = await GatewayHost.StartAsync(new() { ["PALIMPSEST_ALLOW_NETWORKS"] = "127.0.0.0/8", ["Intake:MaxImageBytes"] = "50000", ["Intake:MaxBatchItems"] = "4" });
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        pictures = builder.Build();
        pictures.Urls.Add("http://127.0.0.1:0");
        pictures.MapGet("/a.jpg", () => Results.Bytes(Api.Jpeg(), "text/plain"));
        pictures.MapGet("/text", () => Results.Text("no picture, but text", "image/jpeg"));
        pictures.MapGet("/empty", () => Results.Bytes([], "image/jpeg"));
        pictures.MapGet("/big", () => Results.Bytes(Api.Jpeg(50_001), "image/jpeg"));
        pictures.MapGet("/moved", () => Results.Redirect("/a.jpg"));
        pictures.MapGet("/broken", async (HttpContext c) =>
        {
            c.Response.ContentLength = 4_000;
            await c.Response.Body.WriteAsync(Api.Jpeg(100));
            await c.Response.Body.FlushAsync();
            c.Abort();
        });
        await pictures.StartAsync();
    }

    public async Task DisposeAsync()
    {
        await host.DisposeAsync();
        await pictures.StopAsync();
        await pictures.DisposeAsync();
    }

    [Fact]
    public async Task A_finished_analysis_answers_for_the_same_picture_again()
    {
        await BeatAsync(Model);
        var first = await FinishAsync(await SubmitAsync(Api.Jpeg()));
        using var response = await host.Client.SendAsync(Api.Post(Api.Form(Api.Jpeg(), ("callback_url", "http://127.0.0.1:9/hook"), ("metadata", """{"n":2}"""))));
        var second = await response.AnalysisAsync();
        second.Id.ShouldNotBe(first.Id);
        second.Status.ShouldBe(AnalysisStatuses.Succeeded);
        second.Cached.ShouldBeTrue();
        second.Verdict.ShouldBe(Verdicts.LikelyFake);
        second.Metadata!["n"]!.GetValue<int>().ShouldBe(2);
        second.Links.Mask.ShouldNotBeNull();

        var record = (await host.Service<IAnalysisStore>().FindAsync("acme", second.Id, default))!;
        record.Findings.CachedFrom.ShouldBe(first.Id);
        record.StageDue.ShouldBeNull();
        record.Findings.ReportBlobs().ShouldAllBe(b => b.Key.StartsWith(second.Id + "/"));
        // It lives on its own: erasing the first does not take its map away.
        await host.Service<IBlobStore>().DeleteAnalysisAsync(first.Id, default);
        (await host.Service<IBlobStore>().ExistsAsync(second.Id + "/map", default)).ShouldBeTrue();
        (await host.Service<IBlobStore>().ExistsAsync(second.Id + "/upload", default)).ShouldBeTrue();
        var delivery = await host.Service<PlatformDatabase>().QueryAsync<string>("SELECT body FROM webhook_deliveries WHERE analysis_id = @id", new { id = second.Id }, default);
        JsonNode.Parse(delivery.Single())!["type"]!.GetValue<string>().ShouldBe(WebhookEvents.AnalysisCompleted);
    }

    [Theory]
    [InlineData("another tenant")]
    [InlineData("another option")]
    [InlineData("another model")]
    [InlineData("no model ready")]
    [InlineData("zero retention")]
    [InlineData("erased")]
    [InlineData("partial")]
    [InlineData("blobs gone")]
    public async Task The_cache_does_not_answer(string when)
    {
        await BeatAsync(Model);
        var first = await FinishAsync(await SubmitAsync(Api.Jpeg()), partial: when == "partial", erased: when == "erased");
        var client = when == "another tenant" ? host.Connect((await host.Keys.CreateAsync("globex", "k", Scopes.All, null, default)).Key) : host.Client;
        switch (when)
        {
            case "another model":
                await BeatAsync(Model with { Sha256 = new string('b', 64) });
                break;
            case "no model ready":
                await BeatAsync(null);
                break;
            case "blobs gone":
                await host.Service<IBlobStore>().DeleteAnalysisAsync(first.Id, default);
                break;
            default:
                break;
        }

        (string, string)[] fields = when switch { "another option" => [("detectors", "both")], "zero retention" => [("retention", "zero")], _ => [] };
        using var response = await client.SendAsync(Api.Post(Api.Form(Api.Jpeg(), fields)));
        var second = await response.AnalysisAsync();
        second.Status.ShouldBe(AnalysisStatuses.Queued);
        second.Cached.ShouldBeFalse();
    }

    [Fact]
    public async Task Waiting_answers_200_when_it_ends_in_time()
    {
        var request = host.Client.SendAsync(Api.Post(Api.Form(Api.Jpeg()), headers: ("Prefer", "respond-async, wait=30")));
        string id = await Poll.ForAsync(async () => (await host.Service<IAnalysisStore>().ListAsync("acme", new AnalysisFilter(), default)).FirstOrDefault()?.Id);
        request.IsCompleted.ShouldBeFalse();
        await FinishAsync((await host.Service<IAnalysisStore>().LoadAsync(id, default))!);
        using var response = await request;
        var analysis = await response.AnalysisAsync(HttpStatusCode.OK);
        analysis.Status.ShouldBe(AnalysisStatuses.Succeeded);
        response.Headers.GetValues("Preference-Applied").Single().ShouldBe("wait=30");
        response.Headers.Location!.OriginalString.ShouldBe("/v1/analyses/" + id);
    }

    [Fact]
    public async Task Sending_again_with_a_wait_tells_what_has_become_of_it()
    {
        using var first = await SendAsync("wait=0");
        var record = (await host.Service<IAnalysisStore>().LoadAsync((await first.AnalysisAsync()).Id, default))!;
        using var early = await SendAsync("wait=1");
        (await early.AnalysisAsync()).Status.ShouldBe(AnalysisStatuses.Queued);
        early.Headers.GetValues("Idempotent-Replayed").Single().ShouldBe("true");

        await FinishAsync(record);
        using var late = await SendAsync("wait=1");
        (await late.AnalysisAsync(HttpStatusCode.OK)).ShouldSatisfyAllConditions(a => a.Status.ShouldBe(AnalysisStatuses.Succeeded), a => a.Id.ShouldBe(record.Id));
        late.Headers.GetValues("Preference-Applied").Single().ShouldBe("wait=1");
        late.Headers.GetValues("Idempotent-Replayed").Single().ShouldBe("true");
        using var impatient = await SendAsync("return=minimal");
        (await impatient.AnalysisAsync()).Status.ShouldBe(AnalysisStatuses.Queued, "whoever does not wait gets the answer that was given");

        Task<HttpResponseMessage> SendAsync(string prefer) => host.Client.SendAsync(Api.Post(Api.Form(Api.Jpeg()), "/v1/analyses", ("Idempotency-Key", "k"), ("Prefer", prefer)));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_keeps_nothing_counts_as_delivered_to_whoever_waited(bool zero)
    {
        var request = host.Client.SendAsync(Api.Post(Api.Form(Api.Jpeg(), ("retention", zero ? "zero" : "default")), headers: ("Prefer", "wait=30")));
        string id = await Poll.ForAsync(async () => (await host.Service<IAnalysisStore>().ListAsync("acme", new AnalysisFilter(), default)).FirstOrDefault()?.Id);
        await FinishAsync((await host.Service<IAnalysisStore>().LoadAsync(id, default))!);
        using var response = await request;
        await response.AnalysisAsync(HttpStatusCode.OK);
        var left = (await host.Service<IAnalysisStore>().LoadAsync(id, default))!.ExpiresAt - TimeProvider.System.GetUtcNow();
        (left < TimeSpan.FromSeconds(31)).ShouldBe(zero);
    }

    [Theory]
    [InlineData("wait=1")]
    [InlineData("wait=0")]
    [InlineData("wait=soon")]
    [InlineData("return=minimal")]
    public async Task Waiting_in_vain_answers_202(string prefer)
    {
        using var response = await host.Client.SendAsync(Api.Post(Api.Form(Api.Jpeg()), headers: ("Prefer", prefer)));
        (await response.AnalysisAsync()).Status.ShouldBe(AnalysisStatuses.Queued);
        response.Headers.Contains("Preference-Applied").ShouldBeFalse();
    }

    [Fact]
    public async Task A_picture_is_fetched_by_its_url_and_the_query_forgotten()
    {
        using var response = await host.Client.PostAsJsonAsync("/v1/analyses", new { url = pictures.Urls.First() + "/a.jpg?token=s3cret", detectors = "both", face_crop = false, metadata = new { a = 1 } });
        var analysis = await response.AnalysisAsync();
        analysis.Image.Filename.ShouldBe("a.jpg");
        var record = (await host.Service<IAnalysisStore>().FindAsync("acme", analysis.Id, default))!;
        record.Request.SourceUrl.ShouldBe(pictures.Urls.First() + "/a.jpg");
        record.Request.Options.ShouldBe(new AnalysisOptions { Detectors = "both", FaceCrop = false });
        record.Request.Upload.Bytes.ShouldBe(4_000);
    }

    [Theory]
    [InlineData("/text", 415, ErrorCodes.UnsupportedFormat)]
    [InlineData("/empty", 400, ErrorCodes.ImageEmpty)]
    [InlineData("/big", 413, ErrorCodes.ImageTooLarge)]
    [InlineData("/moved", 422, ErrorCodes.FetchFailed)]
    [InlineData("/not-there", 422, ErrorCodes.FetchFailed)]
    [InlineData("/broken", 422, ErrorCodes.FetchFailed)]
    public async Task What_cannot_be_fetched_is_said(string path, int status, string code)
    {
        using var response = await host.Client.PostAsJsonAsync("/v1/analyses", new { url = pictures.Urls.First() + path });
        await response.ProblemAsync(status, code);
        host.StoredFiles().ShouldBeEmpty();
    }

    [Fact]
    public async Task A_batch_takes_what_is_good_and_says_what_is_not()
    {
        using var form = Api.Form(Api.Jpeg(), ("detectors", "both"), ("metadata", """{"lot":7}"""));
        form.Add(new ByteArrayContent("hello, this is text"u8.ToArray()), "image", "../b.jpg");
        form.Add(new ByteArrayContent(Api.Jpeg(50_001)), "image", "c.jpg");
        form.Add(new ByteArrayContent(Api.Jpeg(seed: 4)), "image", "d.jpg");
        using var response = await host.Client.SendAsync(Api.Post(form, "/v1/batches", ("Idempotency-Key", "b")));
        response.StatusCode.ShouldBe(HttpStatusCode.Accepted);
        string body = await response.Content.ReadAsStringAsync();
        var batch = JsonSerializer.Deserialize<BatchDocument>(body, PlatformJson.Options)!;
        response.Headers.Location!.OriginalString.ShouldBe("/v1/batches/" + batch.Id);
        batch.Counts.ShouldBe(new BatchCounts { Total = 4, Queued = 2, Running = 0, Succeeded = 0, Failed = 0, Canceled = 0, Rejected = 2 });
        batch.Items.Select(i => (i.Index, i.Status, i.Filename, i.Error?.Code)).ShouldBe(
        [
            (0, "queued", "a.jpg", null), (1, "rejected", "b.jpg", ErrorCodes.UnsupportedFormat), (2, "rejected", "c.jpg", ErrorCodes.ImageTooLarge), (3, "queued", "d.jpg", null),
        ]);
        var analyses = await host.Service<IAnalysisStore>().BatchAsync("acme", batch.Id, default);
        analyses.Select(a => a.Id).ShouldBe([batch.Items[0].AnalysisId!, batch.Items[3].AnalysisId!]);
        analyses.ShouldAllBe(a => a.Request.Options.Detectors == "both");

        using var again = Api.Form(Api.Jpeg(), ("detectors", "both"), ("metadata", """{"lot":7}"""));
        again.Add(new ByteArrayContent("hello, this is text"u8.ToArray()), "image", "../b.jpg");
        again.Add(new ByteArrayContent(Api.Jpeg(50_001)), "image", "c.jpg");
        again.Add(new ByteArrayContent(Api.Jpeg(seed: 4)), "image", "d.jpg");
        using var replay = await host.Client.SendAsync(Api.Post(again, "/v1/batches", ("Idempotency-Key", "b")));
        (await replay.Content.ReadAsStringAsync()).ShouldBe(body);
        using var asOne = await host.Client.SendAsync(Api.Post(Api.Form(Api.Jpeg()), headers: ("Idempotency-Key", "b")));
        await asOne.ProblemAsync(422, ErrorCodes.IdempotencyMismatch);
        host.StoredFiles().Length.ShouldBe(2);
    }

    [Fact]
    public async Task A_batch_of_urls_fetches_each_by_itself()
    {
        string at = pictures.Urls.First();
        using var response = await host.Client.PostAsJsonAsync("/v1/batches", new { urls = new[] { at + "/a.jpg?x=1", at + "/text", "http://10.0.0.1/x", at + "/moved" } });
        var batch = JsonSerializer.Deserialize<BatchDocument>(await response.Content.ReadAsStringAsync(), PlatformJson.Options)!;
        batch.Items.Select(i => i.Error?.Code).ShouldBe([null, ErrorCodes.UnsupportedFormat, ErrorCodes.AddressRefused, ErrorCodes.FetchFailed]);
        batch.Items[0].Url.ShouldBe(at + "/a.jpg");
    }

    [Fact]
    public async Task A_batch_may_be_a_bare_list_of_urls()
    {
        string at = pictures.Urls.First();
        using var response = await host.Client.PostAsJsonAsync("/v1/batches?detectors=both", new[] { at + "/a.jpg", at + "/text" });
        string body = await response.Content.ReadAsStringAsync();
        response.StatusCode.ShouldBe(HttpStatusCode.Accepted, body);
        var batch = JsonSerializer.Deserialize<BatchDocument>(body, PlatformJson.Options)!;
        batch.Items.Select(i => i.Error?.Code).ShouldBe([null, ErrorCodes.UnsupportedFormat]);
        (await host.Service<IAnalysisStore>().LoadAsync(batch.Items[0].AnalysisId!, default))!.Request.Options.Detectors.ShouldBe("both");
        using var none = await host.Client.PostAsJsonAsync("/v1/batches", Array.Empty<string>());
        await none.ProblemAsync(400, ErrorCodes.ImageMissing);
        using var numbers = await host.Client.PostAsJsonAsync("/v1/batches", new[] { 1 });
        await numbers.ProblemAsync(422, ErrorCodes.InvalidOption);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_batch_that_leaves_nothing_to_do_is_completed_at_once(bool cached)
    {
        await BeatAsync(Model);
        await FinishAsync(await SubmitAsync(Api.Jpeg()));
        using var form = Api.Form(cached ? Api.Jpeg() : "hello, this is text"u8.ToArray(), ("callback_url", "http://127.0.0.1:9/hook"));
        using var response = await host.Client.SendAsync(Api.Post(form, "/v1/batches"));
        var batch = JsonSerializer.Deserialize<BatchDocument>(await response.Content.ReadAsStringAsync(), PlatformJson.Options)!;
        batch.Status.ShouldBe("completed");
        batch.CompletedAt.ShouldNotBeNull();
        (batch.Counts.Succeeded, batch.Counts.Rejected).ShouldBe(cached ? (1, 0) : (0, 1));
        var deliveries = await host.Service<PlatformDatabase>().QueryAsync<string>("SELECT body FROM webhook_deliveries WHERE batch_id = @id", new { id = batch.Id }, default);
        var notice = JsonNode.Parse(deliveries.Single())!;
        notice["type"]!.GetValue<string>().ShouldBe(WebhookEvents.BatchCompleted);
        notice["data"]!["succeeded"]!.GetValue<int>().ShouldBe(cached ? 1 : 0);
        notice["data"]!["verdicts"]!.AsObject().Count.ShouldBe(cached ? 1 : 0);
    }

    [Fact]
    public async Task A_batch_has_bounds()
    {
        using var five = await host.Client.PostAsJsonAsync("/v1/batches", new { urls = Enumerable.Repeat("https://example.com/a.jpg", 5) });
        (await five.ProblemAsync(422, ErrorCodes.InvalidOption)).GetProperty("errors").TryGetProperty("urls", out _).ShouldBeTrue();
        using var none = await host.Client.PostAsJsonAsync("/v1/batches", new { urls = Array.Empty<string>() });
        await none.ProblemAsync(400, ErrorCodes.ImageMissing);
        using var numbers = await host.Client.PostAsJsonAsync("/v1/batches", new { urls = new[] { 1, 2 } });
        await numbers.ProblemAsync(422, ErrorCodes.InvalidOption);
        using var form = new MultipartFormDataContent();
        for (int i = 0; i < 5; i++)
        {
            form.Add(new ByteArrayContent(Api.Jpeg()), "image", "a.jpg");
        }

        using var tooMany = await host.Client.SendAsync(Api.Post(form, "/v1/batches"));
        await tooMany.ProblemAsync(422, ErrorCodes.InvalidOption);
        host.StoredFiles().ShouldBeEmpty();
    }

    [Fact]
    public async Task A_body_that_never_ends_is_given_up()
    {
        await using var impatient = await GatewayHost.StartAsync(new() { ["Intake:UploadSeconds"] = "1" });
        using var socket = new TcpClient();
        await socket.ConnectAsync(IPAddress.Loopback, impatient.Address.Port);
        await using var stream = socket.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(
            $"POST /v1/analyses HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: {impatient.Key}\r\nContent-Type: image/jpeg\r\nContent-Length: 5000\r\nConnection: close\r\n\r\n"));
        await stream.WriteAsync(Api.Jpeg(100));
        using var reader = new StreamReader(stream);
        (await reader.ReadLineAsync())!.ShouldContain(" 408 ");
        impatient.StoredFiles().ShouldBeEmpty();
    }

    [Fact]
    public async Task A_client_that_hangs_up_leaves_nothing()
    {
        using (var socket = new TcpClient())
        {
            await socket.ConnectAsync(IPAddress.Loopback, host.Address.Port);
            await using var stream = socket.GetStream();
            await stream.WriteAsync(Encoding.ASCII.GetBytes(
                $"POST /v1/analyses HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: {host.Key}\r\nIdempotency-Key: gone\r\nContent-Type: image/jpeg\r\nContent-Length: 5000\r\n\r\n"));
            await stream.WriteAsync(Api.Jpeg(100));
            await Poll.UntilAsync(async () => await host.Service<PlatformDatabase>().QueryFirstAsync<long>("SELECT count(*) FROM idempotency", null, default) == 1);
        }

        // The key is free again and no byte is left.
        await Poll.UntilAsync(async () => await host.Service<PlatformDatabase>().QueryFirstAsync<long>("SELECT count(*) FROM idempotency", null, default) == 0);
        host.StoredFiles().ShouldBeEmpty();
    }

    private async Task<AnalysisRecord> SubmitAsync(byte[] image)
    {
        using var response = await host.Client.SendAsync(Api.Post(Api.Form(image)));
        return (await host.Service<IAnalysisStore>().LoadAsync((await response.AnalysisAsync()).Id, default))!;
    }

    /// <summary>What reporting does at the end.</summary>
    private async Task<AnalysisRecord> FinishAsync(AnalysisRecord record, bool partial = false, bool erased = false)
    {
        var map = new BlobReference { Key = record.Id + "/map", Bytes = 3 };
        var own = new BlobReference { Key = record.Id + "/map-shallowfake", Bytes = 3 };
        foreach (var blob in new[] { map, own })
        {
            await host.Service<IBlobStore>().PutAsync(blob.Key, new MemoryStream([1, 2, 3]), default);
        }

        var time = TimeProvider.System.GetUtcNow();
        var finished = await host.Service<IAnalysisStore>().TrySaveAsync(
            record with
            {
                Status = AnalysisStatuses.Succeeded, Stage = Stages.Reporting, StageDue = null, CompletedAt = time, ErasedAt = erased ? time : null,
                Findings = new AnalysisFindings
                {
                    Detectors =
                    [
                        new DetectorFinding { Name = DetectorNames.Shallowfake, State = DetectorStates.Completed, Model = Model, Map = own },
                        new DetectorFinding { Name = DetectorNames.Deepfake, State = partial ? DetectorStates.Error : DetectorStates.NotApplicable },
                    ],
                    Result = new AnalysisResult { Verdict = Verdicts.LikelyFake, Score = 0.9, Confidence = 0.9, Kind = "shallowfake", ManipulatedArea = 0.1, Regions = [], Faces = [], CalibrationVersion = "uncalibrated", Map = map },
                },
            },
            [], null, default);
        if (record.Request.CacheKey is { } key)
        {
            await host.Service<IPlatformCache>().SetAsync(key, record.Id, TimeSpan.FromHours(1), default);
        }

        return finished!;
    }

    private Task BeatAsync(ModelIdentity? model) => host.Service<IDetectorRegistry>().BeatAsync(
        new DetectorHeartbeat { Name = DetectorNames.Shallowfake, Instance = "one", Ready = model is not null, Model = model }, default);
}
