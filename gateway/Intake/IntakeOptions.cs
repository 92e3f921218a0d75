using System.ComponentModel.DataAnnotations;

namespace Palimpsest.Gateway;

/// <summary>Section <c>Intake</c>: what is accepted, and how much of it.</summary>
public sealed class IntakeOptions
{
    /// <summary>Section name.</summary>
    public const string Section = "Intake";

    /// <summary>Requests need no key and act for the tenant <c>default</c>. Only over loopback; for one's own machine.</summary>
    public bool NoAuth { get; set; }

    /// <summary>Largest image, bytes.</summary>
    [Range(1, 1L << 30)]
    public long MaxImageBytes { get; set; } = 20L << 20;

    /// <summary>Largest whole batch request, bytes.</summary>
    [Range(1, 1L << 40)]
    public long MaxBatchBytes { get; set; } = 4L << 30;

    /// <summary>Images in one batch.</summary>
    [Range(1, 100_000)]
    public int MaxBatchItems { get; set; } = 1_000;

    /// <summary>Analyses accepted and not finished, of all tenants, above which submissions are answered 503.</summary>
    [Range(1, int.MaxValue)]
    public int MaxPending { get; set; } = 10_000;

    /// <summary>Free space on the blob volume below which submissions are answered 503, bytes: room for the work that was promised.</summary>
    [Range(0, long.MaxValue)]
    public long MinFreeBytes { get; set; } = 1L << 30;

    /// <summary>Days until image and maps are erased.</summary>
    [Range(1, 3_650)]
    public int RetentionDays { get; set; } = 30;

    /// <summary>Seconds until the stalled-work sweep first looks at a new analysis.</summary>
    [Range(1, 3_600)]
    public int FirstDeadlineSeconds { get; set; } = 60;

    /// <summary>Seconds one image may take to arrive.</summary>
    [Range(1, 86_400)]
    public int UploadSeconds { get; set; } = 300;

    /// <summary>Seconds a batch may take to arrive.</summary>
    [Range(1, 86_400)]
    public int BatchSeconds { get; set; } = 1_800;

    /// <summary>Pictures fetched by URL at the same time, by all requests of this process; a quarter of them, at least one, by those of one tenant.</summary>
    [Range(1, 10_000)]
    public int MaxFetches { get; set; } = 64;

    /// <summary>Seconds a submission by URL waits for its turn to be fetched before it is answered 503.</summary>
    [Range(0, 300)]
    public int FetchWaitSeconds { get; set; } = 5;

    /// <summary>Of a tenant's, by one batch.</summary>
    [Range(1, 1_000)]
    public int BatchFetches { get; set; } = 16;

    /// <summary>Seconds for fetching a whole batch; items not fetched by then are rejected.</summary>
    [Range(1, 3_600)]
    public int BatchFetchSeconds { get; set; } = 300;

    /// <summary>Longest <c>Prefer: wait</c>, seconds; longer wishes are cut to it.</summary>
    [Range(0, 600)]
    public int MaxWaitSeconds { get; set; } = 60;

    /// <summary>Hours an Idempotency-Key is remembered.</summary>
    [Range(1, 8_760)]
    public int IdempotencyHours { get; set; } = 24;
}
