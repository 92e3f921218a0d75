using System.Text;
using System.Text.Json;
using Palimpsest.Contracts;

namespace Palimpsest.Hosting;

/// <summary>Bodies of webhooks: <c>{"type","timestamp","data"}</c> under 20 kB. Pure.</summary>
public static class WebhookBody
{
    /// <summary>Bytes a body stays under (Standard Webhooks asks for it).</summary>
    public const int Limit = 20_000;

    /// <summary>Of an analysis that ended: the document of the API. A picture with very many regions or faces keeps the largest; a warning says so.</summary>
    public static string For(AnalysisRecord finished, string type, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(finished);
        var document = AnalysisDocuments.From(finished);
        // None has been made when the notice is written; links.self lists what there is.
        document = document with { Evidence = [] };
        string body = Write(type, now, document);
        for (int keep = 64; keep > 0 && Encoding.UTF8.GetByteCount(body) >= Limit; keep /= 2)
        {
            body = Write(type, now, document with
            {
                Regions = [.. document.Regions.Take(keep)],
                Faces = [.. document.Faces.Take(keep)],
                Warnings = [.. document.Warnings.Take(keep).Select(w => w.Length > 300 ? w[..300] + "…" : w), $"This notice was shortened to {keep} regions and faces; links.self has all of them."],
            });
        }

        return body;
    }

    /// <summary>Of a batch.</summary>
    public static string For(FinishedBatch batch, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(batch);
        string self = "/v1/batches/" + batch.Id;
        return Write(WebhookEvents.BatchCompleted, now, new
        {
            batch.Id, batch.CreatedAt, batch.CompletedAt, batch.Total, batch.Succeeded, batch.Failed, batch.Verdicts, batch.Metadata,
            Links = new { Self = self, Results = self + "/results.csv" },
        });
    }

    /// <summary>Of a test.</summary>
    public static string ForTest(string endpointId, DateTimeOffset now) =>
        Write(WebhookEvents.Test, now, new { EndpointId = endpointId, Message = "This is a test. Verify the signature and answer 2xx." });

    private static string Write(string type, DateTimeOffset now, object data) => JsonSerializer.Serialize(new { type, timestamp = now, data }, PlatformJson.Options);
}
