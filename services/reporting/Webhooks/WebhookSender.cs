using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.Options;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting.Webhooks;

/// <summary>
/// Sends what is due. At least once: a process that dies over an attempt leaves its claim to run out, and the receiver knows the second one by its
/// <c>webhook-id</c>. Order is not promised.
/// </summary>
internal sealed partial class WebhookSender(
    WebhookSchedule schedule, DeliveryStore store, DeliveryAttempt attempts, IOptions<WebhookOptions> options, TimeProvider time, ILogger<WebhookSender> log)
    : BackgroundService
{
    private static readonly TimeSpan Housekeeping = TimeSpan.FromSeconds(15);

    /// <summary>What is on its way when the host stops may still arrive: cutting it short would send it twice for nothing.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<string, Task> inFlight = new(StringComparer.Ordinal);
    private DateTimeOffset lastHousekeeping = DateTimeOffset.MinValue;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var cut = new CancellationTokenSource();
        await using var grace = stoppingToken.Register(() => cut.CancelAfter(Grace));
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                int room = options.Value.MaxInFlight - inFlight.Count;
                bool started = room > 0 && await StartDueAsync(room, cut.Token, stoppingToken);
                await KeepHouseAsync(stoppingToken);
                if (!started)
                {
                    await schedule.WaitAsync(options.Value.Poll, stoppingToken);
                }
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                break;
            }
            catch (Exception e)
            {
                // Whatever it is: a sender that ends takes the host with it, and every service in that.
                LogAway(e);
                await Task.Delay(TimeSpan.FromSeconds(1), stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        // Those cut short give their row back.
        await Task.WhenAll(inFlight.Values);
    }

    private async Task<bool> StartDueAsync(int room, CancellationToken cut, CancellationToken cancellationToken)
    {
        if (!await store.AnyDueAsync(cancellationToken))
        {
            return false;
        }

        var due = await store.ClaimAsync(room, options.Value.MaxPerTarget, options.Value.MaxPerTenant, options.Value.Claim, cancellationToken);
        foreach (var delivery in due)
        {
            inFlight[delivery.Id] = DeliverAsync(delivery, cut);
        }

        return due.Count > 0;
    }

    private async Task DeliverAsync(Delivery delivery, CancellationToken cancellationToken)
    {
        await Task.Yield(); // so that it is in the dictionary before it leaves it
        try
        {
            if (!await AttemptAsync(delivery, cancellationToken))
            {
                await store.ReleaseAsync(delivery.Id, CancellationToken.None);
            }
        }
        catch (Exception e)
        {
            LogKept(e, delivery.Id);
        }
        finally
        {
            inFlight.TryRemove(delivery.Id, out _);
            schedule.Wake();
        }
    }

    /// <returns>False when it was cut short.</returns>
    private async Task<bool> AttemptAsync(Delivery delivery, CancellationToken cancellationToken)
    {
        var parent = ActivityContext.TryParse(delivery.Traceparent, null, isRemote: true, out var context) ? context : default;
        using var activity = PlatformTelemetry.Source.StartActivity("webhook", ActivityKind.Client, parent);
        activity?.SetTag("webhook.id", delivery.Id).SetTag("webhook.event", delivery.Event).SetTag("webhook.attempt", delivery.Attempts + 1).SetTag("palimpsest.analysis_id", delivery.AnalysisId);
        var began = time.GetUtcNow();
        long start = time.GetTimestamp();
        AttemptOutcome outcome;
        try
        {
            outcome = await attempts.SendAsync(delivery, options.Value.Timeout, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return false;
        }

        var took = time.GetElapsedTime(start);
        string? disabled = Disables(delivery, outcome);
        var next = outcome.Kind == AttemptOutcome.Retry && disabled is null
            ? time.GetUtcNow() + RetrySchedule.After((int)delivery.Attempts + 1, Random.Shared.NextDouble(), outcome.RetryAfter)
            : null;
        string label = outcome.Kind == AttemptOutcome.Retry && next is null ? AttemptOutcome.Failed : outcome.Kind;
        WebhookMetrics.Attempted(label, took);
        activity?.SetTag("webhook.outcome", label).SetTag("http.response.status_code", outcome.Status);
        activity?.SetStatus(outcome.Error is null ? ActivityStatusCode.Ok : ActivityStatusCode.Error, outcome.Error);
        var attempt = new WebhookAttemptDocument { At = began, Status = outcome.Status, Error = outcome.Error, DurationMs = Math.Round(took.TotalMilliseconds, 1) };
        // Not cancelled with the host: what the receiver has answered is written down even while we stop.
        await store.CompleteAsync(delivery, outcome, attempt, next, disabled, CancellationToken.None);
        Tell(delivery, outcome, disabled, next);
        return true;
    }

    private void Tell(Delivery delivery, AttemptOutcome outcome, string? disabled, DateTimeOffset? next)
    {
        if (disabled is not null)
        {
            WebhookMetrics.EndpointDisabled(outcome.Kind == AttemptOutcome.Gone ? "gone" : "failing");
            LogDisabled(delivery.EndpointId!, disabled);
        }

        if (outcome.Kind != AttemptOutcome.Delivered)
        {
            if (next is { } at)
            {
                LogFailed(delivery.Event, delivery.AnalysisId, delivery.Id, outcome.Error!, at);
            }
            else
            {
                LogGivenUp(delivery.Event, delivery.AnalysisId, delivery.Id, outcome.Error!);
            }
        }
    }

    private string? Disables(Delivery delivery, AttemptOutcome outcome)
    {
        if (delivery.EndpointId is null)
        {
            return null;
        }

        if (outcome.Kind == AttemptOutcome.Gone)
        {
            return "The receiver answered 410 Gone.";
        }

        var since = delivery.FailingSince is { } at ? DateTimeOffset.FromUnixTimeMilliseconds(at) : time.GetUtcNow();
        return outcome.Kind == AttemptOutcome.Retry && (time.GetUtcNow() - since).TotalDays >= options.Value.DisableAfterDays
            ? $"Every attempt has failed since {since:u}."
            : null;
    }

    private async Task KeepHouseAsync(CancellationToken cancellationToken)
    {
        if (time.GetUtcNow() - lastHousekeeping < Housekeeping)
        {
            return;
        }

        lastHousekeeping = time.GetUtcNow();
        var (due, oldest) = await store.BacklogAsync(cancellationToken);
        WebhookMetrics.Backlog(due, oldest is { } at ? lastHousekeeping - at : TimeSpan.Zero);
        await store.PruneAsync(TimeSpan.FromDays(options.Value.LogDays), cancellationToken);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Event} of {AnalysisId} ({DeliveryId}) was not delivered: {Reason} Next attempt: {Next}")]
    private partial void LogFailed(string @event, string? analysisId, string deliveryId, string reason, DateTimeOffset next);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Event} of {AnalysisId} ({DeliveryId}) was not delivered and will not be tried again: {Reason}")]
    private partial void LogGivenUp(string @event, string? analysisId, string deliveryId, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Webhook endpoint {EndpointId} is disabled: {Reason}")]
    private partial void LogDisabled(string endpointId, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The outcome of delivery {DeliveryId} could not be written; it will be sent again")]
    private partial void LogKept(Exception reason, string deliveryId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The webhook schedule cannot be read at the moment")]
    private partial void LogAway(Exception reason);
}
