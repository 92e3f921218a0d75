using System.Text.Json.Nodes;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>Answers that the gateway keeps for an Idempotency-Key: for a day they would say what an erased analysis no longer does.</summary>
internal sealed class StoredAnswers(PlatformDatabase database)
{
    // By where it leads; else SQLite would look through all of the tenant's.
    private static readonly string Where = $"location = @location AND {PlatformDatabase.Unindexed("tenant")} = @tenant";

    /// <summary>The answers that lead to a place.</summary>
    internal static readonly string Find = $"SELECT key, body FROM idempotency WHERE {Where} AND body IS NOT NULL";

    private static readonly string[] Personal = ["filename", "url", "metadata"];

    /// <summary>
    /// Of a deleted analysis the key goes with the answer. Where only its time is over, and in the answer about its batch, the client's own words go: the key still leads to what it led to.
    /// </summary>
    public async Task EraseAsync(AnalysisRecord record, bool deleted, CancellationToken cancellationToken)
    {
        string location = "/v1/analyses/" + record.Id;
        if (deleted)
        {
            await database.ExecuteAsync($"DELETE FROM idempotency WHERE {Where}", new { location, tenant = record.Tenant }, cancellationToken);
        }
        else
        {
            await BlankAsync(record.Tenant, location, cancellationToken);
        }

        if (record.Request.BatchId is { } batch)
        {
            await BlankAsync(record.Tenant, "/v1/batches/" + batch, cancellationToken);
        }
    }

    private async Task BlankAsync(string tenant, string location, CancellationToken cancellationToken)
    {
        foreach (var (key, body) in await database.QueryAsync<(string Key, string Body)>(Find, new { location, tenant }, cancellationToken))
        {
            var document = JsonNode.Parse(body);
            Blank(document);
            if (document?.ToJsonString(PlatformJson.Options) is { } blank && blank != body)
            {
                await database.ExecuteAsync(
                    "UPDATE idempotency SET body = @blank WHERE tenant = @tenant AND key = @key AND location = @location", new { blank, tenant, key, location }, cancellationToken);
            }
        }
    }

    private static void Blank(JsonNode? node)
    {
        if (node is JsonArray list)
        {
            foreach (var item in list)
            {
                Blank(item);
            }
        }
        else if (node is JsonObject members)
        {
            foreach (string name in members.Select(m => m.Key).ToList())
            {
                if (Personal.Contains(name))
                {
                    members[name] = null;
                }
                else
                {
                    Blank(members[name]);
                }
            }
        }
    }
}
