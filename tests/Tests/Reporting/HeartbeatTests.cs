using Microsoft.Extensions.Time.Testing;

namespace Palimpsest.Tests.Reporting;

public sealed class HeartbeatTests : IAsyncLifetime
{
    private readonly FakeTimeProvider time = new(TimeProvider.System.GetUtcNow());
    private readonly ReportingHost host;

    public HeartbeatTests() => host = new ReportingHost { Time = time };

    public Task InitializeAsync() => host.InitializeAsync();

    public Task DisposeAsync() => host.DisposeAsync();

    [Fact]
    public async Task A_stream_on_which_nothing_happens_says_every_fifteen_seconds_that_it_lives()
    {
        string id = await host.SubmitAsync(send: false);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        using var response = await host.Client().GetAsync($"/v1/analyses/{id}/events", HttpCompletionOption.ResponseHeadersRead);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        while (!(await reader.ReadLineAsync(limit.Token))!.StartsWith("data:", StringComparison.Ordinal))
        {
            // Up to its state.
        }

        (await reader.ReadLineAsync(limit.Token)).ShouldBe("");
        for (int i = 0; i < 2; i++)
        {
            var next = reader.ReadLineAsync(limit.Token).AsTask();
            time.Advance(TimeSpan.FromSeconds(15));
            if (await Task.WhenAny(next, Task.Delay(TimeSpan.FromSeconds(4))) != next)
            {
                time.Advance(TimeSpan.FromSeconds(15)); // the stream had not yet looked at the clock after what it wrote last
            }

            (await next).ShouldBe(": heartbeat");
            (await reader.ReadLineAsync(limit.Token)).ShouldBe("");
        }
    }
}
