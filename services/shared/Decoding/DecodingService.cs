using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Palimpsest.Hosting;

namespace Palimpsest.Decoding;

/// <summary>Adds the decoder pool to a process.</summary>
public static class DecodingService
{
    /// <summary>One pool for a process, however many services ask for it.</summary>
    public static PlatformBuilder AddDecoding(this PlatformBuilder platform)
    {
        ArgumentNullException.ThrowIfNull(platform);
        if (platform.Services.Any(service => service.ServiceType == typeof(DecoderPool)))
        {
            return platform;
        }

        platform.AddOptions<DecoderOptions>("Decoder");
        platform.Services.AddSingleton<DecoderPool>();
        platform.Services.AddSingleton<IHostedService>(services => services.GetRequiredService<DecoderPool>());
        return platform;
    }
}
