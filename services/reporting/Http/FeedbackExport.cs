using System.IO.Compression;
using System.Text;
using Microsoft.AspNetCore.Http.Features;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>A judgement as it is kept.</summary>
internal sealed class FeedbackRow
{
    public string AnalysisId { get; set; } = "";

    public string Label { get; set; } = "";

    public string? Note { get; set; }

    public long CreatedAt { get; set; }

    public FeedbackDocument ToDocument() => new(AnalysisId, Label, Note, DateTimeOffset.FromUnixTimeMilliseconds(CreatedAt));
}

/// <summary>Judgements as an <c>eval</c> manifest, alone or in a zip with the pictures.</summary>
internal sealed class FeedbackExport(IAnalysisStore store, IBlobStore blobs) : IDisposable
{
    // An archive takes neither memory nor disk, but a thread now and then, and reads all uploads that were judged.
    private const int AtOnce = 4;

    private readonly Turns turns = new(AtOnce, ofOneTenant: 1, TimeSpan.Zero, "Feedback is being exported already. Try again when that is finished.");

    /// <summary>The manifest, of the same pictures as the zip: those that are still there.</summary>
    public async Task<string> CsvAsync(string tenant, IReadOnlyList<FeedbackRow> rows, CancellationToken cancellationToken)
    {
        var csv = new StringBuilder(Header);
        foreach (var row in rows)
        {
            if (await store.FindAsync(tenant, row.AnalysisId, cancellationToken) is { ErasedAt: null } record)
            {
                csv.Append(Line(row, record));
            }
        }

        return csv.ToString();
    }

    /// <summary>
    /// Manifest and pictures straight into the answer. Uploads go out again here, but only inside an archive: never as something a browser would open. What cannot be finished is broken off
    /// before the list of contents, without which no program takes it for whole.
    /// </summary>
    /// <exception cref="ApiException">503 overloaded.</exception>
    public async Task SendZipAsync(HttpContext context, string tenant, IReadOnlyList<FeedbackRow> rows)
    {
        var cancellation = context.RequestAborted;
        using var turn = await turns.TakeAsync(tenant, cancellation);
        // Closing an entry is a short synchronous write (.NET 10). It can hold a thread as long as its reader stops, hence one for each turn at most.
        context.Features.GetRequiredFeature<IHttpBodyControlFeature>().AllowSynchronousIO = true;
        try
        {
            var zip = await ZipArchive.CreateAsync(context.Response.Body, ZipArchiveMode.Create, leaveOpen: true, entryNameEncoding: null, cancellation);
            await PackAsync(zip, tenant, rows, cancellation);
            // Not on the way out of an exception: this writes the list of contents.
            await zip.DisposeAsync();
        }
        catch (Exception) when (context.Response.HasStarted)
        {
            context.Abort();
            throw;
        }
    }

    public void Dispose() => turns.Dispose();

    private static string Header => Csv.Row("image", "mask", "label", "dataset", "kind", "analysis_id", "verdict", "score", "note");

    // No kind: that is what the picture really is, which a moderator was not asked; what the platform took it for must not be read as the truth it is measured by.
    private static string Line(FeedbackRow row, AnalysisRecord record) => Csv.Row(
        ImageName(row, record), "", row.Label == "fake" ? 1 : 0, "feedback", null, row.AnalysisId, record.Findings.Result?.Verdict, record.Findings.Result?.Score, row.Note);

    private static string ImageName(FeedbackRow row, AnalysisRecord record) => $"images/{row.AnalysisId}.{record.Request.Format}";

    private async Task PackAsync(ZipArchive zip, string tenant, IReadOnlyList<FeedbackRow> rows, CancellationToken cancellationToken)
    {
        var csv = new StringBuilder(Header);
        foreach (var row in rows)
        {
            var record = await store.FindAsync(tenant, row.AnalysisId, cancellationToken);
            if (record is null or { ErasedAt: not null })
            {
                continue;
            }

            try
            {
                await using var upload = await blobs.OpenReadAsync(record.Request.Upload.Key, cancellationToken);
                await using var entry = await zip.CreateEntry(ImageName(row, record), CompressionLevel.NoCompression).OpenAsync(cancellationToken);
                await upload.CopyToAsync(entry, cancellationToken);
                csv.Append(Line(row, record));
            }
            catch (BlobNotFoundException)
            {
                // Erased while we pack.
            }
        }

        await using var manifest = await zip.CreateEntry("manifest.csv").OpenAsync(cancellationToken);
        await manifest.WriteAsync(Encoding.UTF8.GetBytes(csv.ToString()), cancellationToken);
    }
}
