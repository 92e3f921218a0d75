using System.Text.Json;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>
/// Server-sent events of one analysis: <c>id</c> is the version, <c>event</c> progress, completed or failed, <c>data</c> the analysis. A client that comes back with
/// <c>Last-Event-ID</c> gets what it has missed, which is the newest state; after the last event it is told not to come back.
/// </summary>
internal static class EventStream
{
    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(15);

    public static void MapEvents(this IEndpointRouteBuilder routes) => routes.MapGet("/analyses/{id}/events", StreamAsync)
        .WithName("streamEvents").WithTags("Analyses").WithSummary("Progress as server-sent events").Produces<string>(200, "text/event-stream");

    private static async Task StreamAsync(string id, HttpContext context, IAnalysisStore store, IAnalysisSignals signals, ZeroRetention zero, TimeProvider time, IHostApplicationLifetime lifetime)
    {
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, lifetime.ApplicationStopping);
        using var subscription = signals.Subscribe(id);
        var record = await store.FindForAsync(context, id, canceled: true);
        // One that is ahead is not of this record (another analysis, a database put back): whoever waited for the next would wait for ever.
        int seen = int.TryParse(context.Request.Headers["Last-Event-ID"], out int last) && last <= record.Version ? last : 0;
        if (AnalysisStatuses.IsTerminal(record.Status) && seen >= record.Version)
        {
            context.Response.StatusCode = StatusCodes.Status204NoContent;
            return;
        }

        context.Response.ContentType = "text/event-stream; charset=utf-8";
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers["X-Accel-Buffering"] = "no";
        if (HttpMethods.IsHead(context.Request.Method))
        {
            return;
        }

        try
        {
            await context.Response.WriteAsync("retry: 2000\n\n", stopping.Token);
            if (await FollowAsync(context, store, record, seen, subscription, time, stopping.Token) is { } ended)
            {
                await zero.DeliveredAsync(ended, stopping.Token);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The client left, or we stop: it comes back with Last-Event-ID.
        }
    }

    /// <returns>The record whose end was told; null when it is gone.</returns>
    private static async Task<AnalysisRecord?> FollowAsync(
        HttpContext context, IAnalysisStore store, AnalysisRecord? record, int seen, AnalysisSubscription subscription, TimeProvider time, CancellationToken cancellationToken)
    {
        var (tenant, id) = (record!.Tenant, record.Id);
        var written = time.GetUtcNow();
        var changed = written;
        while (record is not null)
        {
            if (record.Version > seen)
            {
                await WriteAsync(context.Response, record, cancellationToken);
                (seen, written) = (record.Version, time.GetUtcNow());
                changed = written;
                if (AnalysisStatuses.IsTerminal(record.Status))
                {
                    return record;
                }
            }
            else if (time.GetUtcNow() - written >= Heartbeat)
            {
                await context.Response.WriteAsync(": heartbeat\n\n", cancellationToken);
                await context.Response.Body.FlushAsync(cancellationToken);
                written = time.GetUtcNow();
            }

            await subscription.WaitAsync(Pause(time.GetUtcNow(), changed, written), ended: false, cancellationToken);
            record = await store.FindAsync(tenant, id, cancellationToken);
        }

        return null;
    }

    /// <summary>The signal is a hint: the database is looked into in any case. Not past the next heartbeat.</summary>
    internal static TimeSpan Pause(DateTimeOffset now, DateTimeOffset changed, DateTimeOffset written)
    {
        TimeSpan patience = AnalysisSubscription.Patience(now - changed), left = written + Heartbeat - now, least = AnalysisSubscription.Patience(TimeSpan.Zero);
        return patience < left ? patience : left > least ? left : least;
    }

    private static async Task WriteAsync(HttpResponse response, AnalysisRecord record, CancellationToken cancellationToken)
    {
        string name = record.Status switch
        {
            AnalysisStatuses.Succeeded => "completed",
            AnalysisStatuses.Failed or AnalysisStatuses.Canceled => "failed",
            _ => "progress",
        };
        string json = JsonSerializer.Serialize(AnalysisDocuments.From(record), PlatformJson.Options);
        await response.WriteAsync($"id: {record.Version}\nevent: {name}\ndata: {json}\n\n", cancellationToken);
        await response.Body.FlushAsync(cancellationToken);
    }
}
