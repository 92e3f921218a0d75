using Microsoft.Extensions.Logging.Abstractions;
using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Imaging;
using Palimpsest.Reporting;

namespace Palimpsest.Tests.Reporting;

/// <summary>The look among what the tenant submitted before.</summary>
public sealed class NearDuplicatesTests : IAsyncLifetime
{
    private const ulong Hash = 0x0123_4567_89AB_CDEF;

    private readonly string folder = Directory.CreateTempSubdirectory("palimpsest-").FullName;
    private PlatformDatabase database = null!;
    private NearDuplicates duplicates = null!;

    public async Task InitializeAsync()
    {
        database = new PlatformDatabase(new PlatformSettings { ServiceName = "test", DataDirectory = folder, ModelsDirectory = folder });
        duplicates = new NearDuplicates(database, null!, null!, new EvidenceOptions(), NullLogger<NearDuplicates>.Instance);
        await new SchemaMigrator(database, TimeProvider.System, NullLogger<SchemaMigrator>.Instance).StartAsync(default);
    }

    public async Task DisposeAsync()
    {
        await database.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task The_nearest_then_the_newest_before_it_are_shown_however_often_the_picture_came()
    {
        // 400 of the same picture before and 400 after it, 40 with one bit changed, 40 with eight.
        await AddAsync(1, 400, Hash);
        await AddAsync(401, 440, Hash ^ 1);
        await AddAsync(441, 480, Hash ^ 0xFF);
        await AddAsync(500, 500, Hash);
        await AddAsync(501, 900, Hash);
        await database.ExecuteAsync("UPDATE analyses SET erased_at = 1 WHERE id = 'an_000400'", null, default);
        (await LookAsync(500)).ShouldBe(Enumerable.Range(0, 10).Select(i => ($"an_{399 - i:000000}", 0)));
        (await LookAsync(3)).ShouldBe([("an_000002", 0), ("an_000001", 0)]);

        await database.ExecuteAsync("DELETE FROM perceptual_hashes WHERE analysis_id < 'an_000398'", null, default);
        (await LookAsync(500)).ShouldBe([("an_000399", 0), ("an_000398", 0), .. Enumerable.Range(0, 8).Select(i => ($"an_{440 - i:000000}", 1))]);
    }

    [Fact]
    public async Task A_hash_that_is_known_is_kept_without_a_look_at_the_pixels()
    {
        await AddAsync(1, 2, Hash);
        await database.ExecuteAsync("DELETE FROM perceptual_hashes", null, default);
        var ended = A.Record("an_000001") with { Status = AnalysisStatuses.Succeeded };
        await duplicates.RememberAsync(ended, PerceptualHash.ToText(Hash ^ 3), new BlobReference { Key = "none", Bytes = 1 }, default); // there is no store to read from
        await duplicates.RememberAsync(ended with { Id = "an_000002", Request = ended.Request with { ZeroRetention = true } }, PerceptualHash.ToText(Hash), new BlobReference { Key = "none", Bytes = 1 }, default);
        (await database.QueryFirstAsync<string>("SELECT hash FROM perceptual_hashes", null, default)).ShouldBe(PerceptualHash.ToText(Hash ^ 3));
    }

    private async Task<IEnumerable<(string, int)>> LookAsync(int number)
    {
        var record = A.Record($"an_{number:000000}") with { CreatedAt = DateTimeOffset.FromUnixTimeMilliseconds(number) };
        var found = await duplicates.LookAsync(record, new EvidenceDocument { Name = EvidenceNames.Hash, Title = "", State = EvidenceStates.Available }, default);
        return found.Similar.Select(s => (s.Id, s.Distance));
    }

    private async Task AddAsync(int first, int last, ulong hash)
    {
        await database.ExecuteAsync(
            """
            WITH RECURSIVE numbers (n) AS (SELECT @first UNION ALL SELECT n + 1 FROM numbers WHERE n < @last)
            INSERT INTO analyses (id, tenant, version, status, stage, stage_since, stage_attempts, created_at, sha256, expires_at, request, findings)
            SELECT printf('an_%06d', n), 'acme', 1, 'succeeded', 'reporting', n, 0, n, '', 0, '{}', '{}' FROM numbers
            """,
            new { first, last }, default);
        await database.ExecuteAsync(
            """
            WITH RECURSIVE numbers (n) AS (SELECT @first UNION ALL SELECT n + 1 FROM numbers WHERE n < @last)
            INSERT INTO perceptual_hashes (analysis_id, tenant, hash, band0, band1, band2, band3) SELECT printf('an_%06d', n), 'acme', @text, @band0, @band1, @band2, @band3 FROM numbers
            """,
            new { first, last, text = PerceptualHash.ToText(hash), band0 = Band(hash, 0), band1 = Band(hash, 1), band2 = Band(hash, 2), band3 = Band(hash, 3) }, default);
    }

    private static int Band(ulong hash, int band) => (int)((hash >> (16 * band)) & 0xFFFF);
}
