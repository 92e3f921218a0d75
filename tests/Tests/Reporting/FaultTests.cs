using Microsoft.Extensions.DependencyInjection;
using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Reporting;

namespace Palimpsest.Tests.Reporting;

/// <summary>Services that throw, over a real bus.</summary>
public sealed class FaultTests : IAsyncLifetime
{
    private readonly ReportingHost host = new();

    public Task InitializeAsync() => host.InitializeAsync();

    public Task DisposeAsync() => host.DisposeAsync();

    [Fact]
    public async Task A_service_that_fails_for_good_ends_the_analysis()
    {
        host.Scenes.Throw = () => new InvalidOperationException("secret/path");
        var record = await host.EndAsync(await host.SubmitAsync());
        record.Status.ShouldBe(AnalysisStatuses.Failed);
        record.Findings.Error!.Code.ShouldBe(ErrorCodes.ProcessingCrashed);
        record.Findings.Error.Detail.ShouldContain("InvalidOperationException");
        record.Findings.Error.Detail.ShouldNotContain("secret");
    }

    [Fact]
    public async Task A_service_whose_server_was_away_is_asked_again()
    {
        int calls = 0;
        // The bus itself tries four times.
        host.Scenes.Throw = () => ++calls <= 5 ? new TimeoutException("The server does not answer.") : null;
        var record = await host.EndAsync(await host.SubmitAsync(), seconds: 40);
        record.Status.ShouldBe(AnalysisStatuses.Succeeded);
        calls.ShouldBe(6);
    }

    [Fact]
    public async Task A_full_volume_is_waited_for_and_not_counted()
    {
        int calls = 0;
        host.Scenes.Throw = () => ++calls <= 5 ? new BlobStoreFullException() : null;
        var record = await host.EndAsync(await host.SubmitAsync(), seconds: 40);
        record.Status.ShouldBe(AnalysisStatuses.Succeeded);
        record.StageAttempts.ShouldBe(0);
        calls.ShouldBe(6);
    }

    [Fact]
    public async Task A_message_waits_for_the_database_instead_of_failing()
    {
        int calls = 0;
        // The wire as Npgsql reports it when the server is killed; short retries would have given up after four.
        host.Scenes.Throw = () => ++calls <= 5 ? new Npgsql.NpgsqlException("Exception while reading from stream", new IOException("broken")) : null;
        var record = await host.EndAsync(await host.SubmitAsync(), seconds: 40);
        record.Status.ShouldBe(AnalysisStatuses.Succeeded);
        record.StageAttempts.ShouldBe(0, "nothing was sent again");
        calls.ShouldBe(6);
    }

    [Fact]
    public async Task A_router_that_fails_ends_the_analysis()
    {
        host.Scenes.RouterThrows = new InvalidOperationException("broken");
        var record = await host.EndAsync(await host.SubmitAsync());
        record.Findings.Error!.Code.ShouldBe(ErrorCodes.ProcessingCrashed);
        record.Findings.Error.Detail.ShouldStartWith("The route service failed");
        record.Findings.Width.ShouldBe(Scenes.Width, "what the failed message said is still true");
    }

    [Fact]
    public async Task A_map_that_cannot_be_read_counts_as_a_failed_localizer()
    {
        string id = await host.SubmitAsync(send: false);
        var updater = host.Services.GetRequiredService<AnalysisUpdater>();
        string path = host.Blobs.CreateTemporaryPath();
        await using (var file = new FileStream(path, FileMode.CreateNew))
        {
            Palimpsest.Imaging.PreparedImage.Finish(
                file, Scenes.Width, Scenes.Height, 0, 0, Palimpsest.Imaging.PreparedImage.Align(Palimpsest.Imaging.PreparedImage.HeaderBytes + (Scenes.Width * Scenes.Height * 3)), A.Facts(Scenes.Width, Scenes.Height, faces: 1));
        }

        await host.Blobs.PutFileAsync(id + "/prepared", path, default);
        await host.Blobs.PutAsync(id + "/map-deepfake", new MemoryStream(host.Scenes.MapOf("deepfake").ToBytes()), default);
        await host.Blobs.PutAsync(id + "/map-shallowfake", new MemoryStream([1, 2, 3]), default);
        foreach (object e in new object[] { A.Preprocessed(id: id), A.Routed(id: id), A.Localized("shallowfake", 0.01, id), A.Localized("deepfake", 0.01, id) })
        {
            await updater.ApplyAsync(id, e, default);
        }

        var record = (await host.Store.LoadAsync(id, default))!;
        record.Status.ShouldBe(AnalysisStatuses.Succeeded);
        record.Findings.Detectors[0].State.ShouldBe(DetectorStates.Error);
        record.Findings.Detectors[0].Score.ShouldBeNull();
        record.Findings.Result!.Verdict.ShouldBe(Verdicts.Uncertain, "half of the looking failed");
    }
}
