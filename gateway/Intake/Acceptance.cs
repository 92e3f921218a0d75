using System.Data.Common;
using System.Diagnostics;
using Microsoft.Extensions.Options;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Gateway;

/// <summary>An analysis about to be accepted: its bytes are stored, its row and first message are not yet.</summary>
internal sealed record Prepared(AnalysisRecord Record, IReadOnlyList<OutboxMessage> Messages);

/// <summary>
/// Makes the promise of a 202: the bytes lie in the blob store and row, message, webhook and Idempotency-Key are committed in one transaction. The broker is not needed for it.
/// </summary>
internal sealed class Acceptance(
    IAnalysisStore analyses, IBlobStore blobs, CachedResults cached, IWebhookScheduler webhooks, PendingGate gate, IOptions<IntakeOptions> options, TimeProvider time)
{
    /// <summary>Stores the image and writes the record, from the cache if it can be.</summary>
    public async Task<Prepared> PrepareAsync(
        string tenant, ReceivedImage image, SubmissionOptions asked, string? filename, string? sourceUrl, (string Id, int Index)? batch, CancellationToken cancellationToken)
    {
        // As precise as the database keeps it: an answer from the record in hand says what a later one will.
        var now = DateTimeOffset.FromUnixTimeMilliseconds(time.GetUtcNow().ToUnixTimeMilliseconds());
        string id = Ids.Analysis(time);
        using var span = PlatformTelemetry.Source.StartActivity("store");
        span?.SetTag("palimpsest.analysis", id);
        span?.SetTag("palimpsest.bytes", image.Bytes);
        try
        {
            var upload = await image.StoreAsync(id, cancellationToken);
            string? key = await cached.KeyAsync(tenant, image.Sha256, asked, cancellationToken);
            var record = new AnalysisRecord
            {
                Id = id,
                Tenant = tenant,
                StageSince = now,
                StageDue = now.AddSeconds(options.Value.FirstDeadlineSeconds),
                CreatedAt = now,
                // Erased on delivery; the day is for a result that is never fetched.
                ExpiresAt = asked.ZeroRetention ? now.AddDays(1) : now.AddDays(options.Value.RetentionDays),
                Request = new AnalysisRequest
                {
                    Upload = upload,
                    Sha256 = image.Sha256,
                    Format = image.Format,
                    Options = asked.Analysis,
                    Filename = filename,
                    SourceUrl = sourceUrl,
                    CallbackUrl = asked.CallbackUrl,
                    Metadata = asked.Metadata,
                    ZeroRetention = asked.ZeroRetention,
                    BatchId = batch?.Id,
                    BatchIndex = batch?.Index,
                    CacheKey = key,
                    Traceparent = span?.Parent?.Id ?? Activity.Current?.Id,
                },
            };
            if (await cached.FindAsync(tenant, key, cancellationToken) is { } source && await cached.CopyAsync(source, id, cancellationToken) is { } findings)
            {
                span?.SetTag("palimpsest.cached", true);
                return Finished(record, findings, now);
            }

            return new Prepared(record, [OutboxMessage.Command(time, Queues.Preprocess, id, new PreprocessImage { AnalysisId = id, Upload = upload, Options = asked.Analysis })]);
        }
        catch
        {
            await blobs.DeleteAnalysisAsync(id, CancellationToken.None);
            throw;
        }
    }

    /// <summary>Commits; takes the bytes back when it cannot.</summary>
    public async Task CommitAsync(IReadOnlyList<Prepared> items, Func<DbTransaction, Task>? also, CancellationToken cancellationToken)
    {
        AnalysisRecord[] records = [.. items.Select(i => i.Record)];
        AnalysisRecord[] finished = [.. records.Where(r => AnalysisStatuses.IsTerminal(r.Status))];
        bool scheduled = false;
        try
        {
            // From here on the client's hanging up changes nothing: a commit that was cut off half-way would leave the promise in doubt.
            cancellationToken.ThrowIfCancellationRequested();
            await analyses.InsertAsync(
                records, [.. items.SelectMany(i => i.Messages)],
                finished.Length == 0 ? also : async transaction =>
                {
                    foreach (var record in finished)
                    {
                        scheduled |= await webhooks.ScheduleAsync(transaction, record, CancellationToken.None);
                    }

                    await (also?.Invoke(transaction) ?? Task.CompletedTask);
                },
                CancellationToken.None);
        }
        catch (CommitInDoubtException)
        {
            // The row may be there, or come yet: its bytes stay. The client sends again under the same Idempotency-Key; the sweep removes what no row speaks of.
            throw;
        }
        catch
        {
            await TakeBackAsync(records);
            throw;
        }

        if (records.Length > finished.Length)
        {
            gate.Accepted(records[0].Tenant, records.Length - finished.Length);
        }

        if (scheduled)
        {
            webhooks.Wake();
        }
    }

    /// <summary>Removes stored bytes of analyses that were not accepted.</summary>
    public async Task TakeBackAsync(IEnumerable<AnalysisRecord> records)
    {
        foreach (var record in records)
        {
            try
            {
                if (await analyses.LoadAsync(record.Id, CancellationToken.None) is null)
                {
                    await blobs.DeleteAnalysisAsync(record.Id, CancellationToken.None);
                }
            }
            catch (Exception e) when (e is DbException or TimeoutException or IOException)
            {
                // In doubt the bytes stay; the sweep removes what no row speaks of.
            }
        }
    }

    private Prepared Finished(AnalysisRecord record, AnalysisFindings findings, DateTimeOffset now)
    {
        var done = record with
        {
            Status = AnalysisStatuses.Succeeded, Stage = Stages.Reporting, StageDue = null, StartedAt = now, CompletedAt = now, Findings = findings,
        };
        var completed = new AnalysisCompleted { AnalysisId = done.Id, Tenant = done.Tenant, Verdict = findings.Result!.Verdict, Score = findings.Result.Score };
        return new Prepared(done, [OutboxMessage.Event(time, done.Id, completed)]);
    }
}
