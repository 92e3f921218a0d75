using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Palimpsest.Hosting;

/// <summary>
/// Owns the tracer and meter providers. OpenTelemetry.Extensions.Hosting does not restore here, so they are built and disposed by this hosted service.
/// OTLP goes out when <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> is set; <c>/metrics</c> always answers.
/// </summary>
internal sealed class TelemetryService(PlatformSettings settings, IConfiguration configuration) : IHostedService, IDisposable
{
    private static readonly double[] SecondBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

    private readonly PrometheusExporter exporter = new();
    private readonly Lock gate = new();
    private BaseExportingMetricReader? reader;
    private MeterProvider? meters;
    private TracerProvider? tracer;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        var resource = ResourceBuilder.CreateDefault().AddService($"palimpsest-{settings.ServiceName}", serviceNamespace: "palimpsest");
        bool otlp = configuration["OTEL_EXPORTER_OTLP_ENDPOINT"] is { Length: > 0 };
        var traces = Sdk.CreateTracerProviderBuilder().SetResourceBuilder(resource)
            .AddSource(PlatformTelemetry.Name, "MassTransit", "Microsoft.AspNetCore", "System.Net.Http");
        reader = new BaseExportingMetricReader(exporter);
        var metrics = Sdk.CreateMeterProviderBuilder().SetResourceBuilder(resource)
            .AddMeter(PlatformTelemetry.Name, "MassTransit", "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime")
            .AddView(instrument => instrument.Unit == "s" ? new ExplicitBucketHistogramConfiguration { Boundaries = SecondBuckets } : null)
            .AddReader(reader);
        if (otlp)
        {
            traces.AddOtlpExporter(Configure);
            metrics.AddOtlpExporter(Configure);
        }
        else
        {
            // Nobody collects spans: none is made within a process, and the trace's id still passes through.
            traces.SetSampler(new AlwaysOffSampler());
        }

        tracer = traces.Build();
        meters = metrics.Build();
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        tracer?.ForceFlush(5_000);
        return Task.CompletedTask;
    }

    /// <summary>Collects now and returns the Prometheus text.</summary>
    public string Collect()
    {
        lock (gate)
        {
            reader?.Collect(2_000);
            return exporter.Text;
        }
    }

    public void Dispose()
    {
        tracer?.Dispose();
        meters?.Dispose();
    }

    private void Configure(OtlpExporterOptions options)
    {
        // gRPC over plain HTTP/2 is the collector's default; http/protobuf when asked for.
        if (configuration["OTEL_EXPORTER_OTLP_PROTOCOL"] == "http/protobuf")
        {
            options.Protocol = OtlpExportProtocol.HttpProtobuf;
        }
    }
}

/// <summary>Maps <c>/metrics</c>.</summary>
internal static class MetricsEndpoint
{
    public static void MapMetrics(this IEndpointRouteBuilder routes) =>
        routes.MapGet("/metrics", (TelemetryService telemetry) => Results.Text(telemetry.Collect(), "text/plain; version=0.0.4")).ExcludeFromDescription();
}
