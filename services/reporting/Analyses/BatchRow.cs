using System.Text.Json;
using System.Text.Json.Nodes;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>A row of <c>batches</c> as Dapper sees it.</summary>
internal sealed class BatchRow
{
    public const string Select = """
        SELECT id AS "Id", tenant AS "Tenant", created_at AS "CreatedAt", completed_at AS "CompletedAt", total AS "Total", callback_url AS "CallbackUrl",
               metadata AS "Metadata", rejected AS "Rejected" FROM batches
        """;

    public string Id { get; set; } = "";

    public string Tenant { get; set; } = "";

    public long CreatedAt { get; set; }

    public long? CompletedAt { get; set; }

    public long Total { get; set; }

    public string? CallbackUrl { get; set; }

    public string? Metadata { get; set; }

    public string Rejected { get; set; } = "[]";

    public BatchRecord Open() => new()
    {
        Id = Id,
        Tenant = Tenant,
        CreatedAt = DateTimeOffset.FromUnixTimeMilliseconds(CreatedAt),
        CompletedAt = CompletedAt is { } at ? DateTimeOffset.FromUnixTimeMilliseconds(at) : null,
        Total = (int)Total,
        CallbackUrl = CallbackUrl,
        Metadata = Metadata is { Length: > 0 } ? JsonSerializer.Deserialize<JsonObject>(Metadata, PlatformJson.Options) : null,
        Rejected = JsonSerializer.Deserialize<List<RejectedItem>>(Rejected, PlatformJson.Options) ?? [],
    };
}
