using System.Diagnostics;
using System.Text.Json;
using Palimpsest.Contracts;
using Palimpsest.Local.Client;

namespace Palimpsest.IntegrationTests;

/// <summary>kill -9 of each process while work is under way: every accepted analysis ends as it would have in quiet, with one webhook id.</summary>
[Collection(PlatformCollection.Name)]
public sealed class CrashTests(TestPlatform platform)
{
    private const int Pictures = 50;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    [Theory]
    [InlineData("preprocessing")]
    [InlineData("routing")]
    [InlineData("shallowfake")]
    [InlineData("deepfake")]
    [InlineData("reporting")]
    [InlineData("gateway")]
    public async Task Work_survives_the_death_of(string service)
    {
        var victim = platform.Host[service];
        int before = victim.Restarts;

        await SubmitAndKillAsync(platform.Client, seed: 100 * (1 + Array.IndexOf(["preprocessing", "routing", "shallowfake", "deepfake", "reporting", "gateway"], service)), () =>
        {
            using var process = Process.GetProcessById(victim.Id);
            process.Kill();
            return Task.CompletedTask;
        });

        victim.Restarts.ShouldBe(before + 1);
        await platform.ReadyAsync();
    }

    [Fact]
    public async Task Embedded_work_survives_the_death_of_the_only_process()
    {
        await using var embedded = await EmbeddedProcess.StartAsync();
        await SubmitAndKillAsync(embedded.Client, seed: 900, async () =>
        {
            await embedded.KillAsync();
            await embedded.StartAgainAsync();
        });
    }

    private async Task SubmitAndKillAsync(PalimpsestClient client, int seed, Func<Task> kill)
    {
        byte[][] pictures = [.. Enumerable.Range(seed, Pictures).Select(s => TestPictures.Forged(s))];
        var quiet = await QuietRun.OfAsync(pictures);
        var options = new SubmitOptions { CallbackUrl = platform.Receiver.Webhook };

        var submissions = new List<Task<AnalysisDocument>>();
        for (int i = 0; i < Pictures; i++)
        {
            if (i == Pictures / 2)
            {
                // In the middle: some done, some under way, some still to come.
                submissions.Add(TestPlatform.SubmitAsync(client, pictures[i], options));
                await kill();
                continue;
            }

            submissions.Add(TestPlatform.SubmitAsync(client, pictures[i], options));
            await Task.Delay(20);
        }

        var accepted = await Task.WhenAll(submissions);
        for (int i = 0; i < Pictures; i++)
        {
            var finished = await WaitAsync(client, accepted[i].Id);
            finished.Status.ShouldBe(AnalysisStatuses.Succeeded, $"{finished.Id}: {finished.Error?.Detail}");
            // Whatever the router chose for it: somebody looked, and nobody failed.
            finished.Detectors.ShouldContain(d => d.State == DetectorStates.Completed);
            finished.Detectors.ShouldAllBe(d => d.State == DetectorStates.Completed || d.State == DetectorStates.NotApplicable);
            Masks.Difference(await client.MaskAsync(finished.Id), quiet[i].Mask).ShouldBeLessThanOrEqualTo(1, quiet[i].Beside(finished));
        }

        await OneWebhookIdEachAsync([.. accepted.Select(a => a.Id)]);
    }

    private static async Task<AnalysisDocument> WaitAsync(PalimpsestClient client, string id)
    {
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                return await client.WaitAsync(id, Patience);
            }
            catch (Exception e) when (e is HttpRequestException or PalimpsestProblemException && Stopwatch.GetElapsedTime(start) < Patience)
            {
                await Task.Delay(500);
            }
        }
    }

    private async Task OneWebhookIdEachAsync(IReadOnlyList<string> ids)
    {
        Dictionary<string, HashSet<string>> delivered = [];
        for (int i = 0; i < 300; i++)
        {
            delivered = platform.Receiver.Deliveries
                .Select(d => (d.Id, Analysis: JsonDocument.Parse(d.Body).RootElement.GetProperty("data").GetProperty("id").GetString()!))
                .GroupBy(d => d.Analysis, d => d.Id, StringComparer.Ordinal).ToDictionary(g => g.Key, g => g.ToHashSet(), StringComparer.Ordinal);
            if (ids.All(delivered.ContainsKey))
            {
                break;
            }

            await Task.Delay(200);
        }

        foreach (string id in ids)
        {
            delivered.ShouldContainKey(id);
            delivered[id].Count.ShouldBe(1, $"{id} was delivered under several webhook ids");
        }
    }
}
