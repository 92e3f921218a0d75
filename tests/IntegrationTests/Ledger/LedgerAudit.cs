using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Local.Client;

namespace Palimpsest.IntegrationTests.Ledger;

/// <summary>What the platform's side of the ledger says, held against the client's.</summary>
internal sealed record Account(int Submitted, int Accepted, int Succeeded, int Lost, int Duplicated, int Webhooks, IReadOnlyList<string> Wrong);

/// <summary>Closes the ledger: waits until nothing moves any more, then compares every entry with the record, the masks and the webhooks.</summary>
internal sealed class LedgerAudit(ILedgerPlatform platform, LedgerBook book, LedgerPictures pictures)
{
    // A delivery whose sender died over it is claimed for half a minute more, and the third attempt comes after five.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(7);

    private const int AtOnce = 8;

    /// <summary>Waits until no row, message or delivery is left to be worked on.</summary>
    /// <exception cref="TimeoutException">Something is stuck; says what.</exception>
    public async Task SettleAsync()
    {
        long start = Environment.TickCount64;
        while (true)
        {
            var left = await LeftAsync();
            if (left.Count == 0)
            {
                return;
            }

            // Nobody consumes error queues: what lies there lies there for good.
            bool given = left.TrueForAll(l => l.Contains("_error\t", StringComparison.Ordinal) || l.Contains("_skipped\t", StringComparison.Ordinal));
            if (given || Environment.TickCount64 - start > Patience.TotalMilliseconds)
            {
                throw new TimeoutException("Stuck: " + string.Join("; ", left));
            }

            await Task.Delay(500);
        }
    }

    public async Task<Account> CompareAsync()
    {
        var wrong = new List<string>();
        var rows = (await platform.Database.QueryAsync<Row>("""SELECT id AS "Id", status AS "Status", request AS "Request", findings AS "Findings" FROM analyses""", null, CancellationToken.None))
            .Select(r => r.Open()).ToLookup(r => r.Number);
        var hooks = Hooks();
        var faults = await MaskFaultsAsync(rows);
        int succeeded = 0, lost = 0, duplicated = 0, webhooks = 0;
        foreach (var entry in book.Entries)
        {
            var analyses = rows[entry.Number].ToList();
            if (entry.AnalysisId is null)
            {
                Expect(entry.Kind == Kind.NoPicture && analyses.Count == 0, $"{entry} was refused, and there are {analyses.Count} analyses of it");
                continue;
            }

            duplicated += Math.Max(0, analyses.Count - 1);
            if (analyses.Find(a => a.Id == entry.AnalysisId) is not { } analysis)
            {
                lost++;
                continue;
            }

            string? fault = entry.Kind switch
            {
                Kind.Sound when analysis.Status == AnalysisStatuses.Succeeded => faults[entry.Number],
                Kind.Poison when analysis is { Status: AnalysisStatuses.Failed, Error.Code: ErrorCodes.ImageTruncated or ErrorCodes.ImageCorrupt } => null,
                _ => $"it is {analysis.Status} ({analysis.Error?.Code}: {analysis.Error?.Detail})",
            };
            Expect(fault is null, $"{entry}: {fault}");
            succeeded += entry.Kind == Kind.Sound && fault is null ? 1 : 0;
            var ids = hooks[entry.AnalysisId].Distinct().ToList();
            Expect(ids.Count == 1, $"{entry} was announced under {ids.Count} webhook ids");
            webhooks += entry.Kind == Kind.Sound ? ids.Count : 0;
        }

        int sound = book.Entries.Count(e => e.Kind == Kind.Sound);
        return new Account(sound, book.Entries.Count(e => e is { Kind: Kind.Sound, AnalysisId: not null }), succeeded, lost, duplicated, webhooks, wrong);

        void Expect(bool right, string otherwise)
        {
            if (!right)
            {
                wrong.Add(otherwise);
            }
        }
    }

    /// <summary>Every mask of a sound picture that succeeded, beside the quiet run's; null: none is off. Ten thousand are a minute and a half: the quota is a hundred requests a second.</summary>
    private async Task<IReadOnlyDictionary<int, string?>> MaskFaultsAsync(ILookup<int, Analysis> rows)
    {
        var faults = new ConcurrentDictionary<int, string?>();
        var sound = book.Entries.Where(e => e.Kind == Kind.Sound && rows[e.Number].Any(a => a.Id == e.AnalysisId && a.Status == AnalysisStatuses.Succeeded));
        await Parallel.ForEachAsync(sound, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (entry, _) => faults[entry.Number] = await MaskFaultAsync(entry));
        return faults;
    }

    private async Task<string?> MaskFaultAsync(Entry entry)
    {
        byte[] mask = await MaskAsync(entry.AnalysisId!), quiet = pictures.QuietOf(entry.Number).Mask;
        int difference = mask.AsSpan().SequenceEqual(quiet) ? 0 : Masks.Difference(mask, quiet);
        return difference <= 1 ? null : $"its mask is off by {difference}/255; {pictures.QuietOf(entry.Number).Beside(await platform.Client.GetAsync(entry.AnalysisId!))}";
    }

    /// <summary>Thousands of masks at once are more than a tenant's quota of requests: then as slowly as we are told to.</summary>
    private async Task<byte[]> MaskAsync(string id)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return await platform.Client.MaskAsync(id);
            }
            catch (PalimpsestProblemException e) when (e.Status == HttpStatusCode.TooManyRequests && attempt < 120)
            {
                await Task.Delay(1000);
            }
        }
    }

    private async Task<List<string>> LeftAsync()
    {
        var left = new List<string>();
        await CountAsync("unfinished analyses", "SELECT count(*) FROM analyses WHERE stage_due IS NOT NULL");
        await CountAsync("messages in the outbox", "SELECT count(*) FROM outbox");
        await CountAsync("deliveries to come", "SELECT count(*) FROM webhook_deliveries WHERE state = 'pending'");
        if (left.Count == 0)
        {
            left.AddRange(await platform.LeftAsync());
        }

        return left;

        async Task CountAsync(string what, string sql)
        {
            long count = await platform.Database.QueryFirstAsync<long>(sql, null, CancellationToken.None);
            if (count > 0)
            {
                left.Add($"{count} {what}");
            }
        }
    }

    private ILookup<string, string> Hooks() => platform.Receiver.Deliveries
        .ToLookup(d => JsonDocument.Parse(d.Body).RootElement.GetProperty("data").GetProperty("id").GetString()!, d => d.Id);

    private sealed class Row
    {
        public string Id { get; set; } = "";

        public string Status { get; set; } = "";

        public string Request { get; set; } = "";

        public string Findings { get; set; } = "";

        public Analysis Open() => new(
            Id, JsonSerializer.Deserialize<AnalysisRequest>(Request, PlatformJson.Options)!.Metadata!["number"]!.GetValue<int>(), Status,
            JsonSerializer.Deserialize<AnalysisFindings>(Findings, PlatformJson.Options)!.Error);
    }

    private sealed record Analysis(string Id, int Number, string Status, ErrorDocument? Error);
}
