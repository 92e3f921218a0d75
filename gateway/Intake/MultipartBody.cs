using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Gateway;

/// <summary>One part of a form; its body must be read before the next one comes.</summary>
internal sealed record FormPart(string Name, string? Filename, Stream Body);

/// <summary>Reads multipart/form-data part by part, never whole.</summary>
internal static class MultipartBody
{
    /// <summary>Room for boundaries, headers and option fields around an image, bytes.</summary>
    public const int Overhead = 1 << 16;

    private const int BoundaryLength = 70;

    // Options, and as many again as somebody may get wrong.
    private const int FieldParts = 32;

    /// <summary>Raises (or lowers) the server's own body limit for this request.</summary>
    public static void Allow(HttpRequest request, long bytes)
    {
        if (request.HttpContext.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = bytes;
        }
    }

    /// <param name="request">The request.</param>
    /// <param name="type">Its content type, with the boundary.</param>
    /// <param name="images">Images it may hold; one more is let through, so that the caller can refuse it by name.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="ApiException">400: not well formed, or of too many parts.</exception>
    public static async IAsyncEnumerable<FormPart> PartsAsync(HttpRequest request, MediaTypeHeaderValue type, int images, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? boundary = HeaderUtilities.RemoveQuotes(type.Boundary).Value;
        if (boundary is not { Length: > 0 and <= BoundaryLength })
        {
            throw ApiException.Malformed($"multipart/form-data needs a boundary of at most {BoundaryLength} characters.");
        }

        var reader = new MultipartReader(boundary, request.Body, 1 << 15) { HeadersCountLimit = 16, HeadersLengthLimit = 16_384 };
        for (int count = 1; await NextAsync(reader, cancellationToken) is { } section; count++)
        {
            if (count > images + 1 + FieldParts)
            {
                throw ApiException.Malformed("The form has too many parts.");
            }

            if (!ContentDispositionHeaderValue.TryParse(section.ContentDisposition, out var disposition) || HeaderUtilities.RemoveQuotes(disposition.Name).Value is not { } name)
            {
                throw ApiException.Malformed("Each part of the form needs 'Content-Disposition: form-data; name=…'.");
            }

            var filename = disposition.FileNameStar.HasValue ? disposition.FileNameStar : HeaderUtilities.RemoveQuotes(disposition.FileName);
            yield return new FormPart(name, filename.Value, section.Body);
        }
    }

    /// <summary>A short field's text.</summary>
    /// <exception cref="ApiException">422: longer than <paramref name="limit"/> bytes. 400: not UTF-8.</exception>
    public static async Task<string?> TextAsync(FormPart part, int limit, CancellationToken cancellationToken)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(limit + 1);
        try
        {
            int length = await part.Body.ReadAtLeastAsync(buffer.AsMemory(0, limit + 1), limit + 1, throwOnEndOfStream: false, cancellationToken);
            if (length > limit)
            {
                // A picture under another name is the usual reason.
                throw part.Filename is null
                    ? ApiException.InvalidOption(part.Name, $"Longer than {limit:N0} bytes.")
                    : new ApiException(400, ErrorCodes.ImageMissing, "The part that carries the image must be called 'image'.");
            }

            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(buffer, 0, length);
        }
        catch (IOException e) when (e is not BadHttpRequestException)
        {
            throw Truncated();
        }
        catch (DecoderFallbackException) when (part.Filename is null)
        {
            throw ApiException.InvalidOption(part.Name, "Not UTF-8 text.");
        }
        catch (DecoderFallbackException)
        {
            throw new ApiException(400, ErrorCodes.ImageMissing, "The part that carries the image must be called 'image'.");
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    public static ApiException WrongType() => new(
        415, ErrorCodes.UnsupportedFormat, "Send multipart/form-data with an 'image' part, a raw image/* body, or application/json with a 'url'.");

    private static async Task<MultipartSection?> NextAsync(MultipartReader reader, CancellationToken cancellationToken)
    {
        try
        {
            return await reader.ReadNextSectionAsync(cancellationToken);
        }
        catch (IOException e) when (e is not BadHttpRequestException)
        {
            throw Truncated();
        }
    }

    /// <summary>The form ended within a part: the client's mistake, though it comes as an IOException.</summary>
    public static ApiException Truncated() => ApiException.Malformed("The body ends before its last boundary.");
}
