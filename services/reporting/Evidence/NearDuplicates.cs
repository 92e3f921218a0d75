using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Imaging;

namespace Palimpsest.Reporting;

/// <summary>
/// The tenant's earlier analyses of nearly the same picture, by perceptual hash. Candidates come from an index of four bands of 16 bits (multi-index hashing: M. Norouzi et al., 2012): hashes
/// within <see cref="PerceptualHash.MaxDistance"/> bits have a band that differs in at most one. Never looks across tenants; forgets with the picture.
/// </summary>
internal sealed partial class NearDuplicates(PlatformDatabase database, IBlobStore blobs, EvidenceDecoders decoders, EvidenceOptions options, ILogger<NearDuplicates> log)
{
    private const int Bands = 4;
    private const int Group = 100;

    private const string Insert = """
        INSERT INTO perceptual_hashes (analysis_id, tenant, hash, band0, band1, band2, band3)
        SELECT id, tenant, @hash, @band0, @band1, @band2, @band3 FROM analyses WHERE id = @id AND erased_at IS NULL
        ON CONFLICT (analysis_id) DO NOTHING
        """;

    // One in a thousand of the tenant's pictures has a band in common; few of those are near, and only of them the record is read.
    private readonly string candidates = string.Join(" UNION ", Enumerable.Range(0, Bands).Select(b =>
        $"""SELECT analysis_id AS "Id", hash AS "Hash" FROM perceptual_hashes WHERE tenant = @tenant AND {database.IsOneOf($"band{b}", $"near{b}")}"""));

    private readonly string earlier = $"""
        SELECT id AS "Id", created_at AS "CreatedAt", verdict AS "Verdict" FROM analyses
        WHERE {database.IsOneOf("id", "ids")} AND {PlatformDatabase.Unindexed("tenant")} = @tenant AND erased_at IS NULL AND created_at <= @before
        """;

    /// <summary>Keeps the hash of a picture whose verdict is out; without one, from its prepared pixels. Never fails the analysis.</summary>
    public async Task RememberAsync(AnalysisRecord record, string? hash, BlobReference prepared, CancellationToken cancellationToken)
    {
        if (record is not { Status: AnalysisStatuses.Succeeded, Request.ZeroRetention: false })
        {
            return;
        }

        if (hash is not null)
        {
            await KeepAsync(record, PerceptualHash.FromText(hash), cancellationToken);
            return;
        }

        try
        {
            using var blob = await blobs.OpenLocalAsync(prepared.Key, cancellationToken);
            using var image = PreparedImage.Open(blob.Path);
            await KeepAsync(record, PerceptualHash.Of(image.Pixels, image.Width, image.Height, image.Facts.Geometry.Orientation), cancellationToken);
        }
        catch (Exception e) when (e is BlobNotFoundException or InvalidDataException)
        {
            LogSkipped(record.Id, e.Message);
        }
    }

    /// <summary>Forgets a picture that is erased.</summary>
    public Task ForgetAsync(string analysisId, CancellationToken cancellationToken) =>
        database.ExecuteAsync("DELETE FROM perceptual_hashes WHERE analysis_id = @analysisId", new { analysisId }, cancellationToken);

    /// <summary>The evidence.</summary>
    public async Task<EvidenceDocument> LookAsync(AnalysisRecord record, EvidenceDocument item, CancellationToken cancellationToken)
    {
        string? known = await database.QueryFirstAsync<string>("SELECT hash FROM perceptual_hashes WHERE analysis_id = @id AND tenant = @tenant", new { id = record.Id, tenant = record.Tenant }, cancellationToken);
        if (known is null)
        {
            // Answered from the cache, or older than this table.
            var (hash, why) = await DecodeAsync(record, cancellationToken);
            if (hash is null)
            {
                return item with { State = EvidenceStates.Error, Summary = why };
            }

            known = hash;
            if (!record.Request.ZeroRetention)
            {
                await KeepAsync(record, PerceptualHash.FromText(hash), cancellationToken);
            }
        }

        var similar = await FindAsync(record, PerceptualHash.FromText(known), cancellationToken);
        return item with
        {
            State = EvidenceStates.Completed,
            Finding = similar.Count > 0 ? EvidenceFindings.Notable : EvidenceFindings.NothingUnusual,
            Summary = similar.Count switch
            {
                0 => "Nothing unusual: none of your earlier submissions looks like this one.",
                1 => $"One earlier submission looks nearly the same ({similar[0].Distance} of 64 bits differ).",
                _ => $"{similar.Count} earlier submissions look nearly the same (at best {similar[0].Distance} of 64 bits differ).",
            },
            Facts = [new("Perceptual hash", known), new("Counts as nearly the same", $"at most {PerceptualHash.MaxDistance} of 64 bits differ")],
            Similar = similar,
        };
    }

