using System.Buffers.Binary;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Tests.Reporting;

/// <summary>Evidence over a real embedded host with real decoder processes.</summary>
public sealed class EvidenceEndpointTests(ReportingHost host) : IClassFixture<ReportingHost>
{
    [Fact]
    public async Task Evidence_is_listed_made_on_demand_and_kept()
    {
        string id = await FinishedAsync("lister");
        using var client = host.Client("lister");
        var listed = (await client.GetFromJsonAsync<AnalysisDocument>($"/v1/analyses/{id}", PlatformJson.Options))!.Evidence;
        listed.Select(e => e.Name).ShouldBe(["activation-shallowfake", .. EvidenceNames.All]);
        listed.Single(e => e.Name == EvidenceNames.ErrorLevel).State.ShouldBe(EvidenceStates.Available);
        listed.Single(e => e.Name == EvidenceNames.Quantisation).State.ShouldBe(EvidenceStates.NotApplicable, "it is a PNG");
        listed.ShouldAllBe(e => e.Title.Length > 0 && e.Limits!.Length > 0 && e.Source!.Length > 0);
        (await host.Blobs.ExistsAsync(BlobKeys.Evidence(id, EvidenceNames.ErrorLevel), default)).ShouldBeFalse("nothing is made before it is asked for");

        var made = (await client.GetFromJsonAsync<EvidenceDocument>($"/v1/analyses/{id}/evidence/ela?format=json", PlatformJson.Options))!;
        made.State.ShouldBe(EvidenceStates.Completed);
        made.Finding.ShouldBe(EvidenceFindings.NothingUnusual);
        made.Facts.ShouldNotBeEmpty();
        byte[] map = await client.GetByteArrayAsync(made.Map);
        (BinaryPrimitives.ReadInt32BigEndian(map.AsSpan(16)), BinaryPrimitives.ReadInt32BigEndian(map.AsSpan(20)), map[25]).ShouldBe((Scenes.Width, Scenes.Height, (byte)3), "the upload's size, in a palette");
        byte[] small = await client.GetByteArrayAsync(made.Map + "?max=32");
        BinaryPrimitives.ReadInt32BigEndian(small.AsSpan(16)).ShouldBe(32);

        var again = (await client.GetFromJsonAsync<EvidenceDocument>($"/v1/analyses/{id}/evidence/ela?format=json", PlatformJson.Options))!;
        again.DurationMs.ShouldBe(made.DurationMs, "kept, not made again");
        var all = (await client.GetFromJsonAsync<EvidenceList>($"/v1/analyses/{id}/evidence?make=true", PlatformJson.Options))!;
        all.Items.ShouldAllBe(e => e.State == EvidenceStates.Completed || e.State == EvidenceStates.NotApplicable);
        all.Items.ShouldAllBe(e => e.Summary!.Length > 0);
    }

    [Theory]
    [InlineData("/evidence/nothing", HttpStatusCode.NotFound)]
    [InlineData("/evidence/nothing?format=json", HttpStatusCode.NotFound)]
    [InlineData("/evidence/metadata", HttpStatusCode.NotFound)]
    [InlineData("/evidence/ela?format=gif", HttpStatusCode.UnprocessableEntity)]
    [InlineData("/evidence/ela?max=3", HttpStatusCode.UnprocessableEntity)]
    [InlineData("/evidence?make=perhaps", HttpStatusCode.UnprocessableEntity)]
    public async Task What_there_is_not_is_said(string path, HttpStatusCode expected)
    {
        string id = await FinishedAsync("asker");
        (await host.Client("asker").GetAsync($"/v1/analyses/{id}{path}")).StatusCode.ShouldBe(expected);
    }

    [Fact]
    public async Task Near_duplicates_are_the_tenants_own_earlier_ones_and_are_forgotten_with_the_picture()
    {
        string first = await FinishedAsync("one"), second = await FinishedAsync("one");
        string other = await FinishedAsync("two");
        var found = await HashAsync("one", second);
        found.Similar.ShouldHaveSingleItem().ShouldSatisfyAllConditions(s => s.Id.ShouldBe(first), s => s.Distance.ShouldBe(0), s => s.Verdict.ShouldBe(Verdicts.LikelyFake));
        found.Finding.ShouldBe(EvidenceFindings.Notable);
        (await HashAsync("one", first)).Similar.ShouldBeEmpty("a later one is no earlier one");
        (await HashAsync("two", other)).Similar.ShouldBeEmpty("the same picture of another tenant does not exist");

        (await host.Client("one").DeleteAsync($"/v1/analyses/{first}")).StatusCode.ShouldBe(HttpStatusCode.NoContent);
        (await HashAsync("one", second)).Similar.ShouldBeEmpty();
        (await CountAsync(first)).ShouldBe(0);
    }

