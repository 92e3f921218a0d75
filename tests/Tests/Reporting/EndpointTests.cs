using System.Buffers.Binary;
using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Reporting;

namespace Palimpsest.Tests.Reporting;

/// <summary>Reporting's endpoints over a real embedded host.</summary>
public sealed class EndpointTests(ReportingHost host) : IClassFixture<ReportingHost>
{
    [Fact]
    public async Task A_picture_becomes_a_report_with_a_mask_of_exactly_its_size()
    {
        string id = await host.SubmitAsync();
        await host.EndAsync(id);
        using var client = host.Client();
        var response = await client.GetAsync($"/v1/analyses/{id}");
        response.StatusCode.ShouldBe(HttpStatusCode.OK);
        var document = await response.Content.ReadFromJsonAsync<AnalysisDocument>(PlatformJson.Options);
        document!.Status.ShouldBe("succeeded");
        document.Verdict.ShouldBe(Verdicts.LikelyFake);
        document.Image.Width.ShouldBe(Scenes.Width);
        document.Score.ShouldBe(0.9);
        document.Kind.ShouldBe("shallowfake");
        document.CalibrationVersion.ShouldBe("uncalibrated");
        var region = document.Regions.ShouldHaveSingleItem();
        (region.Box.X, region.Box.Y, region.Box.Width, region.Box.Height).ShouldBe((20, 20, 24, 16));
        document.ManipulatedArea.ShouldBe(24.0 * 16 / (Scenes.Width * Scenes.Height));

        foreach (string path in new[] { document.Links.Mask!, document.Links.Overlay!, document.Detectors[0].Mask!, $"/v1/analyses/{id}/evidence/activation-shallowfake" })
        {
            var picture = await client.GetAsync(path);
            picture.StatusCode.ShouldBe(HttpStatusCode.OK, path);
            picture.Content.Headers.ContentType!.ToString().ShouldBe("image/png");
            picture.Headers.GetValues("X-Content-Type-Options").ShouldBe(["nosniff"]);
            byte[] png = await picture.Content.ReadAsByteArrayAsync();
            (BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(16)), BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(20))).ShouldBe((Scenes.Width, Scenes.Height), path);
            png[25].ShouldBe((byte)(path == document.Links.Overlay ? 2 : 0), "colour type: grey but for the overlay");
        }

        var thumbnail = await client.GetAsync($"/v1/analyses/{id}/thumbnail?max=64");
        thumbnail.Content.Headers.ContentType!.ToString().ShouldBe("image/webp");
        (await client.GetAsync($"/v1/analyses/{id}/thumbnail?max=9999")).StatusCode.ShouldBe(HttpStatusCode.UnprocessableEntity);
        (await client.GetAsync($"/v1/analyses/{id}/evidence/nothing")).StatusCode.ShouldBe(HttpStatusCode.NotFound);
        // Nothing needs the pixels any more.
        (await host.Blobs.ExistsAsync(id + "/prepared", default)).ShouldBeFalse();
    }

    [Fact]
    public async Task An_unchanged_analysis_is_not_sent_again()
    {
        string id = await host.SubmitAsync();
        await host.EndAsync(id);
        using var client = host.Client();
        var first = await client.GetAsync($"/v1/analyses/{id}");
        var request = new HttpRequestMessage(HttpMethod.Get, $"/v1/analyses/{id}");
        request.Headers.IfNoneMatch.Add(first.Headers.ETag!);
        var second = await client.SendAsync(request);
        second.StatusCode.ShouldBe(HttpStatusCode.NotModified);
        (await second.Content.ReadAsByteArrayAsync()).ShouldBeEmpty();
    }

    [Theory]
    [InlineData("GET", "")]
    [InlineData("DELETE", "")]
    [InlineData("GET", "/mask")]
    [InlineData("GET", "/overlay")]
    [InlineData("GET", "/thumbnail")]
    [InlineData("GET", "/evidence/mask-shallowfake")]
    [InlineData("GET", "/report")]
    [InlineData("GET", "/events")]
    [InlineData("POST", "/feedback")]
    [InlineData("GET", "/feedback")]
    public async Task Somebody_elses_analysis_does_not_exist(string method, string path)
    {
        string id = await host.SubmitAsync();
        await host.EndAsync(id);
        async Task<HttpResponseMessage> AskAsync(HttpClient client) => await client.SendAsync(
            new HttpRequestMessage(new HttpMethod(method), $"/v1/analyses/{id}{path}") { Content = method == "POST" ? JsonContent.Create(new { label = "fake" }) : null });
        var answer = await AskAsync(host.Client("intruder"));
        answer.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        (await ReportingHost.CodeAsync(answer)).ShouldBe("not_found");
        (await AskAsync(host.Client(scopes: method == "GET" ? "submit" : "read"))).StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        (await AskAsync(host.Client("acme"))).IsSuccessStatusCode.ShouldBeTrue();
        var nobody = host.Client();
        nobody.DefaultRequestHeaders.Clear();
        (await AskAsync(nobody)).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task The_report_is_one_page_without_scripts_and_encodes_what_clients_sent()
    {
        string id = await host.SubmitAsync(change: r => r with { Filename = "<script>alert(1)</script>.png" });
        await host.EndAsync(id);
        using var client = host.Client();
        var page = await client.GetAsync($"/v1/analyses/{id}/report");
        page.Content.Headers.ContentType!.MediaType.ShouldBe("text/html");
        page.Headers.GetValues("Content-Security-Policy").Single().ShouldContain("default-src 'none'");
        string html = await page.Content.ReadAsStringAsync();
        html.ShouldContain("Likely fake");
        html.ShouldContain("&lt;script&gt;alert(1)");
        html.ShouldNotContain("<script");
        html.Split("src=\"data:image/").Length.ShouldBe(10, "picture, overlay, mask, activation; maps of copy-move, ghosts, error levels, noise and its variance");
        (await ReportingHost.JsonAsync(await client.GetAsync($"/v1/analyses/{id}/report?format=json"))).GetProperty("id").GetString().ShouldBe(id);
        string[] csv = (await client.GetStringAsync($"/v1/analyses/{id}/report?format=csv")).Split("\r\n");
        csv[0].ShouldStartWith("id,status,");
        csv[1].ShouldStartWith($"{id},succeeded,");
        (await client.GetAsync($"/v1/analyses/{id}/report?format=pdf")).StatusCode.ShouldBe(HttpStatusCode.UnprocessableEntity);
    }

    [Fact]
    public async Task Events_tell_progress_and_the_end_and_a_late_client_is_told_not_to_come_back()
    {
        string id = await host.SubmitAsync(send: false);
        using var client = host.Client();
        using var response = await client.GetAsync($"/v1/analyses/{id}/events", HttpCompletionOption.ResponseHeadersRead);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("text/event-stream");
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        var first = await EventAsync(reader);
        first.Event.ShouldBe("progress");
        first.Data.GetProperty("status").GetString().ShouldBe("queued");

        var updater = host.Services.GetRequiredService<AnalysisUpdater>();
        await updater.ApplyAsync(id, A.Preprocessed(id: id), default);
        var second = await EventAsync(reader);
        second.Id.ShouldBeGreaterThan(first.Id);
        second.Data.GetProperty("progress").GetProperty("stage").GetString().ShouldBe("routing");

        await updater.ApplyAsync(id, new ImageRejected { AnalysisId = id, Code = ErrorCodes.ImageCorrupt, Detail = "Broken." }, default);
        var last = await EventAsync(reader);
        last.Event.ShouldBe("failed");
        (await reader.ReadToEndAsync()).Trim().ShouldBeEmpty();

        var resumed = new HttpRequestMessage(HttpMethod.Get, $"/v1/analyses/{id}/events");
        resumed.Headers.Add("Last-Event-ID", first.Id.ToString());
        using var missed = new StreamReader(await (await client.SendAsync(resumed)).Content.ReadAsStreamAsync());
        (await EventAsync(missed)).ShouldSatisfyAllConditions(e => e.Event.ShouldBe("failed"), e => e.Id.ShouldBe(last.Id));

        var ahead = new HttpRequestMessage(HttpMethod.Get, $"/v1/analyses/{id}/events");
        ahead.Headers.Add("Last-Event-ID", (last.Id + 5).ToString());
        using var lost = new StreamReader(await (await client.SendAsync(ahead)).Content.ReadAsStreamAsync());
        (await EventAsync(lost)).Id.ShouldBe(last.Id, "an event that never was is not waited for");

        var again = new HttpRequestMessage(HttpMethod.Get, $"/v1/analyses/{id}/events");
        again.Headers.Add("Last-Event-ID", last.Id.ToString());
        (await client.SendAsync(again)).StatusCode.ShouldBe(HttpStatusCode.NoContent);
    }

    [Fact]
    public async Task A_listing_pages_without_gaps_or_repeats_and_filters()
    {
        var ids = new List<string>();
        for (int i = 0; i < 5; i++)
        {
            // Two share a millisecond.
            ids.Add(await host.SubmitAsync("lister", send: false, at: A.Start.AddMilliseconds(i / 2)));
        }

        await host.Services.GetRequiredService<AnalysisUpdater>().ApplyAsync(ids[2], new ImageRejected { AnalysisId = ids[2], Code = ErrorCodes.ImageCorrupt, Detail = "Broken, \"really\"." }, default);
        using var client = host.Client("lister");
        var seen = new List<string>();
        string? path = "/v1/analyses?limit=2";
        while (path is not null)
        {
            var response = await client.GetAsync(path);
            var page = await ReportingHost.JsonAsync(response);
            seen.AddRange(page.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("id").GetString()!));
            string? next = page.GetProperty("next_cursor").GetString();
            response.Headers.Contains("Link").ShouldBe(next is not null);
            path = next is null ? null : response.Headers.GetValues("Link").Single().Split('>')[0].TrimStart('<');
        }

        seen.Count.ShouldBe(5);
        seen.Distinct().Order().ShouldBe(ids.Order());
        var failed = await ReportingHost.JsonAsync(await client.GetAsync("/v1/analyses?status=failed"));
        failed.GetProperty("items").EnumerateArray().ShouldHaveSingleItem().GetProperty("id").GetString().ShouldBe(ids[2]);
        foreach (string bad in new[] { "status=done", "verdict=fake", "limit=0", "limit=x", "cursor=%21%21", "sha256=abc" })
        {
            (await client.GetAsync("/v1/analyses?" + bad)).StatusCode.ShouldBe(HttpStatusCode.UnprocessableEntity, bad);
        }

        (await ReportingHost.JsonAsync(await client.GetAsync("/v1/analyses?limit=100000"))).GetProperty("items").GetArrayLength().ShouldBe(5);

        client.DefaultRequestHeaders.Accept.Add(MediaTypeWithQualityHeaderValue.Parse("text/csv"));
        var part = await client.GetAsync("/v1/analyses?limit=2");
        (await part.Content.ReadAsStringAsync()).TrimEnd().Split("\r\n").Length.ShouldBe(3);
        string after = part.Headers.GetValues("Link").Single().Split('>')[0].TrimStart('<');
        (await client.GetStringAsync(after)).TrimEnd().Split("\r\n").Length.ShouldBe(3);
        string[] csv = (await client.GetStringAsync("/v1/analyses")).TrimEnd().Split("\r\n");
        csv.Length.ShouldBe(6);
        csv.ShouldContain(r => r.Contains(ids[2]) && r.Contains("\"Broken, \"\"really\"\".\""));
    }

    [Fact]
    public async Task Deleting_cancels_erases_and_answers_gone()
    {
        string running = await host.SubmitAsync(send: false), done = await host.SubmitAsync();
        await host.EndAsync(done);
        using var client = host.Client();
        foreach (string id in new[] { running, done })
        {
            (await client.DeleteAsync($"/v1/analyses/{id}")).StatusCode.ShouldBe(HttpStatusCode.NoContent);
            (await client.DeleteAsync($"/v1/analyses/{id}")).StatusCode.ShouldBe(HttpStatusCode.NoContent);
            (await host.Blobs.ExistsAsync(id + "/upload", default)).ShouldBeFalse();
            (await host.Blobs.ExistsAsync(id + "/mask", default)).ShouldBeFalse();
            string[] parts = ["/mask", "/overlay", "/report", "/thumbnail", "/feedback"];
            foreach (string part in id == done ? [.. parts, "", "/events"] : parts)
            {
                var gone = await client.GetAsync($"/v1/analyses/{id}{part}");
                gone.StatusCode.ShouldBe(HttpStatusCode.Gone, part);
                (await ReportingHost.CodeAsync(gone)).ShouldBe("erased");
            }
        }

        (await host.Store.LoadAsync(running, default))!.Status.ShouldBe(AnalysisStatuses.Canceled);
        string list = await client.GetStringAsync("/v1/analyses?limit=200");
        list.ShouldNotContain(running);
        list.ShouldNotContain(done);

        // Whoever waits for it learns why it will not come, and nothing else.
        var canceled = await ReportingHost.JsonAsync(await client.GetAsync($"/v1/analyses/{running}"));
        canceled.GetProperty("status").GetString().ShouldBe("canceled");
        canceled.GetProperty("image").GetProperty("filename").ValueKind.ShouldBe(JsonValueKind.Null);
        canceled.GetProperty("metadata").ValueKind.ShouldBe(JsonValueKind.Null);
        canceled.GetProperty("links").GetProperty("report").ValueKind.ShouldBe(JsonValueKind.Null);
        (await client.GetStringAsync($"/v1/analyses/{running}/events")).ShouldContain("event: failed");
        string told = await client.GetStringAsync("/v1/analyses?status=canceled&limit=200");
        told.ShouldContain(running);
        told.ShouldNotContain(done);
    }

    [Fact]
    public async Task Pages_stay_full_where_something_was_deleted()
    {
        var ids = new List<string>();
        for (int i = 0; i < 6; i++)
        {
            ids.Add(await host.SubmitAsync("tidier", send: i is 1 or 3, at: A.Start.AddMilliseconds(i)));
        }

        using var client = host.Client("tidier");
        foreach (string id in new[] { ids[1], ids[3] })
        {
            await host.EndAsync(id);
            (await client.DeleteAsync($"/v1/analyses/{id}")).StatusCode.ShouldBe(HttpStatusCode.NoContent);
        }

        var page = await ReportingHost.JsonAsync(await client.GetAsync("/v1/analyses?limit=3"));
        page.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("id").GetString()).ShouldBe([ids[5], ids[4], ids[2]]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_is_erased_leaves_no_word_of_its_client_anywhere(bool deleted)
    {
        string tenant = deleted ? "deleter" : "waiter", batch = Ids.Batch(TimeProvider.System);
        var record = new BatchRecord
        {
            Id = batch, Tenant = tenant, CreatedAt = DateTimeOffset.UtcNow, Total = 3, CallbackUrl = "https://jane-doe.invalid/hook", Metadata = new() { ["who"] = "jane-doe" },
            Rejected = [new RejectedItem { Index = 0, Filename = "jane-doe.txt", Url = "https://jane-doe.invalid/x", Error = new ErrorDocument { Code = ErrorCodes.UnsupportedFormat, Detail = "Not a picture." } }],
        };
        await host.Database.InTransactionAsync(async t => { await record.InsertAsync(t, default); return true; }, default);
        var ids = new List<string>();
        for (int i = 1; i <= 2; i++)
        {
            ids.Add(await host.SubmitAsync(tenant, r => r with { BatchId = batch, BatchIndex = i, Filename = "jane-doe.jpg", Metadata = new() { ["who"] = "jane-doe" } }));
            await host.EndAsync(ids[^1]);
        }

        using var client = host.Client(tenant);
        (await client.PostAsJsonAsync($"/v1/analyses/{ids[0]}/feedback", new { label = "fake", note = "jane-doe" })).IsSuccessStatusCode.ShouldBeTrue();
        foreach (string location in (string[])["/v1/analyses/" + ids[0], "/v1/batches/" + batch])
        {
            string body = await client.GetStringAsync(location);
            body.ShouldContain("jane-doe");
            await host.Database.ExecuteAsync(
                "INSERT INTO idempotency (tenant, key, request_hash, status, location, body, created_at, expires_at) VALUES (@tenant, @location, 'h', 202, @location, @body, 0, 1)", new { tenant, location, body }, default);
        }

        await host.Database.ExecuteAsync(
            """
            INSERT INTO webhook_deliveries (id, tenant, analysis_id, url, target, event, body, state, attempts, created_at)
            VALUES (@id, @tenant, @analysis, 'https://example.com/', 'https://example.com', 'analysis.completed', 'jane-doe', 'delivered', 1, 0)
            """, new { id = "wd_" + tenant, tenant, analysis = ids[0] }, default);
        // Its own delivery, over.
        await host.Database.ExecuteAsync("UPDATE webhook_deliveries SET state = 'failed', due_at = NULL WHERE batch_id = @batch", new { batch }, default);
        foreach (string id in ids)
        {
            (await BatchAsync(client, batch)).GetProperty("metadata").GetProperty("who").GetString().ShouldBe("jane-doe", "the batch goes with its last analysis");
            await host.Services.GetRequiredService<AnalysisEraser>().EraseAsync((await host.Store.LoadAsync(id, default))!, deleted ? new AnalysisDeleted() : new AnalysisExpired(), default);
        }

        string[] left =
        [
            .. await host.Database.QueryAsync<string>("SELECT body FROM idempotency WHERE tenant = @tenant", new { tenant }, default),
            .. await host.Database.QueryAsync<string>("SELECT body FROM webhook_deliveries WHERE tenant = @tenant", new { tenant }, default),
            .. await host.Database.QueryAsync<string>("SELECT COALESCE(metadata, '') || COALESCE(callback_url, '') || rejected FROM batches WHERE tenant = @tenant", new { tenant }, default),
            .. await host.Database.QueryAsync<string>("SELECT request || findings FROM analyses WHERE tenant = @tenant", new { tenant }, default),
            .. deleted ? await host.Database.QueryAsync<string>("SELECT note FROM feedback WHERE tenant = @tenant", new { tenant }, default) : [],
        ];
        left.ShouldAllBe(text => !text.Contains("jane-doe"));
        (await host.Database.QueryAsync<string>("SELECT key FROM idempotency WHERE tenant = @tenant", new { tenant }, default)).Contains("/v1/analyses/" + ids[0]).ShouldBe(!deleted);
        (await BatchAsync(client, batch)).GetProperty("counts").GetProperty("rejected").GetInt32().ShouldBe(1);
    }

    [Fact]
    public async Task A_step_that_was_at_work_while_its_analysis_was_deleted_leaves_no_bytes()
    {
        string id = await host.SubmitAsync(send: false);
        using var client = host.Client();
        (await client.DeleteAsync($"/v1/analyses/{id}")).StatusCode.ShouldBe(HttpStatusCode.NoContent);
        var updater = host.Services.GetRequiredService<AnalysisUpdater>();

        foreach (var (blob, news) in new (string, object)[] { ("prepared", A.Preprocessed(id: id)), ("map-shallowfake", A.Localized(DetectorNames.Shallowfake, id: id)) })
        {
            await host.Blobs.PutAsync($"{id}/{blob}", new MemoryStream([1, 2, 3]), default);
            await updater.ApplyAsync(id, news, default);
            (await host.Blobs.ExistsAsync($"{id}/{blob}", default)).ShouldBeFalse(blob);
        }
    }

    [Theory]
    [InlineData("=1+1", "'=1+1")]
    [InlineData("＝1+1", "'＝1+1")]
    [InlineData("-2+3", "'-2+3")]
    [InlineData("a=1", "a=1")]
    public void No_cell_is_a_formula(string text, string cell) => Csv.Row(text).ShouldBe(cell + "\r\n");

    [Theory]
    [InlineData("=1+1.jpg", "./=1+1.jpg")]
    [InlineData("-a/b.jpg", "./-a/b.jpg")]
    [InlineData("/=a.jpg", "/=a.jpg")]
    [InlineData("a.jpg", "a.jpg")]
    public void No_path_is_a_formula_and_each_still_leads_to_its_file(string path, string cell) => Csv.Row(Csv.Path(path)).ShouldBe(cell + "\r\n");

    [Fact]
    public async Task What_has_not_finished_has_no_mask_yet()
    {
        string id = await host.SubmitAsync(send: false);
        var answer = await host.Client().GetAsync($"/v1/analyses/{id}/mask");
        answer.StatusCode.ShouldBe(HttpStatusCode.Conflict);
        answer.Headers.RetryAfter.ShouldNotBeNull();
    }

    [Fact]
    public async Task A_batch_closes_with_its_last_item_and_lists_the_refused_ones()
    {
        string batch = Ids.Batch(TimeProvider.System);
        var record = new BatchRecord
        {
            Id = batch, Tenant = "acme", CreatedAt = DateTimeOffset.UtcNow, Total = 3, CallbackUrl = "https://receiver.invalid/hook",
            Rejected = [new RejectedItem { Index = 1, Filename = "=cmd.txt", Error = new ErrorDocument { Code = ErrorCodes.UnsupportedFormat, Detail = "Not a picture." } }],
        };
        await host.Database.InTransactionAsync(async t => { await record.InsertAsync(t, default); return true; }, default);
        string first = await host.SubmitAsync(change: r => r with { BatchId = batch, BatchIndex = 0 });
        await host.EndAsync(first);
        using var client = host.Client();
        (await BatchAsync(client, batch)).GetProperty("status").GetString().ShouldBe("running", "one item is not there yet");
        string third = await host.SubmitAsync(change: r => r with { BatchId = batch, BatchIndex = 2 });
        await host.EndAsync(third);

        (await host.Database.QueryAsync<string>("SELECT event FROM webhook_deliveries WHERE batch_id = @batch", new { batch }, default)).ShouldBe(["batch.completed"]);
        var document = await BatchAsync(client, batch);
        document.GetProperty("status").GetString().ShouldBe("completed");
        document.GetProperty("counts").GetProperty("succeeded").GetInt32().ShouldBe(2);
        document.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("status").GetString()).ShouldBe(["succeeded", "rejected", "succeeded"]);
        string[] csv = (await client.GetStringAsync($"/v1/batches/{batch}/results.csv")).TrimEnd().Split("\r\n");
        csv.Length.ShouldBe(4);
        csv[2].ShouldStartWith("1,'=cmd.txt,,,rejected,");
        (await host.Client("intruder").GetAsync($"/v1/batches/{batch}")).StatusCode.ShouldBe(HttpStatusCode.NotFound);
        (await host.Client("intruder").GetAsync($"/v1/batches/{batch}/results.csv")).StatusCode.ShouldBe(HttpStatusCode.NotFound);
        var page = await ReportingHost.JsonAsync(await client.GetAsync("/v1/batches"));
        page.GetProperty("items").EnumerateArray().Single(b => b.GetProperty("id").GetString() == batch).GetProperty("counts").GetProperty("succeeded").GetInt32().ShouldBe(2);
        (await ReportingHost.JsonAsync(await host.Client("intruder").GetAsync("/v1/batches"))).GetProperty("items").GetArrayLength().ShouldBe(0);
    }

    [Fact]
    public async Task Feedback_is_kept_and_leaves_as_an_eval_manifest()
    {
        string fake = await host.SubmitAsync("moderator"), real = await host.SubmitAsync("moderator");
        await host.EndAsync(fake);
        await host.EndAsync(real);
        using var client = host.Client("moderator");
        (await client.GetAsync($"/v1/analyses/{fake}/feedback")).StatusCode.ShouldBe(HttpStatusCode.NoContent);
        (await client.PostAsJsonAsync($"/v1/analyses/{fake}/feedback", new { label = "real" })).IsSuccessStatusCode.ShouldBeTrue();
        (await client.PostAsJsonAsync($"/v1/analyses/{fake}/feedback", new { label = "fake", note = "seen the original" })).IsSuccessStatusCode.ShouldBeTrue("the later judgement replaces the earlier");
        (await client.PostAsJsonAsync($"/v1/analyses/{real}/feedback", new { label = "real" })).IsSuccessStatusCode.ShouldBeTrue();
        (await client.PostAsJsonAsync($"/v1/analyses/{real}/feedback", new { label = "maybe" })).StatusCode.ShouldBe(HttpStatusCode.UnprocessableEntity);
        (await client.PostAsJsonAsync($"/v1/analyses/{real}/feedback", new { label = "real", note = "a\0b" })).StatusCode.ShouldBe(HttpStatusCode.UnprocessableEntity);

        var judgement = await ReportingHost.JsonAsync(await client.GetAsync($"/v1/analyses/{fake}/feedback"));
        judgement.GetProperty("label").GetString().ShouldBe("fake");
        judgement.GetProperty("note").GetString().ShouldBe("seen the original");

        string[] csv = (await client.GetStringAsync("/v1/feedback")).TrimEnd().Split("\r\n");
        csv[0].ShouldStartWith("image,mask,label,dataset,kind");
        csv.Length.ShouldBe(3);
        csv.Single(r => r.Contains(fake)).ShouldStartWith($"images/{fake}.png,,1,feedback,,", customMessage: "what the platform took it for is not the truth");
        csv.Single(r => r.Contains(real)).ShouldStartWith($"images/{real}.png,,0,");
        using var zip = new ZipArchive(await client.GetStreamAsync("/v1/feedback?format=zip"));
        zip.Entries.Select(e => e.FullName).Order().ShouldBe(new[] { $"images/{fake}.png", $"images/{real}.png", "manifest.csv" }.Order());
        using var image = zip.GetEntry($"images/{fake}.png")!.Open();
        using var copy = new MemoryStream();
        await image.CopyToAsync(copy);
        copy.ToArray().ShouldBe(Scenes.Upload());
        (await host.Client("intruder").GetStringAsync("/v1/feedback")).TrimEnd().Split("\r\n").Length.ShouldBe(1);

        (await client.DeleteAsync($"/v1/analyses/{fake}")).StatusCode.ShouldBe(HttpStatusCode.NoContent);
        await host.Services.GetRequiredService<AnalysisEraser>().EraseAsync((await host.Store.LoadAsync(real, default))!, new AnalysisExpired(), default);
        (await client.GetStringAsync("/v1/feedback")).TrimEnd().Split("\r\n").Length.ShouldBe(1, "there is no picture to evaluate any more");
        (await client.GetStringAsync("/v1/feedback?format=json")).ShouldNotContain("seen the original");
    }

    [Fact]
    public async Task A_detector_that_never_reported_is_listed_as_missing()
    {
        await host.Services.GetRequiredService<IDetectorRegistry>().BeatAsync(
            new DetectorHeartbeat { Name = "shallowfake", Instance = "test", Ready = true, Model = new ModelIdentity { Name = "m", Version = "1", Sha256 = "ab" }, Provider = "cpu", Threshold = 0.5 }, default);
        var list = await ReportingHost.JsonAsync(await host.Client().GetAsync("/v1/detectors"));
        var detectors = list.GetProperty("detectors").EnumerateArray().ToDictionary(d => d.GetProperty("name").GetString()!);
        detectors["shallowfake"].GetProperty("state").GetString().ShouldBe("ready");
        detectors["deepfake"].GetProperty("state").GetString().ShouldBe("error");
        list.GetProperty("calibration").GetProperty("version").GetString().ShouldBe("uncalibrated");
    }

    private static async Task<JsonElement> BatchAsync(HttpClient client, string id) => await ReportingHost.JsonAsync(await client.GetAsync($"/v1/batches/{id}"));

    private static async Task<(int Id, string Event, JsonElement Data)> EventAsync(StreamReader reader)
    {
        var (id, name) = (0, "");
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        while (await reader.ReadLineAsync(limit.Token) is { } line)
        {
            if (line.StartsWith("id: "))
            {
                id = int.Parse(line[4..]);
            }
            else if (line.StartsWith("event: "))
            {
                name = line[7..];
            }
            else if (line.StartsWith("data: "))
            {
                return (id, name, JsonDocument.Parse(line[6..]).RootElement.Clone());
            }
        }

        throw new EndOfStreamException();
    }
}
