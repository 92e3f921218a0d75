using System.Diagnostics;
using System.IO.Compression;
using System.Net;
using System.Net.Http.Json;
using Microsoft.Extensions.DependencyInjection;
using Palimpsest.Contracts;
using Palimpsest.Decoding;
using Palimpsest.Hosting;
using Palimpsest.Reporting;
using Palimpsest.Tests.Imaging;

namespace Palimpsest.Tests.Reporting;

/// <summary>What many readers, slow readers and readers who leave cost the others.</summary>
public sealed class TurnTests : IAsyncLifetime
{
    private const int Large = 1 << 20;

    private readonly ReportingHost host = new()
    {
        Settings = new()
        {
            ["Decoder:TestHooks"] = "true", ["Reporting:RenderWaitSeconds"] = "2", ["Evidence:TimeoutSeconds"] = "5", ["Evidence:AtOncePerTenant"] = "1", ["Evidence:WaitSeconds"] = "0.2",
        },
    };

    public Task InitializeAsync() => host.InitializeAsync();

    public Task DisposeAsync() => host.DisposeAsync();

    [Fact]
    public async Task One_tenant_leaves_room_for_another_and_waits_behind_itself()
    {
        using var turns = new Turns(2, 1, TimeSpan.FromMilliseconds(50), "Later.");
        var mine = await turns.TakeAsync("a", default);
        var refused = await Should.ThrowAsync<ApiException>(() => turns.TakeAsync("a", default));
        (refused.Status, refused.Code).ShouldBe((503, ErrorCodes.Overloaded));
        refused.RetryAfterSeconds.ShouldNotBeNull();
        using var theirs = await turns.TakeAsync("b", default);
        await Should.ThrowAsync<ApiException>(() => turns.TakeAsync("c", default));
        mine.Dispose();
        (await turns.TakeAsync("a", default)).Dispose();
        // What was refused or given up holds nothing.
        using var left = new CancellationTokenSource();
        await left.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => turns.TakeAsync("c", left.Token));
        using var third = await turns.TakeAsync("c", default);
    }

    [Fact]
    public void Pictures_that_are_being_sent_are_bounded_in_all_and_for_each_tenant()
    {
        var underway = new PicturesUnderway(new ReportingOptions { SendingMegabytes = 4 });
        var huge = underway.Open("a", new byte[3 * Large]);
        Should.Throw<ApiException>(() => underway.Open("a", new byte[1])).Code.ShouldBe(ErrorCodes.Overloaded);
        using var small = underway.Open("b", new byte[Large / 2]);
        Should.Throw<ApiException>(() => underway.Open("c", new byte[Large])).RetryAfterSeconds.ShouldNotBeNull();
        huge.Dispose();
        huge.Dispose();
        using var second = underway.Open("b", new byte[Large / 2]);
        Should.Throw<ApiException>(() => underway.Open("b", new byte[1]));
        using var other = underway.Open("c", new byte[3 * Large]);
        Should.Throw<ApiException>(() => underway.Open("d", new byte[1]));
    }

    [Fact]
    public async Task A_picture_whose_turn_does_not_come_gets_503()
    {
        string hanging = await host.FinishedAsync("drawer", TestPictures.Poison("hang")), waiting = await host.FinishedAsync("drawer");
        using var client = host.Client("drawer");
        var first = client.GetAsync($"/v1/analyses/{hanging}/thumbnail");
        await Poll.UntilAsync(() => host.Services.GetRequiredService<DecoderPool>().AtWork == 1);
        using var refused = await client.GetAsync($"/v1/analyses/{waiting}/thumbnail");
        refused.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
        (await ReportingHost.CodeAsync(refused)).ShouldBe(ErrorCodes.Overloaded);
        refused.Headers.RetryAfter.ShouldNotBeNull();
        using var killed = await first;
        (await ReportingHost.CodeAsync(killed)).ShouldBe(ErrorCodes.DecodeTimeout);
        using var drawn = await client.GetAsync($"/v1/analyses/{waiting}/thumbnail");
        drawn.StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Who_leaves_while_a_picture_is_drawn_kills_no_decoder_and_the_picture_is_kept()
    {
        string id = await host.FinishedAsync("leaver");
        int process = host.Services.GetRequiredService<DecoderPool>().ProcessIds.Single();
        await SignalAsync("STOP", process);
        using (var leave = new CancellationTokenSource())
        {
            var asked = host.Client("leaver").GetAsync($"/v1/analyses/{id}/thumbnail", leave.Token);
            await Poll.UntilAsync(() => host.Services.GetRequiredService<DecoderPool>().AtWork == 1);
            await leave.CancelAsync();
            await Should.ThrowAsync<OperationCanceledException>(() => asked);
            await Task.Delay(200);
        }

        await SignalAsync("CONT", process);
        await Poll.UntilAsync(() => host.Services.GetRequiredService<RenderedImages>().Find(id, "plain-Webp-320") is not null);
        host.Services.GetRequiredService<DecoderPool>().ProcessIds.Single().ShouldBe(process);
    }

    [Fact]
    public async Task Evidence_that_nobody_waits_for_any_more_counts_until_it_is_made()
    {
        string hanging = await host.FinishedAsync("looker", TestPictures.Poison("hang")), sound = await host.FinishedAsync("looker"), theirs = await host.FinishedAsync("other");
        using var client = host.Client("looker");
        using (var leave = new CancellationTokenSource())
        {
            var asked = client.GetAsync($"/v1/analyses/{hanging}/evidence/ela?format=json", leave.Token);
            await Poll.UntilAsync(() => host.Services.GetRequiredService<EvidenceDecoders>().Pool.AtWork == 1);
            await leave.CancelAsync();
            await Should.ThrowAsync<OperationCanceledException>(() => asked);
        }

        foreach (string path in new[] { $"{sound}/evidence/noise", $"{sound}/evidence?make=true", $"{sound}/report" })
        {
            using var refused = await client.GetAsync("/v1/analyses/" + path);
            refused.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable, path);
            (await ReportingHost.CodeAsync(refused)).ShouldBe(ErrorCodes.Overloaded);
            refused.Headers.RetryAfter.ShouldNotBeNull();
        }

        // The same is joined, not refused; another tenant has places of its own.
        var same = client.GetFromJsonAsync<EvidenceDocument>($"/v1/analyses/{hanging}/evidence/ela?format=json", PlatformJson.Options);
        using var other = await host.Client("other").GetAsync($"/v1/analyses/{theirs}/evidence/noise");
        other.StatusCode.ShouldBe(HttpStatusCode.OK);
        (await same)!.State.ShouldBe(EvidenceStates.Error);
        using var report = await client.GetAsync($"/v1/analyses/{sound}/report");
        report.StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task A_tenant_exports_its_feedback_once_at_a_time()
    {
        string id = await JudgedAsync("exporter", new byte[4 * Large]);
        using var client = host.Client("exporter");
        using (var first = await client.GetAsync("/v1/feedback?format=zip", HttpCompletionOption.ResponseHeadersRead))
        {
            using var refused = await client.GetAsync("/v1/feedback?format=zip");
            refused.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
            (await ReportingHost.CodeAsync(refused)).ShouldBe(ErrorCodes.Overloaded);
            using var other = await host.Client("exporter-2").GetAsync("/v1/feedback?format=zip");
            other.StatusCode.ShouldBe(HttpStatusCode.OK);
            using var zip = new ZipArchive(await first.Content.ReadAsStreamAsync());
            zip.GetEntry($"images/{id}.png")!.Length.ShouldBe(4 * Large);
        }

        using var again = await client.GetAsync("/v1/feedback?format=zip");
        again.StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task An_export_that_cannot_be_finished_is_broken_off_and_looks_it()
    {
        await JudgedAsync("broken", new byte[Large]);
        string second = await JudgedAsync("broken", null), path = await host.UploadAsync(second);
        File.Delete(path);
        Directory.CreateDirectory(path); // what cannot be read
        using var answer = await host.Client("broken").GetAsync("/v1/feedback?format=zip", HttpCompletionOption.ResponseHeadersRead);
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        using var received = new MemoryStream();
        await Should.ThrowAsync<Exception>(async () => await answer.Content.CopyToAsync(received));
        received.Length.ShouldBeGreaterThan(Large, "the first picture was sent");
        Should.Throw<InvalidDataException>(() => new ZipArchive(received));
    }

    private async Task<string> JudgedAsync(string tenant, byte[]? upload)
    {
        string id = await host.FinishedAsync(tenant, upload);
        (await host.Client(tenant).PostAsJsonAsync($"/v1/analyses/{id}/feedback", new { label = "fake" })).IsSuccessStatusCode.ShouldBeTrue();
        return id;
    }

    private static async Task SignalAsync(string name, int process)
    {
        using var kill = Process.Start("kill", ["-" + name, $"{process}"]);
        await kill.WaitForExitAsync();
    }
}
