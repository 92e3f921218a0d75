using MassTransit;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Palimpsest.Decoding;
using Palimpsest.Hosting;
using Palimpsest.Inference;

namespace Palimpsest.Preprocessing;

/// <summary>Adds preprocessing to a host: upload → facts, faces, pixels and JPEG coefficients, or a refusal.</summary>
public static class PreprocessingService
{
    /// <summary>Consumer, decoders, face finder and a readiness check that the face model is there.</summary>
    public static PlatformBuilder AddPreprocessing(this PlatformBuilder platform)
    {
        ArgumentNullException.ThrowIfNull(platform);
        platform.AddDecoding();
        platform.AddFaceFinder();
        platform.AddOptions<PreprocessingOptions>(PreprocessingOptions.Section);
        platform.Services.AddSingleton<Preprocessor>();
        platform.Services.AddSingleton<PreparedAhead>();
        platform.Services.AddHealthChecks().AddCheck<FaceModelReadyCheck>("faces", tags: ["ready"]);
        platform.AddConsumers(bus => bus.AddConsumer<PreprocessImageConsumer, PreprocessImageDefinition>());
        return platform;
    }

    private sealed class FaceModelReadyCheck(IFaceFinder faces) : IHealthCheck
    {
        public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) => Task.FromResult(
            faces is BlazeFaceFinder { Unavailable: { } reason } ? HealthCheckResult.Unhealthy(reason) : HealthCheckResult.Healthy());
    }
}
