using System.Net;
using Palimpsest.Contracts;
using Palimpsest.Local.Client;

namespace Palimpsest.IntegrationTests;

/// <summary>A localizer that cannot run must never read as "real".</summary>
public sealed class ModelTests : IDisposable
{
    private readonly string models = Directory.CreateTempSubdirectory("palimpsest-models-").FullName;

    public ModelTests()
    {
        foreach (string file in Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "models")))
        {
            File.Copy(file, Path.Combine(models, Path.GetFileName(file)));
        }
    }

    [Fact]
    public async Task A_picture_nobody_could_look_at_fails_and_is_not_called_real()
    {
        File.Delete(Path.Combine(models, "shallowfake.onnx"));
        await using var embedded = await EmbeddedProcess.StartAsync(models);
        var finished = await SubmitAsync(embedded.Client, new SubmitOptions());

        finished.Status.ShouldBe(AnalysisStatuses.Failed);
        finished.Error!.Code.ShouldBe(ErrorCodes.NoDetectorRan);
        finished.Verdict.ShouldBeNull();
        var shallowfake = finished.Detectors.Single(d => d.Name == DetectorNames.Shallowfake);
        shallowfake.State.ShouldBe(DetectorStates.Error);
        shallowfake.Score.ShouldBeNull();
    }

    [Fact]
    public async Task A_missing_localizer_gives_a_partial_report_that_is_never_real()
    {
        // What is left looks at the whole picture: one localizer's work stands for the pair.
        File.Delete(Path.Combine(models, "deepfake.onnx"));
        await using var embedded = await EmbeddedProcess.StartAsync(models);
        var finished = await SubmitAsync(embedded.Client, new SubmitOptions { Analysis = new AnalysisOptions { Detectors = DetectorChoices.Both, FaceCrop = false } });

        finished.Status.ShouldBe(AnalysisStatuses.Succeeded);
        finished.Detectors.Single(d => d.Name == DetectorNames.Shallowfake).State.ShouldBe(DetectorStates.Completed);
        var deepfake = finished.Detectors.Single(d => d.Name == DetectorNames.Deepfake);
        deepfake.State.ShouldBe(DetectorStates.Error);
        deepfake.Score.ShouldBeNull();
        deepfake.Reason.ShouldNotBeNullOrEmpty();
        finished.Verdict.ShouldNotBe(Verdicts.LikelyReal);
        finished.Warnings.ShouldContain(w => w.Contains("deepfake", StringComparison.Ordinal) || w.Contains("partial", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_model_file_with_a_wrong_hash_is_refused()
    {
        string path = Path.Combine(models, "shallowfake.onnx");
        byte[] bytes = await File.ReadAllBytesAsync(path);
        bytes[^1] ^= 1;
        await File.WriteAllBytesAsync(path, bytes);
        await using var embedded = await EmbeddedProcess.StartAsync(models);

        using var http = new HttpClient();
        using var ready = await http.GetAsync(new Uri(embedded.Address, "/health/ready"));
        ready.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
        (await ready.Content.ReadAsStringAsync()).ShouldContain("SHA-256");
        var finished = await SubmitAsync(embedded.Client, new SubmitOptions { Analysis = new AnalysisOptions { Detectors = DetectorNames.Shallowfake } });
        finished.Status.ShouldBe(AnalysisStatuses.Failed);
        finished.Detectors.Single(d => d.Name == DetectorNames.Shallowfake).Reason!.ShouldContain("SHA-256");
    }

    public void Dispose() => Directory.Delete(models, recursive: true);

    private static async Task<AnalysisDocument> SubmitAsync(PalimpsestClient client, SubmitOptions options)
    {
        var accepted = await client.SubmitAsync(new MemoryStream(TestPictures.Forged(3000)), "p.jpg", options);
        return await client.WaitAsync(accepted.Id, TimeSpan.FromSeconds(60));
    }
}
