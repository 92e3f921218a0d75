using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>Look-ups on behalf of a client: always by (tenant, id), so that somebody else's analysis does not exist.</summary>
internal static class AnalysisAccess
{
    /// <summary>The caller's analysis.</summary>
    /// <param name="store">All of them.</param>
    /// <param name="context">Says who asks.</param>
    /// <param name="id">The analysis.</param>
    /// <param name="canceled">Also one that was deleted before it ended: whoever waits for it must learn that.</param>
    /// <exception cref="ApiException">404 not there or not the caller's; 410 deleted.</exception>
    public static async Task<AnalysisRecord> FindForAsync(this IAnalysisStore store, HttpContext context, string id, bool canceled = false)
    {
        var record = await store.FindAsync(TenantContext.Of(context).Tenant, id, context.RequestAborted) ?? throw ApiException.NotFound("analysis");
        return record.Findings.Deleted && !(canceled && record.Status == AnalysisStatuses.Canceled) ? throw new ApiException(StatusCodes.Status410Gone, ErrorCodes.Erased, "This analysis was deleted.") : record;
    }

    /// <summary>The caller's analysis with its report and pictures.</summary>
    /// <exception cref="ApiException">404, 410 erased, 409 not finished or failed.</exception>
    public static async Task<AnalysisRecord> FindReportAsync(this IAnalysisStore store, HttpContext context, string id)
    {
        var record = await store.FindForAsync(context, id);
        if (record.ErasedAt is not null)
        {
            throw PicturesErased();
        }

        return record.Status switch
        {
            AnalysisStatuses.Succeeded => record,
            AnalysisStatuses.Failed => throw new ApiException(StatusCodes.Status409Conflict, ErrorCodes.Conflict, $"This analysis failed, there is nothing to show: {record.Findings.Error?.Detail}"),
            _ => throw NotFinished(),
        };
    }

    /// <summary>409: come back later.</summary>
    public static ApiException NotFinished() =>
        new(StatusCodes.Status409Conflict, ErrorCodes.Conflict, "This analysis has not finished yet; wait for status 'succeeded'.") { RetryAfterSeconds = 1 };

    /// <summary>410: the pictures are gone, the numbers are not.</summary>
    public static ApiException PicturesErased() =>
        new(StatusCodes.Status410Gone, ErrorCodes.Erased, "Image and masks of this analysis were erased after their retention time; its numbers are still there.");
}
