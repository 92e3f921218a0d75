using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Local.Client;

namespace Palimpsest.IntegrationTests;

/// <summary>
/// A commit that the database does, and that the gateway never hears of: PostgreSQL's disk is slower than the gateway's patience. The answer is 503, the picture is accepted all the
/// same a little later, and its bytes must be there then.
/// </summary>
[Collection(PlatformCollection.Name)]
public sealed class CommitTests(TestPlatform platform)
{
    // Runs within COMMIT, longer than the gateway waits for a command (15 s), and, like a flush to disk, does not let itself be cancelled.
    private const string Slow = """
        CREATE FUNCTION commits_slowly() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            BEGIN PERFORM pg_sleep(17); EXCEPTION WHEN query_canceled THEN PERFORM pg_sleep(6); END;
            RETURN NULL;
        END $$;
        CREATE CONSTRAINT TRIGGER commits_slowly AFTER INSERT ON analyses DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION commits_slowly();
        """;

    [Fact]
    public async Task What_is_committed_after_the_gateway_gave_up_waiting_is_whole()
    {
        await using var database = new PlatformDatabase(new PlatformSettings
        {
            ServiceName = "test", DataDirectory = platform.Folder, ModelsDirectory = platform.Folder, Postgres = new Uri(platform.Host.Servers.Urls["POSTGRES_URL"]!),
        });
        byte[] picture = TestPictures.Forged(2400);
        var options = new SubmitOptions { IdempotencyKey = Guid.NewGuid().ToString("n") };
        await database.ExecuteAsync(Slow, null, CancellationToken.None);
        try
        {
            var refused = await Should.ThrowAsync<PalimpsestProblemException>(() => platform.Client.SubmitAsync(new MemoryStream(picture), "p.jpg", options));
            ((int)refused.Status).ShouldBe(503);
        }
        finally
        {
            await database.ExecuteAsync("DROP TRIGGER commits_slowly ON analyses; DROP FUNCTION commits_slowly();", null, CancellationToken.None);
        }

        // The same key: the analysis that was accepted behind our back, not a second one.
        var answer = await AgainAsync(picture, options);
        var ended = await platform.Client.WaitAsync(answer.Id, TimeSpan.FromSeconds(60));
        ended.Status.ShouldBe(AnalysisStatuses.Succeeded, ended.Error?.Detail);
        (await platform.Client.MaskAsync(ended.Id)).ShouldNotBeEmpty();
    }

    private async Task<AnalysisDocument> AgainAsync(byte[] picture, SubmitOptions options)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return await platform.Client.SubmitAsync(new MemoryStream(picture), "p.jpg", options);
            }
            catch (PalimpsestProblemException problem) when (attempt < 100 && ((int)problem.Status == 503 || problem.Code == ErrorCodes.IdempotencyInFlight))
            {
                await Task.Delay(300);
            }
        }
    }
}
