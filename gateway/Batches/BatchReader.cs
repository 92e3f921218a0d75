using System.Text.Json;
using Microsoft.Extensions.Options;
using Microsoft.Net.Http.Headers;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Gateway;

/// <summary>One item: an image that has arrived, an address to fetch, or the reason why there is none.</summary>
internal sealed class BatchItem(int index) : IDisposable
{
    public int Index => index;

    public string? Filename { get; init; }

    public string? Url { get; init; }

    public string? ShownUrl => Url is null ? null : UrlFetcher.Shown(Url);

    public ReceivedImage? Image { get; set; }

    public ErrorDocument? Error { get; set; }

    /// <summary>What stands for it in the identity of the request.</summary>
    public string Content => Url is null && Image is null ? "refused:" + Error?.Code : RequestHashes.Content(Image, Url);

    public void Dispose() => Image?.Dispose();
}

/// <summary>A batch as read.</summary>
internal sealed class BatchSubmission(SubmissionOptions options, IReadOnlyList<BatchItem> items) : IDisposable
{
    public SubmissionOptions Options => options;

    public IReadOnlyList<BatchItem> Items => items;

    /// <summary>Items come by address.</summary>
    public bool Fetched => items.Any(i => i.Url is not null);

    public void Dispose()
    {
        foreach (var item in items)
        {
            item.Dispose();
        }
    }
}

/// <summary>Reads a batch: a form with several <c>image</c> parts, or JSON with <c>urls</c> or a bare list of them. Options are common to all items.</summary>
internal sealed class BatchReader(UploadReceiver receiver, UrlFetcher fetcher, IOptions<IntakeOptions> options, TimeProvider time)
{
    private const int FieldBytes = 8_192;
    private const int JsonBytes = 4 << 20;

    /// <summary>Reads the request; nothing is fetched yet.</summary>
    public async Task<BatchSubmission> ReadAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        if (request.ContentLength > options.Value.MaxBatchBytes)
        {
            throw new ApiException(413, ErrorCodes.ImageTooLarge, $"The batch is larger than {options.Value.MaxBatchBytes:N0} bytes. Send several.");
        }

        MultipartBody.Allow(request, options.Value.MaxBatchBytes);
        using var late = new CancellationTokenSource(TimeSpan.FromSeconds(options.Value.BatchSeconds), time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, late.Token);
        try
        {
            var type = MediaTypeHeaderValue.TryParse(request.ContentType, out var parsed) ? parsed : null;
            return type?.MediaType.Value?.ToLowerInvariant() switch
            {
                "multipart/form-data" => await ReadFormAsync(request, type, either.Token),
                "application/json" => await ReadJsonAsync(request, either.Token),
                _ => throw new ApiException(415, ErrorCodes.UnsupportedFormat, "Send multipart/form-data with 'image' parts, or application/json with 'urls'."),
            };
        }
        catch (OperationCanceledException) when (late.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new ApiException(408, ErrorCodes.MalformedRequest, $"The batch took longer than {options.Value.BatchSeconds} s to arrive.");
        }
    }

    /// <summary>Fetches the items that are addresses, several at a time; what cannot be fetched in time is refused.</summary>
    public async Task FetchAsync(string tenant, BatchSubmission submission, CancellationToken cancellationToken)
    {
        if (!submission.Fetched)
        {
            return;
        }

        using var late = new CancellationTokenSource(TimeSpan.FromSeconds(options.Value.BatchFetchSeconds), time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, late.Token);
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = options.Value.BatchFetches, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(submission.Items, parallel, async (item, _) =>
        {
            try
            {
                item.Image = await fetcher.FetchAsync(tenant, item.Url!, Timeout.InfiniteTimeSpan, either.Token);
            }
            catch (ApiException e)
            {
                item.Error = new ErrorDocument { Code = e.Code, Detail = e.Message };
            }
            catch (OperationCanceledException) when (late.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
            {
                item.Error = new ErrorDocument { Code = ErrorCodes.FetchFailed, Detail = $"The batch's {options.Value.BatchFetchSeconds} s for fetching were over before this item." };
            }
        });
    }

    private async Task<BatchSubmission> ReadFormAsync(HttpRequest request, MediaTypeHeaderValue type, CancellationToken cancellationToken)
    {
        var collector = new OptionCollector();
        collector.AddQuery(request.Query);
        var items = new List<BatchItem>();
        try
        {
            await foreach (var part in MultipartBody.PartsAsync(request, type, options.Value.MaxBatchItems, cancellationToken))
            {
                if (part.Name is not ("image" or "image[]"))
                {
                    collector.Add(part.Name, await MultipartBody.TextAsync(part, FieldBytes, cancellationToken) ?? "");
                    continue;
                }

                EnsureCount(items.Count + 1, "image");
                var item = new BatchItem(items.Count) { Filename = FileNames.Clean(part.Filename) };
                items.Add(item);
                await ReceiveAsync(item, part.Body, cancellationToken);
            }

            return Checked(collector.Build(), items);
        }
        catch
        {
            items.ForEach(i => i.Dispose());
            throw;
        }
    }

    private async Task ReceiveAsync(BatchItem item, Stream body, CancellationToken cancellationToken)
    {
        try
        {
            item.Image = await receiver.ReceiveAsync(body, MultipartBody.Truncated(), cancellationToken);
        }
        catch (ApiException e) when (e.Code is ErrorCodes.ImageEmpty or ErrorCodes.ImageTooLarge or ErrorCodes.UnsupportedFormat)
        {
            // About this item alone; the reader skips the rest of its part.
            item.Error = new ErrorDocument { Code = e.Code, Detail = e.Message };
        }
    }

    private async Task<BatchSubmission> ReadJsonAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        var collector = new OptionCollector();
        collector.AddQuery(request.Query);
        using var json = await JsonBody.ReadAsync(request, JsonBytes, cancellationToken, list: true);
        var items = new List<BatchItem>();
        bool bare = json.RootElement.ValueKind == JsonValueKind.Array; // its options are the query's
        if ((bare ? json.RootElement : JsonBody.Single(json.RootElement, "urls", collector)) is { ValueKind: JsonValueKind.Array } urls)
        {
            EnsureCount(urls.GetArrayLength(), "urls");
            foreach (var element in urls.EnumerateArray())
            {
                string url = element.ValueKind == JsonValueKind.String ? element.GetString()! : throw ApiException.InvalidOption("urls", "Must be a list of strings.");
                items.Add(new BatchItem(items.Count) { Url = url, Filename = UrlFetcher.Filename(url) });
            }
        }

        if (!bare)
        {
            collector.AddJson(json.RootElement, "urls");
        }

        return Checked(collector.Build(), items);
    }

    private void EnsureCount(int count, string field)
    {
        if (count > options.Value.MaxBatchItems)
        {
            throw ApiException.InvalidOption(field, $"At most {options.Value.MaxBatchItems:N0} items in a batch.");
        }
    }

    private static BatchSubmission Checked(SubmissionOptions built, List<BatchItem> items) => items.Count > 0
        ? new BatchSubmission(built, items)
        : throw new ApiException(400, ErrorCodes.ImageMissing, "The batch has no items. Send multipart/form-data with 'image' parts, or application/json with 'urls'.");
}
