using Palimpsest.Contracts;

namespace Palimpsest.Hosting;

/// <summary>
/// Which rows a listing shows. One condition is left to an index, the one that leaves the fewest rows whatever its value; the others are written so that their indexes are not taken
/// instead. SQLite keeps no figures by which it could choose, and PostgreSQL plans once for all values.
/// </summary>
internal static class AnalysisListing
{
    private const string ByVerdict = "tenant = @tenant AND verdict = @verdict";

    // What a client deleted is gone (410). Only one that had not ended is still told of, to whoever asks for the canceled. In JSON no text within a string reads like this.
    private const string Shown = """ AND (erased_at IS NULL OR findings NOT LIKE '%"deleted":true%')""";

    /// <summary>Conditions over the parameters tenant, status, verdict, sha256, at and after.</summary>
    public static string Where(AnalysisFilter filter)
    {
        string served = filter switch
        {
            { Sha256: not null } => "tenant = @tenant AND sha256 = @sha256",
            // No more of them than Intake:MaxPending: sorted in memory.
            { Status: AnalysisStatuses.Queued or AnalysisStatuses.Running } => $"stage_due IS NOT NULL AND {PlatformDatabase.Unindexed("tenant")} = @tenant",
            // A partial index is known by its own words; a parameter could be any status.
            { Status: AnalysisStatuses.Failed or AnalysisStatuses.Canceled } => "tenant = @tenant AND status IN ('failed', 'canceled')",
            { Verdict: not null } => ByVerdict,
            _ => "tenant = @tenant",
        };
        return served + (filter.Status is null ? "" : " AND status = @status")
            + (filter.Verdict is null || served == ByVerdict ? "" : $" AND {PlatformDatabase.Unindexed("verdict")} = @verdict")
            + (filter.Status == AnalysisStatuses.Canceled ? "" : Shown)
            + (filter.After is null ? "" : " AND (created_at, id) < (@at, @after)");
    }
}
