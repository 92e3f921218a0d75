using System.Diagnostics;
using System.Text.Json;
using Microsoft.AspNetCore.Http.Features;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Gateway;

/// <summary><c>POST /v1/analyses</c>.</summary>
internal sealed class AnalysesEndpoint(
    SubmissionReader reader, IAnalysisStore analyses, Acceptance acceptance, UrlFetcher fetcher, IdempotencyStore idempotency, PendingGate gate, TenantLimits limits, PreferWait prefer, CallbackCheck callbacks,
    ZeroRetention zero)
{
    public async Task PostAsync(HttpContext context)
    {
        var (request, cancellation) = (context.Request, context.RequestAborted);
        var tenant = TenantContext.Of(context);
        tenant.Require(Scopes.Submit);
        var refusal = await gate.RefusalAsync(tenant.Tenant, 1, cancellation);
        await using var reservation = await idempotency.BeginAsync(request, tenant.Tenant, refusal, cancellation);
        using var sent = await reader.ReadAsync(request, cancellation);
        string hash = reservation is null ? "" : RequestHashes.Of(request, sent.Options, [RequestHashes.Content(sent.Image, sent.Url)]);
        if (reservation?.Replay(hash) is { } stored)
        {
            await ReplayAsync(context, tenant.Tenant, stored);
            return;
        }

        await callbacks.EnsureAllowedAsync(sent.Options.CallbackUrl, cancellation);
        using var submission = sent.Url is { } url
            ? new Submission(sent.Options) { Image = await fetcher.FetchAsync(tenant.Tenant, url, fetcher.Patience, cancellation), Url = url, Filename = UrlFetcher.Filename(url) }
            : sent;
        if (request.ContentLength is null || submission.Url is not null)
        {
            await limits.OweBytesAsync(tenant.Tenant, submission.Image!.Bytes);
        }

        string? source = submission.Url is { } address ? UrlFetcher.Shown(address) : null;
        var item = await acceptance.PrepareAsync(tenant.Tenant, submission.Image!, submission.Options, submission.Filename, source, null, cancellation);
        var record = item.Record;
        using var waiter = prefer.Listen(request, record);
        await CommitAsync(item, reservation, hash, cancellation);
        if (waiter is null || !await WaitAsync(context, waiter))
        {
            await Answers.WriteAsync(context, StatusCodes.Status202Accepted, Answers.Location(record), Answers.Body(record));
        }
    }

    /// <summary>The stored answer; to a client that waits, the analysis as a first request would show it. What was stored when it was accepted says 'queued' for ever.</summary>
    private async Task ReplayAsync(HttpContext context, string tenant, StoredAnswer stored)
    {
        var (request, cancellation) = (context.Request, context.RequestAborted);
        if (!prefer.IsAsked(request) || stored.Location is not { } location || await FindAsync() is not { } record)
        {
            await Answers.ReplayAsync(context, stored);
            return;
        }

        context.Response.Headers["Idempotent-Replayed"] = "true";
        using var waiter = prefer.Listen(request, record);
        if (waiter is null || !await WaitAsync(context, waiter))
        {
            record = await FindAsync() ?? record;
            await Answers.WriteAsync(context, StatusCodes.Status202Accepted, location, Answers.Body(record));
        }

        async Task<AnalysisRecord?> FindAsync() =>
            await analyses.FindAsync(tenant, location[(location.LastIndexOf('/') + 1)..], cancellation) is { Findings.Deleted: false } found ? found : null;
    }

    /// <summary>Answers 200 when it ends in time; false when it does not, or nobody may wait any more.</summary>
    private async Task<bool> WaitAsync(HttpContext context, PreferWait.Waiter waiter)
    {
        if (!context.Features.GetRequiredFeature<OpenRequest>().TryWait() || await waiter.EndedAsync(context.RequestAborted) is not { } ended)
        {
            return false;
        }

        await zero.DeliveredAsync(ended, context.RequestAborted);
        context.Response.Headers["Preference-Applied"] = $"wait={waiter.Seconds}";
        await Answers.WriteAsync(context, StatusCodes.Status200OK, Answers.Location(ended), Answers.Body(ended));
        return true;
    }

    private async Task CommitAsync(Prepared item, IdempotencyReservation? reservation, string hash, CancellationToken cancellationToken)
    {
        var answer = new StoredAnswer(hash, StatusCodes.Status202Accepted, Answers.Location(item.Record), Answers.Body(item.Record));
        await acceptance.CommitAsync([item], reservation is null ? null : t => reservation.CompleteAsync(t, answer, CancellationToken.None), cancellationToken);
        reservation?.Committed();
    }
}

/// <summary>How acceptances look.</summary>
internal static class Answers
{
    private const string RetryAfterSeconds = "1";

    public static string Location(AnalysisRecord record) => "/v1/analyses/" + record.Id;

    public static string Body(AnalysisRecord record) => JsonSerializer.Serialize(AnalysisDocuments.From(record), PlatformJson.Options);

    public static Task ReplayAsync(HttpContext context, StoredAnswer stored)
    {
        context.Response.Headers["Idempotent-Replayed"] = "true";
        return WriteAsync(context, stored.Status, stored.Location, stored.Body);
    }

    public static Task WriteAsync(HttpContext context, int status, string? location, string body)
    {
        var response = context.Response;
        response.StatusCode = status;
        response.ContentType = "application/json; charset=utf-8";
        response.Headers.Location = location;
        if (status == StatusCodes.Status202Accepted)
        {
            response.Headers.RetryAfter = RetryAfterSeconds;
        }

        return response.WriteAsync(body, context.RequestAborted);
    }
}

/// <summary>Refuses callback addresses that no delivery would be allowed to reach, at once rather than in a log.</summary>
internal sealed class CallbackCheck(GuardedHttp guarded)
{
    /// <exception cref="ApiException">422 address_refused.</exception>
    public async Task EnsureAllowedAsync(string? url, CancellationToken cancellationToken)
    {
        if (url is not null && await guarded.CheckAsync(url, cancellationToken) is { } refusal)
        {
            throw Refused("callback_url", refusal);
        }
    }

    public static ApiException Refused(string field, string refusal) =>
        new(422, ErrorCodes.AddressRefused, $"{field}: {refusal}") { Errors = new Dictionary<string, string[]>(StringComparer.Ordinal) { [field] = [refusal] } };
}
