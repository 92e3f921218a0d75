using System.Collections.Concurrent;
using System.Diagnostics;
using Palimpsest.Contracts;
using Palimpsest.Local.Client;
using Palimpsest.Local.Distributed;
using Palimpsest.Tests;
using Xunit.Abstractions;

namespace Palimpsest.IntegrationTests;

/// <summary>Two instances of every service: they share the work; each is stopped (SIGTERM) and started again under load; one can be taken away. No request fails, nothing is lost.</summary>
[Collection(PlatformCollection.Name)]
public sealed class RollingRestartTests(TestPlatform platform, ITestOutputHelper output)
{
    private static readonly string[] Names = ["preprocessing", "routing", "shallowfake", "deepfake", "reporting"];
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    [Fact]
    public async Task Rolling_restart_under_load_fails_no_request_and_loses_nothing()
    {
        var host = platform.Host;
        var firsts = Names.Append("gateway").Select(name => host[name]).ToList();
        var seconds = (await Task.WhenAll(Names.Select(name => host.AddAsync(name, null, CancellationToken.None)))).ToList();
        seconds.Add(await host.AddAsync("gateway", seconds[^1].Address, CancellationToken.None));
        using HttpClient one = Client(firsts[^1]), other = Client(seconds[^1]);
        PalimpsestClient[] gateways = [new(one, TestPlatform.Key), new(other, TestPlatform.Key)];

        double before = await ResultsAsync(firsts[2]); // what other tests let it do
        long started = Stopwatch.GetTimestamp();
        var accepted = new ConcurrentBag<string>();
        var failures = new ConcurrentBag<string>();
        using var stop = new CancellationTokenSource();
        var load = Enumerable.Range(0, 2).Select(worker => LoadAsync(gateways, worker, accepted, failures, stop.Token)).ToArray();

        await Poll.UntilAsync(async () => await ResultsAsync(firsts[2]) > before && await ResultsAsync(seconds[2]) > 0, seconds: 60); // both shallowfake instances take of the work
        await RollAsync(firsts);
        await RollAsync(seconds);
        await stop.CancelAsync();
        await Task.WhenAll(load);

        failures.ShouldBeEmpty();
        // One of each is taken away, for good.
        foreach (var service in seconds)
        {
            await host.RemoveAsync(service);
        }

        output.WriteLine($"accepted {accepted.Count} failed {failures.Count} restarts {firsts.Count + seconds.Count} in {Stopwatch.GetElapsedTime(started).TotalSeconds:0} s");
        accepted.Count.ShouldBeGreaterThan(20);
        foreach (string id in accepted)
        {
            var ended = await WaitAsync(id);
            ended.Status.ShouldBe(AnalysisStatuses.Succeeded, $"{id}: {ended.Error?.Detail}");
            ended.Detectors.ShouldAllBe(d => d.State == DetectorStates.Completed || d.State == DetectorStates.NotApplicable);
        }
    }

    /// <summary>Keeps an idle connection for less than the two seconds that a gateway serves on after SIGTERM: one idle for longer may be closed in the instant it is used, which no server can prevent.</summary>
    private static HttpClient Client(ServiceProcess gateway) =>
        new(new SocketsHttpHandler { PooledConnectionIdleTimeout = TimeSpan.FromSeconds(1) }) { BaseAddress = gateway.Address, Timeout = TimeSpan.FromSeconds(30) };

    private async Task<AnalysisDocument> WaitAsync(string id)
    {
        while (true)
        {
            try
            {
                return await platform.Client.WaitAsync(id, Patience);
            }
            catch (PalimpsestProblemException problem) when ((int)problem.Status == 429)
            {
                await Task.Delay(1000); // most have ended long ago: asked one after the other, they are many a second
            }
        }
    }

    /// <summary>A client behind two gateways: another one when one says 503 or does not listen. Anything else is a failure.</summary>
    private static async Task LoadAsync(PalimpsestClient[] gateways, int worker, ConcurrentBag<string> accepted, ConcurrentBag<string> failures, CancellationToken stopping)
    {
        for (int i = 0; !stopping.IsCancellationRequested; i++)
        {
            byte[] picture = TestPictures.Forged(9000 + (1000 * worker) + i);
            for (int attempt = 0; ; attempt++)
            {
                try
                {
                    accepted.Add((await gateways[(i + attempt) % 2].SubmitAsync(new MemoryStream(picture), "p.jpg")).Id);
                    break;
                }
                catch (PalimpsestProblemException problem) when ((int)problem.Status == 503 && attempt < 100)
                {
                    await Task.Delay(100);
                }
                catch (HttpRequestException e) when (e.HttpRequestError == HttpRequestError.ConnectionError && attempt < 100)
                {
                    await Task.Delay(100); // nobody listens: not a request that failed, one that was not made
                }
                catch (Exception e)
                {
                    failures.Add(e.ToString());
                    break;
                }
            }

            await Task.Delay(100, CancellationToken.None);
        }
    }

    /// <summary>SIGTERM to one instance of each service, until all of them are back; the host starts again what ends.</summary>
    private static async Task RollAsync(IReadOnlyList<ServiceProcess> instances)
    {
        var before = instances.Select(i => i.Restarts).ToList();
        foreach (var instance in instances)
        {
            using var kill = Process.Start("kill", ["-TERM", $"{instance.Id}"]);
            await kill.WaitForExitAsync();
        }

        long start = Stopwatch.GetTimestamp();
        while (!instances.Zip(before).All(p => p.First.Restarts > p.Second))
        {
            Stopwatch.GetElapsedTime(start).ShouldBeLessThan(Patience, "a service did not end on SIGTERM");
            await Task.Delay(100);
        }

        foreach (var instance in instances)
        {
            await instance.WaitUntilReadyAsync(answer => answer.Contains("There is no model", StringComparison.Ordinal), CancellationToken.None);
        }
    }

    private static Task<double> ResultsAsync(ServiceProcess localizer) => TestPlatform.CounterAsync(localizer.Address, "palimpsest_inference_runs_total");
}
