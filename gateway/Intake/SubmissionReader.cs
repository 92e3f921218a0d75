using System.Buffers;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Options;
using Microsoft.Net.Http.Headers;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Gateway;

/// <summary>Reads <c>POST /v1/analyses</c> in its three forms: multipart with an <c>image</c> part, a raw <c>image/*</c> body, JSON with a <c>url</c>.</summary>
internal sealed class SubmissionReader(UploadReceiver receiver, IOptions<IntakeOptions> options, TimeProvider time)
{
    private const int FieldBytes = 8_192;
    private const int JsonBytes = 65_536;

    public async Task<Submission> ReadAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        if (request.ContentLength > options.Value.MaxImageBytes + MultipartBody.Overhead)
        {
            throw UploadReceiver.TooLarge(options.Value.MaxImageBytes);
        }

        using var late = new CancellationTokenSource(TimeSpan.FromSeconds(options.Value.UploadSeconds), time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, late.Token);
        try
        {
            return await ReadFormAsync(request, either.Token);
        }
        catch (OperationCanceledException) when (late.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new ApiException(408, ErrorCodes.MalformedRequest, $"The request took longer than {options.Value.UploadSeconds} s to arrive.");
        }
    }

    private Task<Submission> ReadFormAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        if (!MediaTypeHeaderValue.TryParse(request.ContentType, out var type))
        {
            throw MultipartBody.WrongType();
        }

        var collector = new OptionCollector();
        collector.AddQuery(request.Query);
        return type.MediaType.Value?.ToLowerInvariant() switch
        {
            "multipart/form-data" => ReadMultipartAsync(request, type, collector, cancellationToken),
            "application/json" => ReadJsonAsync(request, collector, cancellationToken),
            "application/octet-stream" => ReadRawAsync(request, collector, cancellationToken),
            { } image when image.StartsWith("image/", StringComparison.Ordinal) => ReadRawAsync(request, collector, cancellationToken),
            _ => throw MultipartBody.WrongType(),
        };
    }

    private async Task<Submission> ReadMultipartAsync(HttpRequest request, MediaTypeHeaderValue type, OptionCollector collector, CancellationToken cancellationToken)
    {
        ReceivedImage? image = null;
        string? filename = null;
        try
        {
            await foreach (var part in MultipartBody.PartsAsync(request, type, 1, cancellationToken))
            {
                if (part.Name != "image")
                {
                    collector.Add(part.Name, await MultipartBody.TextAsync(part, FieldBytes, cancellationToken) ?? "");
                    continue;
                }

                if (image is not null)
                {
                    collector.Refuse("image", "One image for each analysis; POST /v1/batches takes several.");
                    break;
                }

                image = await receiver.ReceiveAsync(part.Body, MultipartBody.Truncated(), cancellationToken);
                filename = FileNames.Clean(part.Filename);
            }

            var built = collector.Build();
            return new Submission(built) { Image = image ?? throw Missing(), Filename = filename };
        }
        catch
        {
            image?.Dispose();
            throw;
        }
    }

    private async Task<Submission> ReadRawAsync(HttpRequest request, OptionCollector collector, CancellationToken cancellationToken)
    {
        // Before the bytes: a wrong option should not cost an upload.
        var built = collector.Build();
        var filename = ContentDispositionHeaderValue.TryParse(request.Headers.ContentDisposition.ToString(), out var disposition)
            ? disposition.FileNameStar.HasValue ? disposition.FileNameStar : disposition.FileName
            : default;
        return new Submission(built) { Image = await receiver.ReceiveAsync(request.Body, ApiException.Malformed("The body ends too early."), cancellationToken), Filename = FileNames.Clean(filename.Value) };
    }

    private static async Task<Submission> ReadJsonAsync(HttpRequest request, OptionCollector collector, CancellationToken cancellationToken)
    {
        using var json = await JsonBody.ReadAsync(request, JsonBytes, cancellationToken);
        string? url = JsonBody.Single(json.RootElement, "url", collector) is { ValueKind: JsonValueKind.String } value ? value.GetString() : null;
        collector.AddJson(json.RootElement, "url");
        var built = collector.Build();
        return new Submission(built) { Url = url is { Length: > 0 } ? url : throw Missing() };
    }

    private static ApiException Missing() => new(
        400, ErrorCodes.ImageMissing, "The request carries no image. Send multipart/form-data with a part called 'image', a raw image/* body, or JSON with a 'url'.");
}

/// <summary>JSON request bodies.</summary>
internal static class JsonBody
{
    private const int ChunkBytes = 1 << 12;

    /// <summary>An object, or where <paramref name="list"/> allows it a list, of at most so many bytes; dispose it.</summary>
    /// <exception cref="ApiException">400: neither. 413: longer.</exception>
    public static async Task<JsonDocument> ReadAsync(HttpRequest request, int limit, CancellationToken cancellationToken, bool list = false)
    {
        // Grows with what comes: a body that is announced and does not come holds next to nothing.
        using var received = new MemoryStream();
        byte[] chunk = ArrayPool<byte>.Shared.Rent(ChunkBytes);
        try
        {
            for (int read; (read = await request.Body.ReadAsync(chunk, cancellationToken)) > 0;)
            {
                if (received.Length + read > limit)
                {
                    throw new ApiException(413, ErrorCodes.ImageTooLarge, $"The JSON body is larger than {limit:N0} bytes.");
                }

                received.Write(chunk, 0, read);
            }

            var json = JsonDocument.Parse(Encoding.UTF8.GetString(received.GetBuffer(), 0, (int)received.Length), new JsonDocumentOptions { MaxDepth = 24 });
            if ((json.RootElement.ValueKind == JsonValueKind.Object || (list && json.RootElement.ValueKind == JsonValueKind.Array)) && IsText(json.RootElement))
            {
                return json;
            }

            json.Dispose();
            throw ApiException.Malformed($"The body must be a JSON object{(list ? " or list" : "")} whose strings are text: no half of a surrogate pair.");
        }
        catch (JsonException e)
        {
            throw ApiException.Malformed($"The body is not JSON (line {e.LineNumber + 1}, byte {e.BytePositionInLine}).");
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(chunk);
        }
    }

    /// <summary>Every name and string can be read. JSON may hold a lone surrogate (RFC 8259, 8.2), which no text can.</summary>
    public static bool IsText(JsonElement json)
    {
        try
        {
            return json.ValueKind switch
            {
                JsonValueKind.Object => json.EnumerateObject().All(m => m.Name is not null && IsText(m.Value)),
                JsonValueKind.Array => json.EnumerateArray().All(IsText),
                JsonValueKind.String => json.GetString() is not null,
                _ => true,
            };
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    /// <summary>A member; notes it when it is given twice.</summary>
    public static JsonElement? Single(JsonElement json, string name, OptionCollector collector)
    {
        var all = json.EnumerateObject().Where(m => m.Name == name).ToList();
        if (all.Count > 1)
        {
            collector.Refuse(name, "This option is given more than once.");
        }

        return all.Count > 0 ? all[0].Value : null;
    }
}
