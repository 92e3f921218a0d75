using System.Text.Json;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>A localizer as <c>GET /v1/detectors</c> shows it.</summary>
internal sealed record DetectorDescription
{
    /// <summary>One of <see cref="DetectorNames"/>, or a plug-in's.</summary>
    public required string Name { get; init; }

    /// <summary>ready or error.</summary>
    public required string State { get; init; }

    /// <summary>Why not ready.</summary>
    public string? Reason { get; init; }

    /// <summary>The loaded model.</summary>
    public ModelIdentity? Model { get; init; }

    /// <summary>cpu, cuda or tensorrt.</summary>
    public string? Provider { get; init; }

    /// <summary>The model's own threshold on its calibrated score.</summary>
    public double? Threshold { get; init; }

    /// <summary>Known limits, from the model card.</summary>
    public IReadOnlyList<string> Limitations { get; init; } = [];

    /// <summary>Measured figures, from the model card.</summary>
    public JsonElement? Metrics { get; init; }

    /// <summary>Last heartbeat.</summary>
    public DateTimeOffset? SeenAt { get; init; }
}

/// <summary>Verdict thresholds on the fused score.</summary>
internal sealed record CalibrationDescription(string Version, double LikelyFake, double LikelyReal, double? FalseAlarmRate, string? Data);

/// <summary>The answer.</summary>
internal sealed record DetectorList(IReadOnlyList<DetectorDescription> Detectors, CalibrationDescription Calibration);

/// <summary><c>GET /v1/detectors</c>.</summary>
internal static class DetectorEndpoints
{
    public static void MapDetectors(this IEndpointRouteBuilder routes) => routes.MapGet("/detectors", ListAsync)
        .WithName("listDetectors").WithTags("Detectors").WithSummary("Localizers: state, model, thresholds, limitations, metrics").Produces<DetectorList>();

    private static async Task<IResult> ListAsync(HttpContext context, IDetectorRegistry registry, Calibration calibration)
    {
        var beats = await registry.ListAsync(context.RequestAborted);
        var detectors = beats.Select(b => new DetectorDescription
        {
            Name = b.Name,
            State = b.Ready ? "ready" : "error",
            Reason = b.Reason,
            Model = b.Model,
            Provider = b.Provider,
            Threshold = b.Threshold is { } raw ? calibration.Apply(b.Name, raw) : null,
            Limitations = b.Limitations,
            Metrics = b.Metrics,
            SeenAt = b.SeenAt,
        });

        // One that never said a word is missing, and that is what its users have to know.
        var silent = DetectorNames.All.Where(n => beats.All(b => b.Name != n)).Select(n => new DetectorDescription { Name = n, State = "error", Reason = "No instance has reported within a day." });
        var answer = new DetectorList(
            [.. detectors.Concat(silent).OrderBy(d => d.Name != DetectorNames.Shallowfake).ThenBy(d => d.Name, StringComparer.Ordinal)],
            new CalibrationDescription(calibration.Version, calibration.LikelyFake, calibration.LikelyReal, calibration.FalseAlarmRate, calibration.Data));
        context.Response.Headers.CacheControl = "private, no-cache";
        return Results.Json(answer, PlatformJson.Options);
    }
}
