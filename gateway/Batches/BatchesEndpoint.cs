using System.Text.Json;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Gateway;

/// <summary><c>POST /v1/batches</c>: many images, each an analysis of its own; one that is refused does not spoil the others.</summary>
internal sealed class BatchesEndpoint(
    BatchReader reader, Acceptance acceptance, IdempotencyStore idempotency, PendingGate gate, TenantLimits limits, CallbackCheck callbacks, IWebhookScheduler webhooks, TimeProvider time)
{
    public async Task PostAsync(HttpContext context)
    {
        var (request, cancellation) = (context.Request, context.RequestAborted);
        var tenant = TenantContext.Of(context);
        tenant.Require(Scopes.Submit);
        var refusal = await gate.RefusalAsync(tenant.Tenant, 1, cancellation);
        await using var reservation = await idempotency.BeginAsync(request, tenant.Tenant, refusal, cancellation);
        using var submission = await reader.ReadAsync(request, cancellation);
        string hash = reservation is null ? "" : RequestHashes.Of(request, submission.Options, submission.Items.Select(i => i.Content));
        if (reservation?.Replay(hash) is { } stored)
        {
            await Answers.ReplayAsync(context, stored);
            return;
        }

        await callbacks.EnsureAllowedAsync(submission.Options.CallbackUrl, cancellation);
        await reader.FetchAsync(tenant.Tenant, submission, cancellation);
        if (request.ContentLength is null || submission.Fetched)
        {
            await limits.OweBytesAsync(tenant.Tenant, submission.Items.Sum(i => i.Image?.Bytes ?? 0));
        }

        await gate.EnsureRoomAsync(tenant.Tenant, submission.Items.Count(i => i.Image is not null), cancellation);
        var answer = await AcceptAsync(tenant.Tenant, submission, reservation, hash, cancellation);
        await Answers.WriteAsync(context, answer.Status, answer.Location, answer.Body);
    }

    private async Task<StoredAnswer> AcceptAsync(string tenant, BatchSubmission submission, IdempotencyReservation? reservation, string hash, CancellationToken cancellationToken)
    {
        string id = Ids.Batch(time);
        // The batch has one webhook; its analyses have none of their own.
        var each = submission.Options with { CallbackUrl = null };
        var accepted = new List<Prepared>();
        BatchRecord batch;
        try
        {
            foreach (var item in submission.Items.Where(i => i.Image is not null))
            {
                accepted.Add(await acceptance.PrepareAsync(tenant, item.Image!, each, item.Filename, item.ShownUrl, (id, item.Index), cancellationToken));
            }

            var now = time.GetUtcNow();
            batch = new BatchRecord
            {
                Id = id,
                Tenant = tenant,
                CreatedAt = now,
                // Every item refused or answered from the cache: no analysis will end and close it.
                CompletedAt = accepted.TrueForAll(a => AnalysisStatuses.IsTerminal(a.Record.Status)) ? now : null,
                Total = submission.Items.Count,
                CallbackUrl = submission.Options.CallbackUrl,
                Metadata = submission.Options.Metadata,
                Rejected = [.. submission.Items.Where(i => i.Error is not null).Select(i => new RejectedItem { Index = i.Index, Filename = i.Filename, Url = i.ShownUrl, Error = i.Error! })],
            };
        }
        catch
        {
            await acceptance.TakeBackAsync(accepted.Select(a => a.Record));
            throw;
        }

        var document = BatchDocuments.From(batch, [.. accepted.Select(a => a.Record)]);
        var answer = new StoredAnswer(hash, StatusCodes.Status202Accepted, document.Links.Self, JsonSerializer.Serialize(document, PlatformJson.Options));
        bool scheduled = false;
        await acceptance.CommitAsync(
            accepted,
            async transaction =>
            {
                await batch.InsertAsync(transaction, CancellationToken.None);
                if (batch.CompletedAt is { } at)
                {
                    var ended = accepted.GroupBy(a => (a.Record.Status, a.Record.Findings.Result?.Verdict)).Select(g => (g.Key.Status, g.Key.Verdict, g.LongCount())).ToList();
                    scheduled = await webhooks.ScheduleBatchAsync(transaction, batch.Finish(at, ended), CancellationToken.None);
                }

                if (reservation is not null)
                {
                    await reservation.CompleteAsync(transaction, answer, CancellationToken.None);
                }
            },
            cancellationToken);
        reservation?.Committed();
        if (scheduled)
        {
            webhooks.Wake();
        }

        return answer;
    }
}
