using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Palimpsest.Contracts;

namespace Palimpsest.Hosting;

/// <summary>
/// A host that services add themselves to: one service for each process when distributed, all of them in one when embedded. A service contributes
/// with <c>Add&lt;Name&gt;(this PlatformBuilder)</c> and <c>Map&lt;Name&gt;(this WebApplication)</c> and knows nothing of the others.
/// </summary>
public sealed class PlatformBuilder
{
    private readonly WebApplicationBuilder host;
    private readonly List<Action<IBusRegistrationConfigurator>> consumers = [];
    private bool sendsOutbox;

    private PlatformBuilder(WebApplicationBuilder host, PlatformSettings settings) => (this.host, Settings) = (host, settings);

    /// <summary>Servers and folders.</summary>
    public PlatformSettings Settings { get; }

    /// <summary>The container being built.</summary>
    public IServiceCollection Services => host.Services;

    /// <summary>Environment, command line, settings files.</summary>
    public IConfigurationManager Configuration => host.Configuration;

    /// <summary>Kestrel, environment, logging.</summary>
    public WebApplicationBuilder Host => host;

    /// <summary>Starts a process.</summary>
    /// <param name="args">Command line; <c>--KEY value</c> overrides configuration.</param>
    /// <param name="serviceName">E.g. <c>routing</c>; appears in traces.</param>
    /// <param name="overrides">Configuration that wins over everything (the local host and tests).</param>
    public static PlatformBuilder Create(string[] args, string serviceName, IReadOnlyDictionary<string, string?>? overrides = null)
    {
        if (args.Contains(HealthProbe.Argument))
        {
            Environment.Exit(HealthProbe.Run(args)); // before a host is built, which costs more than the question
        }

        var host = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });
        if (overrides is not null)
        {
            host.Configuration.AddInMemoryCollection(overrides);
        }

        // ASP.NET's own activity stays unsampled-looking without this switch: its spans would carry no tags.
        AppContext.SetSwitch("Microsoft.AspNetCore.Hosting.SuppressActivityOpenTelemetryData", false);
        var platform = new PlatformBuilder(host, PlatformSettings.Read(host.Configuration, serviceName));
        platform.AddShared();
        return platform;
    }

    /// <summary>Adds consumers to the one bus of this process.</summary>
    public void AddConsumers(Action<IBusRegistrationConfigurator> contribute) => consumers.Add(contribute);

    /// <summary>Sends what this process, or another one that died, has written to the outbox.</summary>
    public void AddOutboxDispatcher() => sendsOutbox = true;

    /// <summary>Adds validated options from a configuration section.</summary>
    public void AddOptions<T>(string section)
        where T : class => Services.AddOptions<T>().Bind(Configuration.GetSection(section)).ValidateDataAnnotations().ValidateOnStart();

    /// <summary>Builds the application with problem details, health and metrics in place; the caller maps its services and runs it.</summary>
    public WebApplication Build()
    {
        Services.AddPlatformBus(Settings, consumers);
        if (sendsOutbox)
        {
            Services.AddHostedService<OutboxDispatcher>(); // after the bus, so that it stops before it
        }

        var app = host.Build();
        app.UseProblems();
        app.UseMethods();
        app.MapHealth();
        app.MapMetrics();
        return app;
    }

    private void AddShared()
    {
        Services.AddSingleton(Settings);
        Services.TryAddSingleton(TimeProvider.System);
        Services.AddSingleton<TelemetryService>();
        Services.AddHostedService(s => s.GetRequiredService<TelemetryService>());
        Services.AddSingleton<PlatformDatabase>();
        Services.AddHostedService<SchemaMigrator>();
        Services.AddSingleton<OutboxStore>();
        Services.AddSingleton<IAnalysisStore, AnalysisStore>();
        Services.AddSingleton<ZeroRetention>();
        Services.AddSingleton<IDetectorRegistry, DetectorRegistry>();
        Services.AddSingleton(s => Calibration.Load(Settings.ModelsDirectory, s.GetRequiredService<ILogger<Calibration>>()));
        Services.AddSingleton<IBlobStore, FileBlobStore>();
        Services.AddSingleton<GuardedHttp>();
        Services.AddSingleton<WebhookSchedule>();
        Services.AddSingleton<IWebhookScheduler>(s => s.GetRequiredService<WebhookSchedule>());
        if (Settings.Redis is null)
        {
            Services.AddSingleton<IPlatformCache, InMemoryPlatformCache>();
            Services.AddSingleton<IAnalysisSignals, LocalSignals>();
        }
        else
        {
            Services.AddSingleton<RedisConnection>();
            Services.AddSingleton<IPlatformCache, RedisPlatformCache>();
            Services.AddSingleton<IAnalysisSignals, RedisSignals>();
        }

        Services.AddSingleton<BusState>();
        Services.AddBusObserver<BusState>(s => s.GetRequiredService<BusState>());
        Services.AddReceiveObserver<BusMetrics>();
        Services.AddHealthChecks()
            .AddCheck<StoppingCheck>("process", tags: ["ready"])
            .AddCheck<BusReadyCheck>("broker", tags: ["ready"])
            .AddCheck<DatabaseReadyCheck>("database", tags: ["ready"]);
        Services.Configure<JsonOptions>(json => PlatformJson.Configure(json.SerializerOptions));
        // Otherwise a body that is not understood is answered by a bare status, and Problems cannot say why.
        Services.Configure<RouteHandlerOptions>(options => options.ThrowOnBadRequest = true);
        Services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromSeconds(45));
        // Their information level writes each request with its query string, which may hold what nobody should read.
        host.Logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning).AddFilter("Yarp", LogLevel.Warning);
        host.Logging.Configure(options => options.ActivityTrackingOptions = ActivityTrackingOptions.TraceId | ActivityTrackingOptions.SpanId);
    }
}
