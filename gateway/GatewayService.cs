using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Gateway;

/// <summary>The edge: keys, limits, intake; in front of reporting when that is another process.</summary>
public static class GatewayService
{
    private const int LeastThreads = 32;
    private const long MaxBodyBytes = 1 << 20;

    /// <summary>Adds the gateway to a process.</summary>
    public static void AddGateway(this PlatformBuilder platform)
    {
        ArgumentNullException.ThrowIfNull(platform);
        platform.AddOutboxDispatcher();
        platform.AddOptions<IntakeOptions>(IntakeOptions.Section);
        var services = platform.Services;
        services.AddSingleton<ApiKeys>();
        services.AddHostedService<FirstKey>();
        services.AddSingleton<UploadReceiver>();
        services.AddSingleton<SubmissionReader>();
        services.AddSingleton<CachedResults>();
        services.AddSingleton<PendingGate>();
        services.AddSingleton<PreferWait>();
        services.AddSingleton<CallbackCheck>();
        services.AddSingleton<IdempotencyStore>();
        services.AddSingleton<Acceptance>();
        services.AddSingleton<UrlFetcher>();
        services.AddSingleton<AnalysesEndpoint>();
        services.AddSingleton<BatchReader>();
        services.AddSingleton<BatchesEndpoint>();
        services.AddHostedService<IdempotencySweep>();
        AddLimits(platform);
        if (!platform.Settings.Embedded)
        {
            platform.AddReportingProxy();
            services.AddSingleton<Drain>();
            services.AddHostedService(s => s.GetRequiredService<Drain>());
            // With the broker down submissions are accepted and wait in the outbox: a load balancer must not take the gateways away for it.
            services.PostConfigure<HealthCheckServiceOptions>(health =>
            {
                foreach (var check in health.Registrations.Where(r => r.Name is "broker" or "masstransit-bus"))
                {
                    check.Tags.Remove("ready");
                }
            });
        }

        // Writing and flushing files blocks threads, and a pool of two cores' size grows by one or two threads a second: measured on two cores, 20 submissions a second
        // waited 2.8 s for threads, with these 0.06 s.
        ThreadPool.GetMinThreads(out int workers, out int ports);
        ThreadPool.SetMinThreads(Math.Max(workers, LeastThreads), ports);
        platform.Host.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            // The endpoints that take images count bytes themselves.
            kestrel.Limits.MaxRequestBodySize = MaxBodyBytes;
        });
    }

    /// <summary>Checks keys and maps the gateway's own endpoints.</summary>
    public static void MapGateway(this WebApplication app)
    {
        ArgumentNullException.ThrowIfNull(app);
        if (app.Services.GetService<Drain>() is { } drain)
        {
            app.Use((context, next) =>
            {
                if (drain.IsClosing)
                {
                    context.Response.Headers.Connection = "close";
                }

                return next(context);
            });
        }

        app.UseConsole();
        app.UseMiddleware<KeyAuthentication>();
        app.UseMiddleware<LimitsMiddleware>();
        app.Use(RefuseLongBodies);
        // A refusal that leaves the body unread reaches the client only if the server goes on taking it for a moment, which it does not beyond its own limit.
        var unlimited = new DisableRequestSizeLimitAttribute();
        app.MapPost("/v1/analyses", (HttpContext context, AnalysesEndpoint endpoint) => endpoint.PostAsync(context)).WithName("submitAnalysis").WithMetadata(unlimited);
        app.MapPost("/v1/batches", (HttpContext context, BatchesEndpoint endpoint) => endpoint.PostAsync(context)).WithName("submitBatch").WithMetadata(unlimited);
        app.MapDocs();
        if (!app.Services.GetRequiredService<PlatformSettings>().Embedded)
        {
            app.MapReverseProxy();
        }
    }

    /// <summary>By what they announce, and heard to the end: a server that stops listening at its limit closes the connection on a client that is still sending, which then reads no answer.</summary>
    private static Task RefuseLongBodies(HttpContext context, RequestDelegate next)
    {
        bool own = context.GetEndpoint()?.Metadata.GetMetadata<IRequestSizeLimitMetadata>() is { MaxRequestBodySize: null };
        if (own || context.Request.ContentLength is null or <= MaxBodyBytes)
        {
            return next(context);
        }

        MultipartBody.Allow(context.Request, context.Request.ContentLength.Value);
        throw new ApiException(413, ErrorCodes.ImageTooLarge, $"The body is larger than {MaxBodyBytes:N0} bytes.");
    }

    private static void AddLimits(PlatformBuilder platform)
    {
        platform.AddOptions<LimitsOptions>(LimitsOptions.Section);
        platform.Services.AddSingleton<TenantLimits>();
        platform.Services.AddSingleton<OpenRequests>();
        platform.Services.AddSingleton<LocalBuckets>();
        if (platform.Settings.Redis is null)
        {
            platform.Services.AddSingleton<IBuckets>(s => s.GetRequiredService<LocalBuckets>());
        }
        else
        {
            platform.Services.AddSingleton<IBuckets, RedisBuckets>();
        }
    }
}
