using System.Text;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>A batch: its state, and its results as CSV, one row an item.</summary>
internal static class BatchEndpoints
{
    private const string Page = BatchRow.Select + """
         WHERE tenant = @tenant AND (created_at, id) < (@at, @after) ORDER BY created_at DESC, id DESC LIMIT @limit
        """;

    public static void MapBatches(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/batches", ListAsync).WithName("listBatches").WithTags("Batches").WithSummary("Your batches, newest first").Produces<BatchPage>();
        routes.MapGet("/batches/{id}", GetAsync).WithName("getBatch").WithTags("Batches").WithSummary("A batch and its items").Produces<BatchDocument>();
        routes.MapGet("/batches/{id}/results.csv", ResultsAsync).WithName("getBatchResults").WithTags("Batches").WithSummary("One CSV row for each item").Produces<string>(200, "text/csv");
    }

    private static async Task<IResult> ListAsync(HttpContext context, PlatformDatabase database, string? limit, string? cursor)
    {
        string tenant = TenantContext.Of(context).Tenant;
        int count = Paging.Limit(limit);
        var after = Paging.Open(cursor) ?? (DateTimeOffset.MaxValue, "");
        var rows = await database.QueryAsync<BatchRow>(
            Page, new { tenant, at = after.CreatedAt.ToUnixTimeMilliseconds(), after = after.Id, limit = count + 1 }, context.RequestAborted);
        var batches = rows.Take(count).Select(r => r.Open()).ToList();
        string? next = rows.Count > count ? Paging.Cursor(batches[^1].CreatedAt, batches[^1].Id) : null;
        Paging.LinkNext(context, next);

        string[] ids = [.. batches.Select(b => b.Id)];
        var states = ids.Length == 0 ? [] : await database.QueryAsync<StatusCount>(Counts(database), new { tenant, ids }, context.RequestAborted);
        context.Response.Headers.CacheControl = "private, no-store";
        return Results.Json(new BatchPage([.. batches.Select(b => Summary(b, states.Where(s => s.Batch == b.Id).ToDictionary(s => s.Status, s => (int)s.Count)))], next), PlatformJson.Options);
    }

    /// <summary>How many of each batch are in each state: of the page's batches, not of all that the tenant or others submitted meanwhile.</summary>
    internal static string Counts(PlatformDatabase database) => $"""
        SELECT batch_id AS "Batch", status AS "Status", count(*) AS "Count" FROM analyses
        WHERE {database.IsOneOf("batch_id", "ids")} AND batch_id IS NOT NULL AND {PlatformDatabase.Unindexed("tenant")} = @tenant GROUP BY batch_id, status
        """;

    private static BatchSummary Summary(BatchRecord batch, Dictionary<string, int> states)
    {
        var empty = BatchDocuments.From(batch, []);
        return new BatchSummary(empty.Id, empty.Status, empty.CreatedAt, empty.CompletedAt, empty.Counts with
        {
            Queued = states.GetValueOrDefault(AnalysisStatuses.Queued),
            Running = states.GetValueOrDefault(AnalysisStatuses.Running),
            Succeeded = states.GetValueOrDefault(AnalysisStatuses.Succeeded),
            Failed = states.GetValueOrDefault(AnalysisStatuses.Failed),
            Canceled = states.GetValueOrDefault(AnalysisStatuses.Canceled),
        }, empty.Links);
    }

    private static async Task<IResult> GetAsync(string id, HttpContext context, PlatformDatabase database, IAnalysisStore store)
    {
        var (batch, analyses) = await FindAsync(id, context, database, store);
        context.Response.Headers.CacheControl = "private, no-cache";
        return Results.Json(BatchDocuments.From(batch, analyses), PlatformJson.Options);
    }

    private static async Task<IResult> ResultsAsync(string id, HttpContext context, PlatformDatabase database, IAnalysisStore store)
    {
        var (batch, analyses) = await FindAsync(id, context, database, store);
        var byId = analyses.ToDictionary(a => a.Id, AnalysisDocuments.From, StringComparer.Ordinal);
        var text = new StringBuilder(Csv.Row("index", "filename", "url", "analysis_id", "status", "verdict", "score", "confidence", "kind", "manipulated_area", "error_code", "error_detail", "warnings"));
        foreach (var item in BatchDocuments.From(batch, analyses).Items)
        {
            var a = item.AnalysisId is null ? null : byId[item.AnalysisId];
            text.Append(Csv.Row(
                item.Index, item.Filename, item.Url, item.AnalysisId, item.Status, item.Verdict, item.Score, a?.Confidence, a?.Kind, a?.ManipulatedArea, item.Error?.Code, item.Error?.Detail,
                a is null ? null : string.Join(" ", a.Warnings)));
        }

        return Results.File(Encoding.UTF8.GetBytes(text.ToString()), Csv.ContentType, $"{id}.csv");
    }

    private static async Task<(BatchRecord Batch, IReadOnlyList<AnalysisRecord> Analyses)> FindAsync(string id, HttpContext context, PlatformDatabase database, IAnalysisStore store)
    {
        string tenant = TenantContext.Of(context).Tenant;
        var row = await database.QueryFirstAsync<BatchRow>($"{BatchRow.Select} WHERE id = @id AND tenant = @tenant", new { id, tenant }, context.RequestAborted)
            ?? throw ApiException.NotFound("batch");
        return (row.Open(), await store.BatchAsync(tenant, id, context.RequestAborted));
    }

    private sealed class StatusCount
    {
        public string Batch { get; set; } = "";

        public string Status { get; set; } = "";

        public long Count { get; set; }
    }
}

/// <summary>A batch without its items.</summary>
internal sealed record BatchSummary(string Id, string Status, DateTimeOffset CreatedAt, DateTimeOffset? CompletedAt, BatchCounts Counts, BatchLinks Links);

/// <summary>A page of batches.</summary>
internal sealed record BatchPage(IReadOnlyList<BatchSummary> Items, string? NextCursor);
