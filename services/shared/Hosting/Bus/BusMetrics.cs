using System.Diagnostics.Metrics;
using MassTransit;

namespace Palimpsest.Hosting;

/// <summary>Watches every message that arrives: how long it waited, whether the broker sent it before, whether it ended in an error queue.</summary>
internal sealed class BusMetrics(TimeProvider time) : IReceiveObserver
{
    private static readonly Histogram<double> Waited =
        PlatformTelemetry.Meter.CreateHistogram<double>("palimpsest.message.wait", "s", "Age of a message when its consumer took it, by queue.");

    private static readonly Counter<long> Redelivered =
        PlatformTelemetry.Meter.CreateCounter<long>("palimpsest.messages.redelivered", description: "Messages that were delivered before: their consumer died or lost its connection.");

    private static readonly Counter<long> Failed =
        PlatformTelemetry.Meter.CreateCounter<long>("palimpsest.messages.failed", description: "Messages whose consumer gave up; they lie in the queue's _error queue.");

    public Task PreReceive(ReceiveContext context)
    {
        if (context.Redelivered)
        {
            Redelivered.Add(1, Queue(context));
        }

        return Task.CompletedTask;
    }

    public Task PostConsume<T>(ConsumeContext<T> context, TimeSpan duration, string consumerType)
        where T : class
    {
        if (context.SentTime is { } sent)
        {
            // Clocks of two machines may differ by more than a message waits.
            double waited = (time.GetUtcNow() - duration - new DateTimeOffset(DateTime.SpecifyKind(sent, DateTimeKind.Utc))).TotalSeconds;
            Waited.Record(Math.Max(0, waited), Queue(context.ReceiveContext));
        }

        return Task.CompletedTask;
    }

    /// <summary>A message that no consumer saw, e.g. because it could not be read.</summary>
    public Task ReceiveFault(ReceiveContext context, Exception exception) => FailedAsync(context);

    public Task ConsumeFault<T>(ConsumeContext<T> context, TimeSpan duration, string consumerType, Exception exception)
        where T : class => FailedAsync(context.ReceiveContext);

    public Task PostReceive(ReceiveContext context) => Task.CompletedTask;

    private static Task FailedAsync(ReceiveContext context)
    {
        Failed.Add(1, Queue(context));
        return Task.CompletedTask;
    }

    private static KeyValuePair<string, object?> Queue(ReceiveContext context) => new("queue", context.InputAddress.AbsolutePath.Split('/')[^1]);
}
