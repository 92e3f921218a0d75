using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Routing;

/// <summary>
/// Which localizers can be counted on. One that says it cannot work is unavailable at once; one that is merely not heard of is given time after this process'
/// start, because after an outage of everything the router may be up before the models are loaded. What is sent meanwhile waits in the localizer's queue.
/// </summary>
internal sealed class LivingDetectors(IDetectorRegistry registry, TimeProvider time)
{
    /// <summary>Time after start in which silence is not taken for absence.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);

    private readonly DateTimeOffset started = time.GetUtcNow();

    /// <summary>Localizers by name; the value says why one is not ready, null when it is or may soon be.</summary>
    public async Task<IReadOnlyDictionary<string, string?>> ListAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        bool starting = now - started < Grace;
        var beats = await registry.ListAsync(cancellationToken);
        var detectors = beats.ToDictionary(
            beat => beat.Name,
            beat => beat.Ready || (starting && now - beat.SeenAt > DetectorRegistry.Lifetime) ? null : beat.Reason ?? "It is not ready.",
            StringComparer.Ordinal);
        foreach (string silent in DetectorNames.All.Where(name => starting && !detectors.ContainsKey(name)))
        {
            detectors[silent] = null;
        }

        return detectors;
    }
}
