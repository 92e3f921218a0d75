using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Palimpsest.Hosting;
using Palimpsest.Inference;

namespace Palimpsest.Routing;

/// <summary>Routing: facts and a router model decide which localizers look at a picture.</summary>
public static class RoutingService
{
    /// <summary>Adds routing to a host.</summary>
    public static PlatformBuilder AddRouting(this PlatformBuilder platform)
    {
        ArgumentNullException.ThrowIfNull(platform);
        platform.AddInferenceOptions();
        platform.Services.AddSingleton<RouterModel>();
        platform.Services.AddSingleton<LivingDetectors>();
        platform.AddConsumers(bus => bus.AddConsumer<RouteImageConsumer, RouteImageDefinition>());
        return platform;
    }
}
