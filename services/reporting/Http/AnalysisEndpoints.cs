using Microsoft.Net.Http.Headers;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>One analysis: read, delete.</summary>
internal static class AnalysisEndpoints
{
    public static void MapAnalyses(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/analyses/{id}", GetAsync).WithName("getAnalysis").WithTags("Analyses").WithSummary("One analysis: status, verdict, regions, detectors").Produces<AnalysisDocument>();
        routes.MapDelete("/analyses/{id}", DeleteAsync).WithName("deleteAnalysis").WithTags("Analyses").WithSummary("Cancel what has not run; erase image, masks and report").Produces(204);
    }

    private static async Task<IResult> GetAsync(string id, HttpContext context, IAnalysisStore store, ZeroRetention zero)
    {
        var record = await store.FindForAsync(context, id, canceled: true);
        string etag = $"\"{record.Id}.{record.Version}\"";
        context.Response.Headers.ETag = etag;
        context.Response.Headers.CacheControl = "private, no-cache";
        if (context.Request.GetTypedHeaders().IfNoneMatch.Any(t => t.Equals(EntityTagHeaderValue.Any) || t.Tag == etag))
        {
            return Results.StatusCode(StatusCodes.Status304NotModified);
        }

        if (!AnalysisStatuses.IsTerminal(record.Status))
        {
            context.Response.Headers.RetryAfter = "1";
        }
        else if (!HttpMethods.IsHead(context.Request.Method))
        {
            await zero.DeliveredAsync(record, context.RequestAborted);
        }

        return Results.Json(AnalysisDocuments.From(record), PlatformJson.Options);
    }

    /// <summary>Cancels what has not run; erases image, masks and report.</summary>
    private static async Task<IResult> DeleteAsync(string id, HttpContext context, IAnalysisStore store, AnalysisEraser eraser)
    {
        var record = await store.FindAsync(TenantContext.Of(context).Tenant, id, context.RequestAborted) ?? throw ApiException.NotFound("analysis");
        await eraser.EraseAsync(record, new AnalysisDeleted(), context.RequestAborted);
        return Results.NoContent();
    }
}
