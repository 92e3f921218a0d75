using System.Diagnostics;
using System.Diagnostics.Metrics;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Palimpsest.Hosting;

/// <summary>
/// Sends committed outbox rows and removes what the broker confirmed. At least once: a crash between confirm and removal sends again, and every
/// handler may run twice. While the broker is down rows simply wait.
/// </summary>
internal sealed partial class OutboxDispatcher(
    OutboxStore outbox, IBusControl bus, TimeProvider time, BusState state, ILogger<OutboxDispatcher> log) : BackgroundService
{
    private const int Batch = 64;
    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(1);
    private static readonly Counter<long> Sent = PlatformTelemetry.Meter.CreateCounter<long>("palimpsest.outbox.messages", description: "Outbox messages by outcome");

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await state.WaitUntilReadyAsync(stoppingToken);
                bool more = await DispatchAsync(stoppingToken);
                if (!more)
                {
                    await outbox.WaitAsync(Poll, stoppingToken);
                }
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                LogFailed(e);
                await Task.Delay(Poll, time, stoppingToken);
            }
        }
    }

    private async Task<bool> DispatchAsync(CancellationToken cancellationToken)
    {
        var rows = await outbox.ClaimAsync(Batch, cancellationToken);
        if (rows.Count == 0)
        {
            return false;
        }

        var outcomes = await Task.WhenAll(rows.Select(row => TrySendAsync(row, cancellationToken)));
        string[] sent = [.. rows.Where((_, i) => outcomes[i]).Select(r => r.Id)], kept = [.. rows.Where((_, i) => !outcomes[i]).Select(r => r.Id)];
        Sent.Add(sent.Length, new KeyValuePair<string, object?>("outcome", "sent"));
        if (sent.Length > 0)
        {
            await outbox.RemoveAsync(sent, cancellationToken);
        }

        if (kept.Length > 0)
        {
            Sent.Add(kept.Length, new KeyValuePair<string, object?>("outcome", "kept"));
            await outbox.ReleaseAsync(kept, Poll, cancellationToken);
        }

        return rows.Count == Batch && kept.Length == 0;
    }

    private async Task<bool> TrySendAsync(OutboxMessage row, CancellationToken cancellationToken)
    {
        var parent = ActivityContext.TryParse(row.Traceparent, null, isRemote: true, out var context) ? context : default;
        using var activity = PlatformTelemetry.Source.StartActivity("outbox send", ActivityKind.Producer, parent);
        activity?.SetTag("messaging.message.type", row.Type);
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(OutboxStore.SendTimeout);
        try
        {
            var (type, message) = row.Open();
            if (row.Destination is null)
            {
                await bus.Publish(message, type, Pipe.Execute<PublishContext>(c => c.MessageId = Guid.Parse(row.Id)), timeout.Token);
            }
            else
            {
                var endpoint = await bus.GetSendEndpoint(Queues.Address(row.Destination));
                await endpoint.Send(message, type, Pipe.Execute<SendContext>(c =>
                {
                    c.MessageId = Guid.Parse(row.Id);
                    // Unroutable (the queue was never declared) must come back as an error, not be confirmed and dropped.
                    if (c is RabbitMqSendContext rabbit)
                    {
                        rabbit.Mandatory = true;
                    }
                }), timeout.Token);
            }

            return true;
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            LogKept(row.AnalysisId, row.Type, e.Message);
            return false;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Type} of {AnalysisId} stays in the outbox: {Reason}")]
    private partial void LogKept(string analysisId, string type, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "The outbox could not be read; trying again")]
    private partial void LogFailed(Exception exception);
}
