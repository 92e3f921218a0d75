using System.Collections.Concurrent;
using System.Text.Json;
using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Imaging;
using Palimpsest.Imaging.Protocol;
using Palimpsest.Imaging.Rendering;

namespace Palimpsest.Reporting;

/// <summary>
/// The evidence of finished analyses: made when first asked for and kept beside the analysis' other blobs (<c>evidence-{name}</c>, <c>evidence-{name}-map</c>). The upload is decoded again,
/// in a decoder process.
/// </summary>
internal sealed partial class EvidenceBook(
    IBlobStore blobs, IAnalysisStore store, EvidenceDecoders decoders, NearDuplicates duplicates, RenderedImages rendered, EvidenceOptions options, TimeProvider time, ILogger<EvidenceBook> log)
    : IDisposable
{
    /// <summary>Of the methods: what an older one found is made again.</summary>
    private const int Version = 1;

    private readonly ConcurrentDictionary<string, Lazy<Task<EvidenceDocument>>> making = new(StringComparer.Ordinal);

    private readonly Turns turns = new(
        options.AtOnce, options.AtOncePerTenant, TimeSpan.FromSeconds(options.WaitSeconds), "Too much evidence is being made. Ask again later: what has been made by then is kept.");

    /// <summary>All evidence in the order of the listing.</summary>
    /// <param name="record">Succeeded and not erased.</param>
    /// <param name="make">Make what has not been made; otherwise it stays <c>available</c>.</param>
    /// <param name="cancellationToken">Stops waiting; what is being made is finished.</param>
    public async Task<IReadOnlyList<EvidenceDocument>> ListAsync(AnalysisRecord record, bool make, CancellationToken cancellationToken)
    {
        var items = new List<EvidenceDocument>();
        foreach (var item in EvidenceCatalogue.List(record, Self(record)))
        {
            items.Add(item.State != EvidenceStates.Available ? item
                : make ? await GetAsync(record, item, cancellationToken)
                : await KeptAsync(record, item, cancellationToken) ?? item);
        }

        return items;
    }

    /// <summary>One kind; null when the analysis has no such.</summary>
    public async Task<EvidenceDocument?> FindAsync(AnalysisRecord record, string name, CancellationToken cancellationToken) =>
        EvidenceCatalogue.List(record, Self(record)).FirstOrDefault(i => i.Name == name) is not { } item ? null
        : item.State == EvidenceStates.Available ? await GetAsync(record, item, cancellationToken) : item;

    /// <summary>The map of one kind as PNG; null when there is none.</summary>
    /// <exception cref="BlobNotFoundException">Erased meanwhile.</exception>
    public async Task<byte[]?> MapAsync(AnalysisRecord record, string name, int? maxSide, CancellationToken cancellationToken)
    {
        if (await FindAsync(record, name, cancellationToken) is not { Map: not null, Legend: { } legend } item)
        {
            return null;
        }

        return await rendered.GetAsync(record.Id, $"evidence-{name}-{maxSide}", async () =>
        {
            var geometry = (await blobs.ReadFactsAsync(record.Findings.Facts?.Key ?? throw new BlobNotFoundException(record.Id + "/facts"), cancellationToken)).Geometry;
            var levels = await blobs.ReadMapAsync(BlobKeys.EvidenceMap(record.Id, name), cancellationToken);
            // Evidence is made at the stored size, whatever size the networks saw.
            geometry = geometry with { AnalysedWidth = geometry.StoredWidth, AnalysedHeight = geometry.StoredHeight };
            return EvidenceRenderer.RenderPng(levels, geometry, legend, item.Pairs, maxSide);
        });
    }

    private async Task<EvidenceDocument> GetAsync(AnalysisRecord record, EvidenceDocument item, CancellationToken cancellationToken)
    {
        // Near-duplicates are looked up each time: there may be new ones.
        if (item.Name == EvidenceNames.Hash)
        {
            return await duplicates.LookAsync(record, item, cancellationToken);
        }

        if (await KeptAsync(record, item, cancellationToken) is { } kept)
        {
            return kept;
        }

        // Whoever asks for the same meanwhile waits for the same; it is finished even when all of them leave. Hence turns: leaving makes the queue no shorter.
        string key = BlobKeys.Evidence(record.Id, item.Name);
        if (!making.TryGetValue(key, out var made))
        {
            var turn = await turns.TakeAsync(record.Tenant, cancellationToken);
            var mine = new Lazy<Task<EvidenceDocument>>(() => MakeAsync(turn, key, record, item));
            made = making.GetOrAdd(key, mine);
            if (made != mine)
            {
                turn.Dispose();
            }
        }

        return await made.Value.WaitAsync(cancellationToken);
    }

    public void Dispose() => turns.Dispose();

    private async Task<EvidenceDocument?> KeptAsync(AnalysisRecord record, EvidenceDocument item, CancellationToken cancellationToken)
    {
        try
        {
            await using var stream = await blobs.OpenReadAsync(BlobKeys.Evidence(record.Id, item.Name), cancellationToken);
            var kept = await JsonSerializer.DeserializeAsync<Kept>(stream, PlatformJson.Options, cancellationToken);
            return kept?.Version == Version ? Fill(item, kept.Answer, kept.DurationMs) : null;
        }
        catch (BlobNotFoundException)
        {
            return null;
        }
    }

    private async Task<EvidenceDocument> MakeAsync(IDisposable turn, string key, AnalysisRecord record, EvidenceDocument item)
    {
        using var held = turn;
        await Task.Yield(); // the entry is there before it can be removed
        string output = blobs.CreateTemporaryPath();
        long start = time.GetTimestamp();
        try
        {
            if (await KeptAsync(record, item, default) is { } kept)
            {
                return kept; // made while this waited for its turn
            }

            using var span = PlatformTelemetry.Source.StartActivity("evidence");
            span?.SetTag("palimpsest.evidence", item.Name);
            using var upload = await blobs.OpenLocalAsync(record.Request.Upload.Key, default);
            var (answer, refusal) = await decoders.Pool.EvidenceAsync(upload.Path, output, item.Name, default);
            if (answer is null)
            {
                return Failed(item, refusal!.Detail);
            }

            var made = new Kept(Version, answer, Math.Round(time.GetElapsedTime(start).TotalMilliseconds, 1));
            if (answer.HasMap)
            {
                await blobs.PutFileAsync(BlobKeys.EvidenceMap(record.Id, item.Name), output, default);
            }

            using var json = new MemoryStream(JsonSerializer.SerializeToUtf8Bytes(made, PlatformJson.Options), writable: false);
            await blobs.PutAsync(BlobKeys.Evidence(record.Id, item.Name), json, default);
            return await GoneAsync(record) ? throw new BlobNotFoundException(record.Id) : Fill(item, answer, made.DurationMs);
        }
        catch (IOException e)
        {
            LogFailed(item.Name, record.Id, e.Message);
            return Failed(item, "It could not be made now; try again.");
        }
        finally
        {
            making.TryRemove(key, out _);
            File.Delete(output);
        }
    }

    /// <summary>Erased while evidence was made: what was written since goes as well.</summary>
    private async Task<bool> GoneAsync(AnalysisRecord record)
    {
        if (await store.LoadAsync(record.Id, default) is { ErasedAt: null })
        {
            return false;
        }

        await blobs.DeleteAnalysisAsync(record.Id, default);
        return true;
    }

    private static EvidenceDocument Fill(EvidenceDocument item, EvidenceAnswer answer, double duration) => item with
    {
        State = answer.State,
        Finding = answer.Finding,
        Summary = answer.Summary,
        Facts = answer.Facts,
        Regions = answer.Regions,
        Pairs = answer.Pairs,
        Map = answer.HasMap ? item.Map : null,
        Legend = answer.HasMap ? item.Legend : null,
        DurationMs = duration,
    };

    private static EvidenceDocument Failed(EvidenceDocument item, string why) => item with { State = EvidenceStates.Error, Summary = why, Map = null, Legend = null };

    private static string Self(AnalysisRecord record) => "/v1/analyses/" + record.Id;

    [LoggerMessage(Level = LogLevel.Error, Message = "Evidence {Name} of {AnalysisId} could not be made: {Reason}")]
    private partial void LogFailed(string name, string analysisId, string reason);

    /// <summary>As it is stored.</summary>
    private sealed record Kept(int Version, EvidenceAnswer Answer, double DurationMs);
}
