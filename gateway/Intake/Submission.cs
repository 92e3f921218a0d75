using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Palimpsest.Contracts;

namespace Palimpsest.Gateway;

/// <summary>One request as read: an image that has arrived or the address of one, and the options.</summary>
internal sealed record Submission(SubmissionOptions Options) : IDisposable
{
    /// <summary>The image; null when <see cref="Url"/> is to be fetched.</summary>
    public ReceivedImage? Image { get; init; }

    /// <summary>As sent.</summary>
    public string? Url { get; init; }

    public string? Filename { get; init; }

    public void Dispose() => Image?.Dispose();
}

/// <summary>Identity of a request for its Idempotency-Key: method, path, options and content. Names of files do not count.</summary>
internal static class RequestHashes
{
    public static string Of(HttpRequest request, SubmissionOptions options, IEnumerable<string> contents)
    {
        object[] parts = [request.Method, request.Path.Value ?? "", options.Analysis, options.CallbackUrl ?? "", options.Metadata?.ToJsonString() ?? "", options.ZeroRetention, contents];
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(JsonSerializer.Serialize(parts, PlatformJson.Options))));
    }

    /// <summary>What stands for an item's content.</summary>
    public static string Content(ReceivedImage? image, string? url) => image is not null ? "sha256:" + image.Sha256 : "url:" + url;
}
