using Palimpsest.Deepfake;
using Palimpsest.Gateway;
using Palimpsest.Hosting;
using Palimpsest.Preprocessing;
using Palimpsest.Reporting;
using Palimpsest.Routing;
using Palimpsest.Shallowfake;

namespace Palimpsest.Local;

/// <summary>Every service in one process.</summary>
internal static class Embedded
{
    /// <summary>Builds it; the caller starts it.</summary>
    /// <param name="settings">Configuration that wins over the environment.</param>
    /// <param name="configure">More, before it is built.</param>
    public static WebApplication Build(IReadOnlyDictionary<string, string?> settings, Action<PlatformBuilder>? configure = null)
    {
        // Servers named in the environment belong to the distributed mode.
        var overrides = new Dictionary<string, string?>(settings, StringComparer.Ordinal) { ["RABBITMQ_URL"] = "", ["REDIS_URL"] = "", ["POSTGRES_URL"] = "" };
        var platform = PlatformBuilder.Create([], "palimpsest", overrides);
        platform.AddGateway();
        platform.AddPreprocessing();
        platform.AddRouting();
        platform.AddShallowfake();
        platform.AddDeepfake();
        platform.AddReporting();
        configure?.Invoke(platform);
        var app = platform.Build();
        app.MapGateway();
        app.MapReporting();
        return app;
    }
}
