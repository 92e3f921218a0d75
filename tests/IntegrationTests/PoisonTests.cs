using System.Diagnostics;
using Palimpsest.Contracts;
using Palimpsest.Local.Client;

namespace Palimpsest.IntegrationTests;

/// <summary>Pictures that crash, hang or bloat their decoder, among others: each costs itself, with the code that says why, and its neighbours nothing.</summary>
[Collection(PlatformCollection.Name)]
public sealed class PoisonTests(TestPlatform platform)
{
    // Two tries of a decoder's ten seconds and their restarts, behind one another on a busy machine.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Poison_fails_typed_and_its_neighbours_are_as_in_quiet()
    {
        byte[][] neighbours = [.. Enumerable.Range(7000, 6).Select(seed => TestPictures.Forged(seed))];
        var quiet = await QuietRun.OfAsync(neighbours);
        (string Name, string Code)[] poisons =
        [
            ("crash", ErrorCodes.DecoderCrashed), ("abort", ErrorCodes.DecoderCrashed), ("bloat", ErrorCodes.DecoderCrashed), ("hang", ErrorCodes.DecodeTimeout),
        ];
        int restarts = platform.Host["preprocessing"].Restarts;
        double deaths = await DeathsAsync();
        long start = Stopwatch.GetTimestamp();
        // Interleaved: poison, neighbour, poison, ...
        var sent = new List<(AnalysisDocument Analysis, string? Code, int Neighbour)>();
        for (int i = 0; i < neighbours.Length; i++)
        {
            if (i < poisons.Length)
            {
                sent.Add((await TestPlatform.SubmitAsync(platform.Client, Tests.Imaging.TestPictures.Poison(poisons[i].Name), new SubmitOptions()), poisons[i].Code, -1));
            }

            sent.Add((await TestPlatform.SubmitAsync(platform.Client, neighbours[i], new SubmitOptions()), null, i));
        }

        foreach (var (analysis, code, neighbour) in sent)
        {
            var ended = await platform.Client.WaitAsync(analysis.Id, Limit);
            if (code is not null)
            {
                ended.Status.ShouldBe(AnalysisStatuses.Failed);
                ended.Error!.Code.ShouldBe(code);
                continue;
            }

            ended.Status.ShouldBe(AnalysisStatuses.Succeeded, ended.Error?.Detail);
            Masks.Difference(await platform.Client.MaskAsync(ended.Id), quiet[neighbour].Mask).ShouldBeLessThanOrEqualTo(1);
        }

        Stopwatch.GetElapsedTime(start).ShouldBeLessThan(Limit);
        platform.Host["preprocessing"].Restarts.ShouldBe(restarts, "only decoder children died");
        (await DeathsAsync() - deaths).ShouldBeGreaterThanOrEqualTo(4);
    }

    private Task<double> DeathsAsync() => TestPlatform.CounterAsync(platform.Host["preprocessing"].Address, "palimpsest_decoder_deaths_total");
}
