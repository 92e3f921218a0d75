using MassTransit;
using Palimpsest.Decoding;
using Palimpsest.Hosting;
using Palimpsest.Inference;

namespace Palimpsest.Preprocessing;

/// <summary>Adds preprocessing to a host: upload → facts, faces, pixels and JPEG coefficients, or a refusal.</summary>
public static class PreprocessingService
{
    /// <summary>Adds it to a process.</summary>
    public static PlatformBuilder AddPreprocessing(this PlatformBuilder platform)
    {
        ArgumentNullException.ThrowIfNull(platform);
        platform.AddDecoding();
        platform.AddFaceFinder();
        platform.Services.AddSingleton<Preprocessor>();
        platform.AddConsumers(bus => bus.AddConsumer<PreprocessImageConsumer, PreprocessImageDefinition>());
        return platform;
    }
}
