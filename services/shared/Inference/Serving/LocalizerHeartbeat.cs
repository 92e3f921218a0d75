using System.Text.Json;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Palimpsest.Hosting;

namespace Palimpsest.Inference;

/// <summary>
/// Loads a localizer's model when the process starts, then says every few seconds whether it lives and with which model. Says nothing when it stops: a restart shorter than
/// <see cref="DetectorRegistry.Lifetime"/> then costs no picture its answer, its work waits in the queue.
/// </summary>
internal sealed partial class LocalizerHeartbeat(
    ModelDetector detector, IDetectorRegistry registry, TimeProvider time, ILogger<LocalizerHeartbeat> logger) : BackgroundService
{
    private readonly string instance = $"{Environment.MachineName}:{Environment.ProcessId}";

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // Loading takes a good part of a second of pure computation: not on the thread that starts the host.
        await Task.Factory.StartNew(detector.Load, stoppingToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        using var timer = new PeriodicTimer(DetectorRegistry.Interval, time);
        do
        {
            await BeatAsync(Describe(), stoppingToken);
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    private async Task BeatAsync(DetectorHeartbeat heartbeat, CancellationToken cancellationToken)
    {
        try
        {
            await registry.BeatAsync(heartbeat, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            NoBeat(detector.Name, e); // the database is away; the next beat may find it
        }
    }

    private DetectorHeartbeat Describe()
    {
        var card = detector.Manifest?.Card;
        return new DetectorHeartbeat
        {
            Name = detector.Name,
            Instance = instance,
            Ready = detector.Model is not null,
            Reason = detector.Unavailable,
            Model = detector.Model,
            Provider = detector.Model is null ? null : detector.Provider,
            Threshold = detector.Manifest?.Threshold,
            Limitations = card?["limitations"] is System.Text.Json.Nodes.JsonArray list ? [.. list.Select(item => item?.ToString() ?? "")] : [],
            Metrics = card?["metrics"] is { } metrics ? JsonSerializer.SerializeToElement(metrics) : null,
        };
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The heartbeat of {Detector} could not be written")]
    private partial void NoBeat(string detector, Exception exception);
}

/// <summary>Ready means: the model is loaded, is the one its manifest describes, and has run once.</summary>
internal sealed class LocalizerReadyCheck(ModelDetector detector) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) => Task.FromResult(
        detector.Model is { } model ? HealthCheckResult.Healthy($"{model.Name} {model.Version}") : HealthCheckResult.Unhealthy(detector.Unavailable));
}
