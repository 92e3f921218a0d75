using System.Diagnostics;
using Palimpsest.Contracts;
using Palimpsest.IntegrationTests.Ledger;
using Palimpsest.Local.Servers;

namespace Palimpsest.IntegrationTests;

/// <summary>
/// One service killed as soon as it is back, more often than the broker delivers one message, while pictures that take their time lie in its hands. None of them did it any harm.
/// The settings are those we ship.
/// </summary>
public sealed class RepeatedKillsTests
{
    // The broker gives a message up when it was handed back a sixth time.
    private const int Kills = 8, Pictures = 12;

    private static readonly string[] Victims = ["preprocessing", "shallowfake", "reporting"];

    [SkippableFact]
    public async Task What_a_service_held_while_it_was_killed_eight_times_still_succeeds()
    {
        Skip.IfNot(RabbitMqServer.IsInstalled && RedisServer.IsInstalled && PostgresServer.IsInstalled, "It needs servers of its own.");
        await using var platform = await DistributedLedgerPlatform.StartAsync();
        foreach (string victim in Victims)
        {
            byte[][] pictures = [.. Enumerable.Range(0, Pictures).Select(i => TestPictures.Forged(2600 + i, 1600, 1200))];
            long start = Stopwatch.GetTimestamp();
            var accepted = await Task.WhenAll(pictures.Select(p => TestPlatform.SubmitAsync(platform.Client, p, new() { CallbackUrl = platform.Webhook })));
            for (int kill = 0; kill < Kills; kill++)
            {
                await platform.KillWhenReadyAsync(victim, TimeSpan.FromMilliseconds(500));
            }

            double killed = Stopwatch.GetElapsedTime(start).TotalSeconds;
            await platform.WaitUntilReadyAsync(victim);
            foreach (var analysis in accepted)
            {
                var ended = await platform.Client.WaitAsync(analysis.Id, TimeSpan.FromMinutes(3));
                ended.Status.ShouldBe(AnalysisStatuses.Succeeded, $"{victim}: {ended.Error?.Detail}");
                ended.Detectors.ShouldNotContain(d => d.State == DetectorStates.Error || d.State == DetectorStates.Timeout, victim);
            }

            Console.WriteLine($"{victim} killed {Kills} times in {killed:0.0} s: {Pictures} succeeded, the last {Stopwatch.GetElapsedTime(start).TotalSeconds - killed:0.0} s after the last kill");
        }
    }
}
