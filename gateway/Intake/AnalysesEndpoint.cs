using System.Diagnostics;
using System.Text.Json;
using Microsoft.AspNetCore.Http.Features;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Gateway;

/// <summary><c>POST /v1/analyses</c>.</summary>
internal sealed class AnalysesEndpoint(
    SubmissionReader reader, Acceptance acceptance, UrlFetcher fetcher, IdempotencyStore idempotency, PendingGate gate, TenantLimits limits, PreferWait prefer, CallbackCheck callbacks)
{
    public async Task PostAsync(HttpContext context)
    {
        var (request, cancellation) = (context.Request, context.RequestAborted);
        var tenant = TenantContext.Of(context);
        tenant.Require(Scopes.Submit);
        await gate.EnsureRoomAsync(tenant.Tenant, 1, cancellation);
        string? key = IdempotencyStore.KeyOf(request);
        await using var reservation = key is null ? null : await idempotency.BeginAsync(tenant.Tenant, key, cancellation);
        using var sent = await reader.ReadAsync(request, cancellation);
        string hash = reservation is null ? "" : RequestHashes.Of(request, sent.Options, [RequestHashes.Content(sent.Image, sent.Url)]);
        if (reservation?.Replay(hash) is { } stored)
        {
            await Answers.ReplayAsync(context, stored);
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
        if (waiter is not null && context.Features.GetRequiredFeature<OpenRequest>().TryWait() && await waiter.EndedAsync(cancellation) is { } ended)
        {
            context.Response.Headers["Preference-Applied"] = $"wait={waiter.Seconds}";
            await Answers.WriteAsync(context, StatusCodes.Status200OK, Answers.Location(ended), Answers.Body(ended));
            return;
        }

        await Answers.WriteAsync(context, StatusCodes.Status202Accepted, Answers.Location(record), Answers.Body(record));
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
