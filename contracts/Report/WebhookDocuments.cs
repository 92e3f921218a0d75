namespace Palimpsest.Contracts;

/// <summary>A place that gets webhooks, as the API shows it.</summary>
public sealed record WebhookEndpointDocument
{
    /// <summary><c>we_…</c>.</summary>
    public required string Id { get; init; }

    /// <summary>Where events are posted.</summary>
    public required string Url { get; init; }

    /// <summary>The tenant's own words.</summary>
    public string? Description { get; init; }

    /// <summary>Event types it takes; empty: all.</summary>
    public required IReadOnlyList<string> Events { get; init; }

    /// <summary>False after 410, after five days of failure, or on request.</summary>
    public required bool Enabled { get; init; }

    /// <summary>Why it is disabled.</summary>
    public string? DisabledReason { get; init; }

    /// <summary>When it was disabled.</summary>
    public DateTimeOffset? DisabledAt { get; init; }

    /// <summary>Since when every attempt has failed; null: the last one succeeded.</summary>
    public DateTimeOffset? FailingSince { get; init; }

    /// <summary>When it was created.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>The signing secret, <c>whsec_…</c>: only in the answers to creation and rotation.</summary>
    public string? Secret { get; init; }

    /// <summary>Until when deliveries carry a second signature by the previous secret.</summary>
    public DateTimeOffset? PreviousSecretExpiresAt { get; init; }
}

/// <summary>One line of the delivery log.</summary>
public sealed record WebhookDeliveryDocument
{
    /// <summary><c>wd_…</c>, the <c>webhook-id</c> of every attempt.</summary>
    public required string Id { get; init; }

    /// <summary>The endpoint; null: the submission's own <c>callback_url</c>.</summary>
    public string? EndpointId { get; init; }

    /// <summary>The analysis it is about.</summary>
    public string? AnalysisId { get; init; }

    /// <summary>The batch it is about.</summary>
    public string? BatchId { get; init; }

    /// <summary>Where it goes, without query.</summary>
    public required string Url { get; init; }

    /// <summary>Event type.</summary>
    public required string Event { get; init; }

    /// <summary>pending, delivered or failed.</summary>
    public required string State { get; init; }

    /// <summary>Attempts made on the present schedule.</summary>
    public required int Attempts { get; init; }

    /// <summary>When the next attempt is due; null when there is none.</summary>
    public DateTimeOffset? NextAttemptAt { get; init; }

    /// <summary>When it was scheduled.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When a 2xx came.</summary>
    public DateTimeOffset? DeliveredAt { get; init; }

    /// <summary>HTTP status of the last attempt; null: there was no answer.</summary>
    public int? LastStatus { get; init; }

    /// <summary>Why the last attempt failed.</summary>
    public string? LastError { get; init; }

    /// <summary>The last attempts, oldest first.</summary>
    public IReadOnlyList<WebhookAttemptDocument> History { get; init; } = [];

    /// <summary>The body as sent; only when one delivery is asked for.</summary>
    public string? Body { get; init; }
}

/// <summary>One attempt.</summary>
public sealed record WebhookAttemptDocument
{
    /// <summary>When it began.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>HTTP status; null: there was no answer.</summary>
    public int? Status { get; init; }

    /// <summary>Why it failed; null: it did not.</summary>
    public string? Error { get; init; }

    /// <summary>How long it took, milliseconds.</summary>
    public required double DurationMs { get; init; }
}