    [Fact]
    public async Task Nothing_is_remembered_of_zero_retention()
    {
        string id = await FinishedAsync("fleeting", r => r with { ZeroRetention = true });
        (await host.Client("fleeting").GetAsync($"/v1/analyses/{id}/evidence/hash?format=json")).StatusCode.ShouldBe(HttpStatusCode.OK);
        (await CountAsync(id)).ShouldBe(0);
    }

    [Fact]
    public async Task Deleting_an_analysis_takes_its_evidence()
    {
        string id = await FinishedAsync("leaver");
        using var client = host.Client("leaver");
        (await client.GetAsync($"/v1/analyses/{id}/evidence/noise")).StatusCode.ShouldBe(HttpStatusCode.OK);
        (await host.Blobs.ExistsAsync(BlobKeys.EvidenceMap(id, EvidenceNames.Noise), default)).ShouldBeTrue();
        await client.DeleteAsync($"/v1/analyses/{id}");
        (await host.Blobs.ExistsAsync(BlobKeys.EvidenceMap(id, EvidenceNames.Noise), default)).ShouldBeFalse();
        (await client.GetAsync($"/v1/analyses/{id}/evidence/noise")).StatusCode.ShouldBe(HttpStatusCode.Gone);
    }

    [Fact]
    public async Task The_page_states_the_numbers_of_the_json()
    {
        string id = await FinishedAsync("reader");
        using var client = host.Client("reader");
        string html = WebUtility.HtmlDecode(await client.GetStringAsync($"/v1/analyses/{id}/report"));
        var json = await ReportingHost.JsonAsync(await client.GetAsync($"/v1/analyses/{id}/report?format=json"));
        foreach (string number in new[] { "score", "confidence", "manipulated_area" })
        {
            html.ShouldContain($"<data value=\"{json.GetProperty(number).GetRawText()}\">", Case.Sensitive, number);
        }

        foreach (var detector in json.GetProperty("detectors").EnumerateArray().Where(d => d.GetProperty("score").ValueKind == JsonValueKind.Number))
        {
            html.ShouldContain($"<data value=\"{detector.GetProperty("score").GetRawText()}\">");
            html.ShouldContain($"<data value=\"{detector.GetProperty("threshold").GetRawText()}\">");
        }

        html.ShouldContain(json.GetProperty("image").GetProperty("sha256").GetString()!);
        foreach (var item in json.GetProperty("evidence").EnumerateArray())
        {
            item.GetProperty("state").GetString().ShouldNotBe(EvidenceStates.Available, "a report has everything");
            html.ShouldContain(item.GetProperty("title").GetString()!);
            html.ShouldContain(item.GetProperty("summary").GetString()!);
        }

        html.ShouldContain("In plain words");
        html.ShouldNotContain("certain that");
        html.ShouldNotMatch("(?:src|href)=\"(?!data:)");
        string[] csv = (await client.GetStringAsync($"/v1/analyses/{id}/report?format=csv")).Split("\r\n");
        csv[0].ShouldEndWith(",models,trace_id,evidence");
        csv[1].ShouldContain("ela: nothing_unusual");
    }

    private async Task<string> FinishedAsync(string tenant, Func<AnalysisRequest, AnalysisRequest>? change = null)
    {
        string id = await host.SubmitAsync(tenant, change);
        await host.EndAsync(id);
        return id;
    }

    private async Task<EvidenceDocument> HashAsync(string tenant, string id) =>
        (await host.Client(tenant).GetFromJsonAsync<EvidenceDocument>($"/v1/analyses/{id}/evidence/hash?format=json", PlatformJson.Options))!;

    private Task<long> CountAsync(string id) => host.Database.QueryFirstAsync<long>("SELECT count(*) FROM perceptual_hashes WHERE analysis_id = @id", new { id }, default);
}