    private async Task<(string? Hash, string? Why)> DecodeAsync(AnalysisRecord record, CancellationToken cancellationToken)
    {
        string output = blobs.CreateTemporaryPath();
        try
        {
            using var upload = await blobs.OpenLocalAsync(record.Request.Upload.Key, cancellationToken);
            var (answer, refusal) = await decoders.Pool.EvidenceAsync(upload.Path, output, EvidenceNames.Hash, cancellationToken);
            return (answer?.Hash, refusal?.Detail);
        }
        finally
        {
            File.Delete(output);
        }
    }

    private Task KeepAsync(AnalysisRecord record, ulong hash, CancellationToken cancellationToken) => database.ExecuteAsync(
        Insert, new { id = record.Id, hash = PerceptualHash.ToText(hash), band0 = Band(hash, 0), band1 = Band(hash, 1), band2 = Band(hash, 2), band3 = Band(hash, 3) }, cancellationToken, promised: false);

    private async Task<IReadOnlyList<SimilarAnalysis>> FindAsync(AnalysisRecord record, ulong hash, CancellationToken cancellationToken)
    {
        var alike = await database.QueryAsync<Candidate>(
            candidates, new { tenant = record.Tenant, near0 = Near(hash, 0), near1 = Near(hash, 1), near2 = Near(hash, 2), near3 = Near(hash, 3) }, cancellationToken);
        var distances = alike.Where(c => c.Id != record.Id).Select(c => (c.Id, Distance: PerceptualHash.Distance(hash, PerceptualHash.FromText(c.Hash))))
            .Where(c => c.Distance <= PerceptualHash.MaxDistance).ToDictionary(c => c.Id, c => c.Distance, StringComparer.Ordinal);
        // Ids sort by time: the newest of those before this one are asked for first, and mostly it ends there.
        var order = distances.OrderBy(d => d.Value).ThenBy(d => string.CompareOrdinal(d.Key, record.Id) > 0).ThenByDescending(d => d.Key, StringComparer.Ordinal).Select(d => d.Key);
        var found = new List<Row>();
        foreach (string[] ids in order.Chunk(Group))
        {
            found.AddRange(await database.QueryAsync<Row>(earlier, new { ids, tenant = record.Tenant, before = record.CreatedAt.ToUnixTimeMilliseconds() }, cancellationToken));
            if (found.Count >= options.MaxSimilar)
            {
                break;
            }
        }

        return
        [
            .. found.OrderBy(r => distances[r.Id]).ThenByDescending(r => r.CreatedAt).Take(options.MaxSimilar).Select(r => new SimilarAnalysis
            {
                Id = r.Id, Distance = distances[r.Id], CreatedAt = DateTimeOffset.FromUnixTimeMilliseconds(r.CreatedAt), Verdict = r.Verdict, Self = "/v1/analyses/" + r.Id,
            }),
        ];
    }

    private static int Band(ulong hash, int band) => (int)((hash >> (16 * band)) & 0xFFFF);

    /// <summary>The band's value and the sixteen that differ in one bit.</summary>
    private static int[] Near(ulong hash, int band) => [Band(hash, band), .. Enumerable.Range(0, 16).Select(bit => Band(hash, band) ^ (1 << bit))];

    [LoggerMessage(Level = LogLevel.Warning, Message = "No perceptual hash of {AnalysisId}: {Reason}")]
    private partial void LogSkipped(string analysisId, string reason);

    private sealed class Candidate
    {
        public string Id { get; set; } = "";

        public string Hash { get; set; } = "";
    }

    private sealed class Row
    {
        public string Id { get; set; } = "";

        public long CreatedAt { get; set; }

        public string? Verdict { get; set; }
    }
}
