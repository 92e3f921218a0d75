using System.Text;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>A moderator's judgement of an analysis.</summary>
/// <param name="Label">real or fake.</param>
/// <param name="Note">Free text, up to 2,000 characters.</param>
internal sealed record FeedbackRequest(string? Label, string? Note);

/// <summary>A kept judgement.</summary>
internal sealed record FeedbackDocument(string AnalysisId, string Label, string? Note, DateTimeOffset CreatedAt);

/// <summary>
/// Feedback, and its export as a labelled set for <c>eval</c>: CSV alone, or a zip of manifest and pictures that <c>eval --data</c> reads after unpacking.
/// </summary>
internal static class FeedbackEndpoints
{
    private const int LongestNote = 2_000;

    private const string Columns = """SELECT f.analysis_id AS "AnalysisId", f.label AS "Label", f.note AS "Note", f.created_at AS "CreatedAt" FROM feedback f WHERE f.tenant = @tenant """;

    private const string Rows = Columns + "ORDER BY f.created_at, f.analysis_id";

    private const string OfOne = Columns + "AND f.analysis_id = @id";

    public static void MapFeedback(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/analyses/{id}/feedback", PostAsync).WithName("giveFeedback").WithTags("Feedback").WithSummary("Say what the picture really is").Produces<FeedbackDocument>();
        routes.MapGet("/analyses/{id}/feedback", GetAsync).WithName("getFeedback").WithTags("Feedback").WithSummary("The judgement kept of one analysis; 204 when there is none").Produces<FeedbackDocument>();
        routes.MapGet("/feedback", ExportAsync).WithName("exportFeedback").WithTags("Feedback")
            .WithSummary("All feedback as an eval manifest (CSV); '?format=zip' with the pictures, '?format=json' as a list").Produces<string>(200, "text/csv");
    }

    private static async Task<IResult> PostAsync(string id, FeedbackRequest request, HttpContext context, IAnalysisStore store, PlatformDatabase database, TimeProvider time)
    {
        var record = await store.FindForAsync(context, id);
        if (request.Label is not ("real" or "fake"))
        {
            throw ApiException.InvalidOption("label", "label is 'real' or 'fake'.");
        }

        if (request.Note is { } note && (note.Length > LongestNote || note.Contains('\0')))
        {
            throw ApiException.InvalidOption("note", $"note has at most {LongestNote} characters, none of them U+0000.");
        }

        var now = time.GetUtcNow();
        await database.ExecuteAsync(
            """
            INSERT INTO feedback (analysis_id, tenant, label, note, created_at) VALUES (@id, @tenant, @label, @note, @now)
            ON CONFLICT (analysis_id, tenant) DO UPDATE SET label = excluded.label, note = excluded.note, created_at = excluded.created_at
            """,
            new { id, tenant = record.Tenant, label = request.Label, note = request.Note, now = now.ToUnixTimeMilliseconds() }, context.RequestAborted);
        return Results.Json(new FeedbackDocument(id, request.Label, request.Note, now), PlatformJson.Options);
    }

    private static async Task<IResult> GetAsync(string id, HttpContext context, IAnalysisStore store, PlatformDatabase database)
    {
        var record = await store.FindForAsync(context, id);
        var row = (await database.QueryAsync<FeedbackRow>(OfOne, new { tenant = record.Tenant, id }, context.RequestAborted)).SingleOrDefault();
        // None is an ordinary answer, not an error: most analyses are never judged.
        return row is null ? Results.NoContent() : Results.Json(row.ToDocument(), PlatformJson.Options);
    }

    private static async Task<IResult> ExportAsync(HttpContext context, PlatformDatabase database, FeedbackExport export, string? format)
    {
        string tenant = TenantContext.Of(context).Tenant;
        var rows = await database.QueryAsync<FeedbackRow>(Rows, new { tenant }, context.RequestAborted);
        context.Response.Headers.CacheControl = "private, no-store";
        switch (format)
        {
            case "json":
                return Results.Json(new { items = rows.Select(r => r.ToDocument()) }, PlatformJson.Options);
            case null or "" or "csv":
                return Results.File(Encoding.UTF8.GetBytes(await export.CsvAsync(tenant, rows, context.RequestAborted)), Csv.ContentType, "feedback.csv");
            case "zip":
                return Results.Stream(_ => export.SendZipAsync(context, tenant, rows), "application/zip", "feedback.zip");
            default:
                throw ApiException.InvalidOption("format", "format is csv, json or zip.");
        }
    }
}
