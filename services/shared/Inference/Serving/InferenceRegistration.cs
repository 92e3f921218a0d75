using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Palimpsest.Hosting;

namespace Palimpsest.Inference;

/// <summary>Adds networks to a host.</summary>
public static class InferenceRegistration
{
    /// <summary>Configuration section of <see cref="InferenceOptions"/>.</summary>
    public const string Section = "Inference";

    /// <summary>
    /// Adds a localizer: its detector (as <see cref="IDetector"/>, also keyed by name), consumer, heartbeat and readiness check.
    /// </summary>
    /// <typeparam name="TKind">Which localizer.</typeparam>
    public static PlatformBuilder AddLocalizer<TKind>(this PlatformBuilder platform)
        where TKind : ILocalizerKind
    {
        ArgumentNullException.ThrowIfNull(platform);
        platform.AddInferenceOptions();
        string name = TKind.Name;
        platform.Services.AddKeyedSingleton(name, (services, _) => new ModelDetector(
            name, services.GetRequiredService<IOptions<InferenceOptions>>().Value, services.GetRequiredService<TimeProvider>(), services.GetRequiredService<ILogger<ModelDetector>>()));
        platform.Services.AddKeyedSingleton<IDetector>(name, (services, _) => services.GetRequiredKeyedService<ModelDetector>(name));
        platform.Services.AddSingleton<IDetector>(services => services.GetRequiredKeyedService<ModelDetector>(name));
        // Not AddHostedService, which would take the second localizer's heartbeat for the first's and drop it.
        platform.Services.AddSingleton<IHostedService>(services => new LocalizerHeartbeat(
            services.GetRequiredKeyedService<ModelDetector>(name), services.GetRequiredService<IDetectorRegistry>(), services.GetRequiredService<TimeProvider>(),
            services.GetRequiredService<ILogger<LocalizerHeartbeat>>()));
        platform.Services.AddHealthChecks().Add(new(name, services => new LocalizerReadyCheck(services.GetRequiredKeyedService<ModelDetector>(name)), null, ["ready"]));
        platform.AddConsumers(bus => bus.AddConsumer<LocalizeManipulationConsumer<TKind>, LocalizeManipulationDefinition<TKind>>());
        return platform;
    }

    /// <summary>Adds <see cref="IFaceFinder"/> over the BlazeFace that lies beside the program: a folder of models of one's own need not have it.</summary>
    public static PlatformBuilder AddFaceFinder(this PlatformBuilder platform)
    {
        ArgumentNullException.ThrowIfNull(platform);
        platform.AddOptions<FaceSearchOptions>("Faces");
        platform.Services.TryAddSingleton(services => new BlazeFaceFinder(
            ModelCatalog.DefaultFolder, services.GetRequiredService<IOptions<FaceSearchOptions>>().Value, services.GetRequiredService<ILogger<BlazeFaceFinder>>()));
        platform.Services.TryAddSingleton<IFaceFinder>(services => services.GetRequiredService<BlazeFaceFinder>());
        return platform;
    }

    /// <summary>Adds <see cref="InferenceOptions"/>; the models folder is the platform's unless the section names another.</summary>
    public static void AddInferenceOptions(this PlatformBuilder platform)
    {
        ArgumentNullException.ThrowIfNull(platform);
        platform.AddOptions<InferenceOptions>(Section);
        string folder = platform.Settings.ModelsDirectory;
        platform.Services.PostConfigure<InferenceOptions>(options => options.Models ??= folder);
    }
}
