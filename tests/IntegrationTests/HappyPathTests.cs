using System.Text.Json;
using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Imaging.Rendering;
using Palimpsest.Local.Client;
using Palimpsest.Local.Direct;

namespace Palimpsest.IntegrationTests;

[Collection(PlatformCollection.Name)]
public sealed class HappyPathTests(TestPlatform platform)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Both_modes_and_scan_give_the_same_report_and_mask()
    {
        byte[] picture = TestPictures.Forged(seed: 1, width: 301, height: 205);
        var distributed = await FinishedAsync(platform.Client, picture);
        byte[] distributedMask = await platform.Client.MaskAsync(distributed.Id);

        await using var embedded = await EmbeddedProcess.StartAsync();
        var alone = await FinishedAsync(embedded.Client, picture);
        byte[] embeddedMask = await embedded.Client.MaskAsync(alone.Id);
        var (scanned, scannedMask) = await ScanAsync(picture);

        distributed.Status.ShouldBe(AnalysisStatuses.Succeeded);
        alone.Status.ShouldBe(AnalysisStatuses.Succeeded);
        (distributed.Image.Width, distributed.Image.Height).ShouldBe((301, 205));
        var (values, width, height) = Masks.Read(distributedMask);
        (width, height).ShouldBe((301, 205));
        values.Max().ShouldBeGreaterThan((byte)0, "a mask without any response would agree with everything");
        Masks.Difference(distributedMask, embeddedMask).ShouldBeLessThanOrEqualTo(1);
        Masks.Difference(distributedMask, scannedMask).ShouldBeLessThanOrEqualTo(1);
        alone.Verdict.ShouldBe(distributed.Verdict);
        distributed.CalibrationVersion.ShouldNotBe(Calibration.Uncalibrated.Version);
        distributed.CalibrationVersion.ShouldBe(scanned.Result!.CalibrationVersion);
        alone.CalibrationVersion.ShouldBe(distributed.CalibrationVersion);
        alone.Score!.Value.ShouldBe(distributed.Score!.Value, 1e-4);
        scanned.Result.Score.ShouldBe(distributed.Score.Value, 1e-4);
        scanned.Result.Verdict.ShouldBe(distributed.Verdict);
    }

    [Fact]
    public async Task The_second_identical_submission_is_answered_without_running_a_network()
    {
        byte[] picture = TestPictures.Forged(seed: 2);
        var first = await FinishedAsync(platform.Client, picture);
        double before = await RunsAsync();

        var second = await platform.Client.SubmitAsync(new MemoryStream(picture), "again.jpg");

        second.Cached.ShouldBeTrue();
        second.Status.ShouldBe(AnalysisStatuses.Succeeded);
        second.Id.ShouldNotBe(first.Id);
        second.Score.ShouldBe(first.Score);
        Masks.Difference(await platform.Client.MaskAsync(first.Id), await platform.Client.MaskAsync(second.Id)).ShouldBe(0);
        (await RunsAsync()).ShouldBe(before);

        // The counter can move: another picture moves it.
        await FinishedAsync(platform.Client, TestPictures.Forged(seed: 3));
        (await RunsAsync()).ShouldBeGreaterThan(before);
    }

    [Fact]
    public async Task The_distributed_report_has_all_evidence_and_names_the_near_duplicate()
    {
        byte[] picture = TestPictures.Forged(seed: 4);
        var first = await FinishedAsync(platform.Client, picture);
        // The same pixels in another file: a byte behind the end.
        var second = await FinishedAsync(platform.Client, [.. picture, 0]);
        second.Cached.ShouldBeFalse();

        using var report = JsonDocument.Parse(await platform.Client.BytesAsync($"/v1/analyses/{second.Id}/report?format=json"));

        var evidence = report.RootElement.GetProperty("evidence").EnumerateArray().ToList();
        evidence.Select(e => e.GetProperty("state").GetString()).ShouldNotContain("available", "the report makes what nobody has asked for yet");
        evidence.Single(e => e.GetProperty("name").GetString() == "hash").GetProperty("similar").EnumerateArray()
            .Select(s => s.GetProperty("id").GetString()).ShouldContain(first.Id);
        System.Text.Encoding.UTF8.GetString(await platform.Client.BytesAsync($"/v1/analyses/{second.Id}/report")).ShouldContain(first.Id);
    }

    private async Task<double> RunsAsync() =>
        await TestPlatform.CounterAsync(platform.Host["shallowfake"].Address, "palimpsest_inference_runs_total")
        + await TestPlatform.CounterAsync(platform.Host["deepfake"].Address, "palimpsest_inference_runs_total");

    private static async Task<AnalysisDocument> FinishedAsync(PalimpsestClient client, byte[] picture)
    {
        var accepted = await client.SubmitAsync(new MemoryStream(picture), "p.jpg");
        return await client.WaitAsync(accepted.Id, Patience);
    }

    internal static async Task<(DirectResult Result, byte[] Mask)> ScanAsync(byte[] picture)
    {
        await using var pipeline = DirectPipeline.Create(models: null);
        string path = Path.Combine(pipeline.TemporaryFolder, "p.jpg");
        await File.WriteAllBytesAsync(path, picture);
        var result = await pipeline.AnalyseAsync(path, new AnalysisOptions(), CancellationToken.None);
        result.Error.ShouldBeNull();
        return (result, MaskRenderer.RenderPng(result.Map!, result.Geometry!));
    }
}
