using System.Diagnostics;
using System.Diagnostics.Metrics;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Palimpsest.Hosting;

/// <summary>
/// Sends committed outbox rows, this process' own as they are handed over and others' when a claim has run out, and removes what the broker confirmed. At least once: a crash between
/// confirm and removal sends again, and every handler may run twice. While the broker is down rows simply wait. Runs where rows are written: every process with one would look into the
/// table once a second.
/// </summary>
internal sealed partial class OutboxDispatcher(
    OutboxStore outbox, IBusControl bus, TimeProvider time, BusState state, ILogger<OutboxDispatcher> log) : BackgroundService
{
    private const int Batch = 64;

    /// <summary>Between two looks at the table for what others have left; what was sent is removed then, all of a second in one statement.</summary>
    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(1);

    /// <summary>A wait that timers can tell from none.</summary>
    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(10);

    private static readonly Counter<long> Sent = PlatformTelemetry.Meter.CreateCounter<long>("palimpsest.outbox.messages", description: "Outbox messages by outcome");

    private readonly List<string> sent = []; // confirmed, and still in the table
    private long looked;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        bool started = false;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await state.WaitUntilReadyAsync(stoppingToken);
                if (!started)
                {
                    await outbox.TakeOverAsync(stoppingToken);
                    outbox.Send(here: true);
                    started = true;
                }

                if (!await DispatchAsync(stoppingToken))
                {
                    var left = Poll - time.GetElapsedTime(looked);
                    await outbox.WaitAsync(left > Shortest ? left : Shortest, stoppingToken);
                }

                if (sent.Count >= Batch)
                {
                    await RemoveAsync(stoppingToken);
                }
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                break;
            }
            catch (Exception e)
            {
                LogFailed(e);
                await Task.Delay(Poll, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        await LeaveAsync();
    }

    /// <returns>False when there was nothing to send, or not everything could be sent: time to wait.</returns>
    private async Task<bool> DispatchAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<OutboxMessage> found = [];
        // What nobody has at hand: written while there was too much of it, to be sent later, or by a process that died.
        if (outbox.TakeUnclaimed() || time.GetElapsedTime(looked) >= Poll)
        {
            await RemoveAsync(cancellationToken); // or it could be found again
            found = await outbox.ClaimAsync(Batch, cancellationToken);
            looked = time.GetTimestamp();
        }

        OutboxMessage[] rows = [.. found, .. outbox.TakeAtHand(Batch)];
        if (rows.Length == 0)
        {
            return false;
        }

        bool[] outcomes = await Task.WhenAll(rows.Select(row => TrySendAsync(row, cancellationToken)));
        string[] kept = [.. rows.Where((_, i) => !outcomes[i]).Select(r => r.Id)];
        sent.AddRange(rows.Where((_, i) => outcomes[i]).Select(r => r.Id));
        Sent.Add(rows.Length - kept.Length, new KeyValuePair<string, object?>("outcome", "sent"));
        // While the broker takes nothing from here, rows stay free for whoever can send them.
        outbox.Send(here: kept.Length == 0);
        if (kept.Length > 0)
        {
            Sent.Add(kept.Length, new KeyValuePair<string, object?>("outcome", "kept"));
            await outbox.ReleaseAsync(kept, Poll, CancellationToken.None);
            return false;
        }

        if (found.Count == Batch)
        {
            looked = 0; // there is more
        }

        return true;
    }

    /// <summary>Removes what was sent, many rows at a time. A process that dies before that sends them twice.</summary>
    private async Task RemoveAsync(CancellationToken cancellationToken)
    {
        if (sent.Count > 0)
        {
            await outbox.RemoveAsync(sent, cancellationToken);
            sent.Clear();
        }
    }

    /// <summary>Leaves the table as others can go on with it: nothing that was sent, nothing that waits for a claim to run out.</summary>
    private async Task LeaveAsync()
    {
        outbox.Send(here: false);
        try
        {
            await RemoveAsync(CancellationToken.None);
            string[] rest = [.. outbox.TakeAtHand(int.MaxValue).Select(r => r.Id)];
            if (rest.Length > 0)
            {
                await outbox.ReleaseAsync(rest, TimeSpan.Zero, CancellationToken.None);
            }
        }
        catch (Exception e)
        {
            LogLeft(e);
        }
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
                    // The bus hands it on as the InitiatorId of what a consumer answers: so reporting knows which sending of a step an answer is for.
                    c.CorrelationId = c.MessageId;
                    // Unroutable (the queue was never declared) must come back as an error, not be confirmed and dropped.
                    if (c is RabbitMqSendContext rabbit)
                    {
                        rabbit.Mandatory = true;
                    }
                }), timeout.Token);
            }

            return true;
        }
        catch (Exception e)
        {
            if (!cancellationToken.IsCancellationRequested)
            {
                LogKept(row.AnalysisId, row.Type, e.Message);
            }

            return false;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Type} of {AnalysisId} stays in the outbox: {Reason}")]
    private partial void LogKept(string analysisId, string type, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "The outbox could not be read or tidied; trying again")]
    private partial void LogFailed(Exception exception);

    [LoggerMessage(Level = LogLevel.Error, Message = "The outbox was left as it is; others go on with it when claims have run out")]
    private partial void LogLeft(Exception exception);
}
