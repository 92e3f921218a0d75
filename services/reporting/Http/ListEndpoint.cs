using System.Text;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>A page of the tenant's analyses, newest first.</summary>
/// <param name="Items">Analyses.</param>
/// <param name="NextCursor">For the next page; null on the last.</param>
internal sealed record AnalysisPage(IReadOnlyList<AnalysisDocument> Items, string? NextCursor);

/// <summary><c>GET /v1/analyses</c>: page by page; as CSV whole unless a limit is given.</summary>
internal static class ListEndpoint
{
    public static void MapList(this IEndpointRouteBuilder routes) => routes.MapGet("/analyses", ListAsync)
        .WithName("listAnalyses").WithTags("Analyses").WithSummary("Your analyses, newest first; 'Accept: text/csv' exports").Produces<AnalysisPage>();

    private static async Task<IResult> ListAsync(HttpContext context, IAnalysisStore store, string? status, string? verdict, string? sha256, string? limit, string? cursor)
    {
        var filter = new AnalysisFilter
        {
            Status = OneOf("status", status, [AnalysisStatuses.Queued, AnalysisStatuses.Running, AnalysisStatuses.Succeeded, AnalysisStatuses.Failed, AnalysisStatuses.Canceled]),
            Verdict = OneOf("verdict", verdict, [Verdicts.LikelyReal, Verdicts.LikelyFake, Verdicts.Uncertain]),
            Sha256 = Hash(sha256),
            After = Paging.Open(cursor),
            Limit = Paging.Limit(limit),
        };
        string tenant = TenantContext.Of(context).Tenant;
        context.Response.Headers.CacheControl = "private, no-store";
        bool csv = WantsCsv(context.Request);
        if (csv && limit is null or "")
        {
            return Results.Stream(body => WriteCsvAsync(body, store, tenant, filter, context.RequestAborted), Csv.ContentType, "analyses.csv");
        }

        var rows = await store.ListAsync(tenant, filter with { Limit = filter.Limit + 1 }, context.RequestAborted);
        string? next = rows.Count > filter.Limit ? Paging.Cursor(rows[filter.Limit - 1].CreatedAt, rows[filter.Limit - 1].Id) : null;
        Paging.LinkNext(context, next);
        var page = rows.Take(filter.Limit).Select(AnalysisDocuments.From);
        return csv
            ? Results.File(Encoding.UTF8.GetBytes(AnalysisRows.Header + string.Concat(page.Select(AnalysisRows.Row))), Csv.ContentType, "analyses.csv")
            : Results.Json(new AnalysisPage([.. page], next), PlatformJson.Options);
    }

    /// <summary>Page by page into the answer, so that an export of any length takes one page of memory.</summary>
    private static async Task WriteCsvAsync(Stream body, IAnalysisStore store, string tenant, AnalysisFilter filter, CancellationToken cancellationToken)
    {
        await using var text = new StreamWriter(body, new UTF8Encoding(false), leaveOpen: true);
        await text.WriteAsync(AnalysisRows.Header);
        var page = filter with { Limit = 500 };
        while (true)
        {
            var rows = await store.ListAsync(tenant, page, cancellationToken);
            foreach (var record in rows)
            {
                await text.WriteAsync(AnalysisRows.Row(AnalysisDocuments.From(record)));
            }

            if (rows.Count < page.Limit)
            {
                break;
            }

            page = page with { After = (rows[^1].CreatedAt, rows[^1].Id) };
        }
    }

    private static bool WantsCsv(HttpRequest request) =>
        request.GetTypedHeaders().Accept.Where(a => a.Quality is not 0).OrderByDescending(a => a.Quality ?? 1)
            .Select(a => a.MediaType.Value).FirstOrDefault(m => m is "text/csv" or "application/json" or "*/*") == "text/csv";

    private static string? OneOf(string field, string? value, string[] allowed) =>
        value is null or "" ? null : allowed.Contains(value) ? value : throw ApiException.InvalidOption(field, $"{field} is one of {string.Join(", ", allowed)}.");

    private static string? Hash(string? value) =>
        value is null or "" ? null
        : value.Length == 64 && value.All(char.IsAsciiHexDigit) ? value.ToLowerInvariant()
        : throw ApiException.InvalidOption("sha256", "sha256 is 64 hex digits.");
}

/// <summary>An analysis as a CSV row.</summary>
internal static class AnalysisRows
{
    public static readonly string Header = Csv.Row(
        "id", "status", "created_at", "completed_at", "filename", "sha256", "format", "width", "height", "bytes", "verdict", "score", "confidence", "kind", "manipulated_area",
        "shallowfake_state", "shallowfake_score", "deepfake_state", "deepfake_score", "calibration_version", "cached", "error_code", "error_detail", "warnings", "models", "trace_id", "evidence");

    public static string Row(AnalysisDocument a)
    {
        var shallow = a.Detectors.FirstOrDefault(d => d.Name == DetectorNames.Shallowfake);
        var deep = a.Detectors.FirstOrDefault(d => d.Name == DetectorNames.Deepfake);
        return Csv.Row(
            a.Id, a.Status, a.CreatedAt, a.CompletedAt, a.Image.Filename, a.Image.Sha256, a.Image.Format, a.Image.Width, a.Image.Height, a.Image.Bytes, a.Verdict, a.Score, a.Confidence, a.Kind,
            a.ManipulatedArea, shallow?.State, shallow?.Score, deep?.State, deep?.Score, a.CalibrationVersion, a.Cached ? "true" : "false", a.Error?.Code, a.Error?.Detail, string.Join(" ", a.Warnings),
            string.Join("; ", a.Detectors.Where(d => d.Model is not null).Select(d => $"{d.Model!.Name} {d.Model.Version}")), a.TraceId,
            string.Join("; ", a.Evidence.Where(e => e.State == EvidenceStates.Completed && e.Finding is not null).Select(e => $"{e.Name}: {e.Finding}")));
    }
}
