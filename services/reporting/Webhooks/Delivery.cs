namespace Palimpsest.Reporting.Webhooks;

/// <summary>One claimed row with what is needed to send it.</summary>
internal sealed class Delivery
{
    public string Id { get; set; } = "";

    public string Tenant { get; set; } = "";

    public string? EndpointId { get; set; }

    public string? AnalysisId { get; set; }

    public string Url { get; set; } = "";

    public string Target { get; set; } = "";

    public string Event { get; set; } = "";

    public string Body { get; set; } = "";

    public string? Traceparent { get; set; }

    public long Attempts { get; set; }

    public string History { get; set; } = "[]";

    /// <summary>The tenant's default secret.</summary>
    public string? TenantSecret { get; set; }

    /// <summary>The endpoint's secret; null when the endpoint is gone.</summary>
    public string? Secret { get; set; }

    public string? PreviousSecret { get; set; }

    public long? PreviousUntil { get; set; }

    public long? DisabledAt { get; set; }

    public long? FailingSince { get; set; }

    /// <summary>Secrets to sign with at a time; none: there is nobody to sign for any more.</summary>
    public IReadOnlyList<string> SecretsAt(DateTimeOffset now)
    {
        if (EndpointId is null)
        {
            return TenantSecret is null ? [] : [TenantSecret];
        }

        return Secret is null ? []
            : PreviousSecret is not null && PreviousUntil > now.ToUnixTimeMilliseconds() ? [Secret, PreviousSecret]
            : [Secret];
    }
}

/// <summary>What came of one attempt.</summary>
internal sealed record AttemptOutcome
{
    public const string Delivered = "delivered", Retry = "retry", Failed = "failed", Gone = "gone", Refused = "refused";

    /// <summary>One of the above; also the metric's label.</summary>
    public required string Kind { get; init; }

    /// <summary>HTTP status; null: no answer.</summary>
    public int? Status { get; init; }

    /// <summary>Why not delivered.</summary>
    public string? Error { get; init; }

    /// <summary>What the receiver asked for.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>429, 502 and 504: the receiver has too much to do; hold everything else for it, too.</summary>
    public bool Throttle { get; init; }
}
