using System.Text.Json;
using Microsoft.Extensions.Hosting;
using Palimpsest.Contracts;

namespace Palimpsest.Hosting;

/// <summary>What one localizer process says about itself every <see cref="DetectorRegistry.Interval"/>.</summary>
public sealed record DetectorHeartbeat
{
    /// <summary>One of <see cref="DetectorNames"/>, or the name of a plug-in.</summary>
    public required string Name { get; init; }

    /// <summary>Which process.</summary>
    public required string Instance { get; init; }

    /// <summary>True when the model is loaded and warmed.</summary>
    public required bool Ready { get; init; }

    /// <summary>Why not ready.</summary>
    public string? Reason { get; init; }

    /// <summary>The loaded model.</summary>
    public ModelIdentity? Model { get; init; }

    /// <summary>cpu, cuda or tensorrt.</summary>
    public string? Provider { get; init; }

    /// <summary>Decision threshold on the raw score.</summary>
    public double? Threshold { get; init; }

    /// <summary>The card's limitations.</summary>
    public IReadOnlyList<string> Limitations { get; init; } = [];

    /// <summary>The card's metrics, as they stand in the manifest.</summary>
    public JsonElement? Metrics { get; init; }

    /// <summary>When it was seen.</summary>
    public DateTimeOffset SeenAt { get; init; }
}

/// <summary>Which localizers exist and live. Routing, the cache key and <c>/v1/detectors</c> read it.</summary>
public interface IDetectorRegistry
{
    /// <summary>Upserts this process' heartbeat.</summary>
    Task BeatAsync(DetectorHeartbeat heartbeat, CancellationToken cancellationToken);

    /// <summary>Newest heartbeat of every localizer, at most a second old; those unseen for <see cref="DetectorRegistry.Lifetime"/> are not ready.</summary>
    Task<IReadOnlyList<DetectorHeartbeat>> ListAsync(CancellationToken cancellationToken);
}

/// <summary><see cref="IDetectorRegistry"/> over the database, read through a one-second cache.</summary>
public sealed class DetectorRegistry(PlatformDatabase database, TimeProvider time) : IDetectorRegistry
{
    /// <summary>Time between heartbeats.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    /// <summary>Without a heartbeat for this long a localizer counts as gone.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(20);

    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);

    private (DateTimeOffset ReadAt, IReadOnlyList<DetectorHeartbeat> Beats)? cached;

    /// <inheritdoc/>
    public async Task BeatAsync(DetectorHeartbeat heartbeat, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(heartbeat);
        var now = time.GetUtcNow();
        await database.ExecuteAsync(
            """
            INSERT INTO detectors (name, instance, state, reason, document, seen_at) VALUES (@Name, @Instance, @State, @Reason, @Document, @SeenAt)
            ON CONFLICT (name, instance) DO UPDATE SET state = excluded.state, reason = excluded.reason, document = excluded.document, seen_at = excluded.seen_at
            """,
            new
            {
                heartbeat.Name, heartbeat.Instance, State = heartbeat.Ready ? "ready" : "error", heartbeat.Reason, SeenAt = now.ToUnixTimeMilliseconds(),
                Document = JsonSerializer.Serialize(heartbeat with { SeenAt = now }, PlatformJson.Options),
            },
            cancellationToken);
        cached = null;
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<DetectorHeartbeat>> ListAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        if (cached is { } hit && now - hit.ReadAt < Fresh)
        {
            return hit.Beats;
        }

        // A day: processes of long ago are forgotten, a localizer that just went away is still listed, as not ready.
        long since = now.AddDays(-1).ToUnixTimeMilliseconds();
        var documents = await database.QueryAsync<string>("SELECT document FROM detectors WHERE seen_at >= @since", new { since }, cancellationToken);
        var beats = documents.Select(d => JsonSerializer.Deserialize<DetectorHeartbeat>(d, PlatformJson.Options)!)
            .Select(b => now - b.SeenAt <= Lifetime ? b : b with { Ready = false, Reason = $"No heartbeat since {b.SeenAt:u}." })
            .GroupBy(b => b.Name)
            .Select(g => g.OrderByDescending(b => b.Ready).ThenByDescending(b => b.SeenAt).First())
            .OrderBy(b => b.Name, StringComparer.Ordinal)
            .ToList();
        cached = (now, beats);
        return beats;
    }
}
