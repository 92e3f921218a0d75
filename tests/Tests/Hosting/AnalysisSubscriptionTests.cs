using Palimpsest.Hosting;
using Palimpsest.Reporting;

namespace Palimpsest.Tests.Hosting;

/// <summary>How often those who wait look into the database without news.</summary>
public sealed class AnalysisSubscriptionTests
{
    [Theory]
    [InlineData(0, 1)]
    [InlineData(9, 1)]
    [InlineData(30, 3)]
    [InlineData(150, 15)]
    [InlineData(7_200, 15)]
    public void Whoever_has_waited_long_looks_seldom(double waited, double patience) =>
        AnalysisSubscription.Patience(TimeSpan.FromSeconds(waited)).ShouldBe(TimeSpan.FromSeconds(patience));

    [Theory]
    [InlineData(0, 0, 1)]
    [InlineData(100, 2, 10)]
    [InlineData(100, 9, 6)]
    [InlineData(7_200, 0, 15)]
    [InlineData(7_200, 14.9, 1)]
    public void Nobody_sleeps_past_the_next_heartbeat(double sinceChange, double sinceWritten, double pause)
    {
        var now = DateTimeOffset.UnixEpoch.AddDays(1);
        EventStream.Pause(now, now.AddSeconds(-sinceChange), now.AddSeconds(-sinceWritten)).ShouldBe(TimeSpan.FromSeconds(pause));
    }
}
