using Microsoft.Extensions.Time.Testing;
using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Routing;

namespace Palimpsest.Tests.Routing;

public sealed class LivingDetectorsTests
{
    private readonly FakeTimeProvider time = new(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));
    private readonly Registry registry = new();

    [Fact]
    public async Task After_an_outage_of_everything_silence_is_not_taken_for_absence()
    {
        registry.Beats = [Beat(DetectorNames.Shallowfake, ready: false, age: TimeSpan.FromHours(1), "No heartbeat for an hour.")];
        var living = new LivingDetectors(registry, time);

        var early = await living.ListAsync(default);
        early[DetectorNames.Shallowfake].ShouldBeNull();
        early[DetectorNames.Deepfake].ShouldBeNull();

        time.Advance(LivingDetectors.Grace);
        var late = await living.ListAsync(default);
        late[DetectorNames.Shallowfake].ShouldBe("No heartbeat for an hour.");
        late.ContainsKey(DetectorNames.Deepfake).ShouldBeFalse();
    }

    [Fact]
    public async Task One_that_says_it_cannot_work_is_believed_at_once()
    {
        registry.Beats = [Beat(DetectorNames.Deepfake, ready: false, age: TimeSpan.FromSeconds(1), "The model has another hash.")];

        var early = await new LivingDetectors(registry, time).ListAsync(default);

        early[DetectorNames.Deepfake].ShouldBe("The model has another hash.");
    }

    private DetectorHeartbeat Beat(string name, bool ready, TimeSpan age, string reason) =>
        new() { Name = name, Instance = "i", Ready = ready, Reason = reason, SeenAt = time.GetUtcNow() - age };

    private sealed class Registry : IDetectorRegistry
    {
        public IReadOnlyList<DetectorHeartbeat> Beats { get; set; } = [];

        public Task BeatAsync(DetectorHeartbeat heartbeat, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task<IReadOnlyList<DetectorHeartbeat>> ListAsync(CancellationToken cancellationToken) => Task.FromResult(Beats);
    }
}
