using System.Collections.Concurrent;
using System.Net;
using System.Text.Json.Nodes;
using Palimpsest.Contracts;
using Palimpsest.Local.Client;

namespace Palimpsest.IntegrationTests.Ledger;

/// <summary>What a submission is made of, and so how it has to end.</summary>
internal enum Kind
{
    /// <summary>Accepted, and succeeded with the mask of a quiet run.</summary>
    Sound,

    /// <summary>Accepted, and failed with a typed error.</summary>
    Poison,

    /// <summary>Refused with 4xx.</summary>
    NoPicture,
}

/// <summary>One submission as the client knows it.</summary>
/// <param name="Number">Travels in its metadata, so that the database can be asked how many analyses it became.</param>
/// <param name="Kind">What it is.</param>
/// <param name="AnalysisId">From the 202; null: refused.</param>
internal sealed record Entry(int Number, Kind Kind, string? AnalysisId);

/// <summary>
/// The client's side of the ledger. Submits as a careful client does, with one Idempotency-Key and again until there is an answer, and writes down every answer it got.
/// </summary>
internal sealed class LedgerBook(PalimpsestClient client, LedgerPictures pictures, Uri webhook)
{
    private const int PoisonEvery = 20, NoPictureEvery = 50;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);

    private readonly ConcurrentDictionary<int, Entry> entries = new();
    private readonly ConcurrentDictionary<int, int> statuses = new();
    private int submitted;
    private int unanswered;

    public IReadOnlyCollection<Entry> Entries => [.. entries.Values];

    /// <summary>Answers other than 202, by status, over all attempts.</summary>
    public IReadOnlyDictionary<int, int> Refusals => statuses;

    /// <summary>Attempts that got no answer at all: the gateway was dead, or the connection broke.</summary>
    public int Unanswered => unanswered;

    /// <summary>What number <paramref name="number"/> is.</summary>
    public static Kind KindOf(int number) => number % NoPictureEvery == NoPictureEvery - 1 ? Kind.NoPicture : number % PoisonEvery == PoisonEvery - 1 ? Kind.Poison : Kind.Sound;

    /// <summary>Submits the next picture.</summary>
    /// <exception cref="TimeoutException">No final answer.</exception>
    public async Task<Entry> SubmitNextAsync()
    {
        int number = Interlocked.Increment(ref submitted) - 1;
        var kind = KindOf(number);
        byte[] bytes = kind switch { Kind.Sound => pictures.Sound(number), Kind.Poison => pictures.Poison(number), _ => LedgerPictures.Text(number) };
        var options = new SubmitOptions { Analysis = LedgerPictures.Options(number), CallbackUrl = webhook, IdempotencyKey = Guid.NewGuid().ToString("n"), Metadata = new JsonObject { ["number"] = number } };
        long start = Environment.TickCount64;
        while (Environment.TickCount64 - start < Patience.TotalMilliseconds)
        {
            try
            {
                return entries[number] = new Entry(number, kind, (await client.SubmitAsync(new MemoryStream(bytes), $"{number}.jpg", options)).Id);
            }
            catch (PalimpsestProblemException refused)
            {
                statuses.AddOrUpdate((int)refused.Status, 1, (_, count) => count + 1);
                if (IsFinal(refused))
                {
                    return entries[number] = new Entry(number, kind, null);
                }
            }
            catch (Exception e) when (e is HttpRequestException or TaskCanceledException or IOException)
            {
                Interlocked.Increment(ref unanswered);
            }

            await Task.Delay(Pause);
        }

        throw new TimeoutException($"Submission {number} had no final answer within {Patience.TotalMinutes} minutes; answers so far: {string.Join(", ", statuses)}.");
    }

    /// <summary>Waits, through the API, until an analysis has ended, whatever the platform goes through meanwhile.</summary>
    public async Task<AnalysisDocument> EndedAsync(string id)
    {
        long start = Environment.TickCount64;
        while (true)
        {
            try
            {
                var document = await client.GetAsync(id);
                if (AnalysisStatuses.IsTerminal(document.Status))
                {
                    return document;
                }

                (Environment.TickCount64 - start < Patience.TotalMilliseconds).ShouldBeTrue($"{id} is still {document.Status} ({document.Progress.Stage})");
            }
            catch (Exception e) when (e is HttpRequestException or TaskCanceledException or IOException or PalimpsestProblemException { Status: HttpStatusCode.ServiceUnavailable or HttpStatusCode.TooManyRequests }
                && Environment.TickCount64 - start < Patience.TotalMilliseconds)
            {
                // The gateway or reporting is on its way back.
            }

            await Task.Delay(Pause);
        }
    }

    private static bool IsFinal(PalimpsestProblemException refused) =>
        (int)refused.Status is >= 400 and < 500 && refused.Status != HttpStatusCode.TooManyRequests && refused.Code != ErrorCodes.IdempotencyInFlight;
}
