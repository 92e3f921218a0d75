using MassTransit;
using Palimpsest.Decoding;
using Palimpsest.Hosting;

namespace Palimpsest.Preprocessing;

/// <summary>Adds preprocessing to a host: upload → facts, faces, pixels and JPEG coefficients, or a refusal.</summary>
public static class PreprocessingService
{
    /// <summary>Needs an <see cref="Inference.IFaceFinder"/> in the container.</summary>
    public static PlatformBuilder AddPreprocessing(this PlatformBuilder platform)
    {
        ArgumentNullException.ThrowIfNull(platform);
        platform.AddDecoding();
        platform.Services.AddSingleton<Preprocessor>();
        platform.AddConsumers(bus => bus.AddConsumer<PreprocessImageConsumer, PreprocessImageDefinition>());
        return platform;
    }
}
