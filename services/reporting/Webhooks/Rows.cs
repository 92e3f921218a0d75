using System.Text.Json;
using Palimpsest.Contracts;

namespace Palimpsest.Reporting.Webhooks;

/// <summary>Row of <c>webhook_endpoints</c> as Dapper sees it; never the secret.</summary>
internal sealed class EndpointRow
{
    public string Id { get; set; } = "";

    public string Url { get; set; } = "";

    public string? Description { get; set; }

    public string Events { get; set; } = "";

    public long? PreviousUntil { get; set; }

    public long CreatedAt { get; set; }

    public long? FailingSince { get; set; }

    public long? DisabledAt { get; set; }

    public string? DisabledReason { get; set; }

    public WebhookEndpointDocument Show(DateTimeOffset now) => new()
    {
        Id = Id,
        Url = Url,
        Description = Description,
        Events = Events.Split(' ', StringSplitOptions.RemoveEmptyEntries),
        Enabled = DisabledAt is null,
        DisabledReason = DisabledReason,
        DisabledAt = At(DisabledAt),
        FailingSince = At(FailingSince),
        CreatedAt = DateTimeOffset.FromUnixTimeMilliseconds(CreatedAt),
        PreviousSecretExpiresAt = At(PreviousUntil) is { } until && until > now ? until : null,
    };

    internal static DateTimeOffset? At(long? milliseconds) => milliseconds is { } value ? DateTimeOffset.FromUnixTimeMilliseconds(value) : null;
}

/// <summary>Row of <c>webhook_deliveries</c> as Dapper sees it.</summary>
internal sealed class DeliveryRow
{
    public string Id { get; set; } = "";

    public string? EndpointId { get; set; }

    public string? AnalysisId { get; set; }

    public string? BatchId { get; set; }

    public string Url { get; set; } = "";

    public string Event { get; set; } = "";

    public string Body { get; set; } = "";

    public string State { get; set; } = "";

    public long Attempts { get; set; }

    public long? DueAt { get; set; }

    public long CreatedAt { get; set; }

    public long? DeliveredAt { get; set; }

    public long? LastStatus { get; set; }

    public string? LastError { get; set; }

    public string History { get; set; } = "[]";

    public WebhookDeliveryDocument Show(bool withBody) => new()
    {
        Id = Id,
        EndpointId = EndpointId,
        AnalysisId = AnalysisId,
        BatchId = BatchId,
        // A query often carries the receiver's token.
        Url = Url.Split('?')[0],
        Event = Event,
        State = State,
        Attempts = (int)Attempts,
        NextAttemptAt = EndpointRow.At(DueAt),
        CreatedAt = DateTimeOffset.FromUnixTimeMilliseconds(CreatedAt),
        DeliveredAt = EndpointRow.At(DeliveredAt),
        LastStatus = (int?)LastStatus,
        LastError = LastError,
        History = JsonSerializer.Deserialize<List<WebhookAttemptDocument>>(History, PlatformJson.Options) ?? [],
        Body = withBody ? Body : null,
    };
}
