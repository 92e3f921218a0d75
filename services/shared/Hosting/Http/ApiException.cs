using Palimpsest.Contracts;

namespace Palimpsest.Hosting;

/// <summary>A refusal that a client can act on; becomes RFC 9457 problem details with a stable code.</summary>
public sealed class ApiException(int status, string code, string detail) : Exception(detail)
{
    /// <summary>HTTP status.</summary>
    public int Status { get; } = status;

    /// <summary>One of <see cref="ErrorCodes"/>.</summary>
    public string Code { get; } = code;

    /// <summary>Seconds for Retry-After; null: no header.</summary>
    public int? RetryAfterSeconds { get; init; }

    /// <summary>Field errors; null when it is not about a field.</summary>
    public IReadOnlyDictionary<string, string[]>? Errors { get; init; }

    /// <summary>Extra response headers.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>400.</summary>
    public static ApiException Malformed(string detail) => new(400, ErrorCodes.MalformedRequest, detail);

    /// <summary>401.</summary>
    public static ApiException Unauthenticated() =>
        new(401, ErrorCodes.Unauthenticated, "Send a valid API key: 'Authorization: Bearer KEY' or 'X-Api-Key: KEY'. Create one with './palimpsest keys create'.")
        { Headers = new Dictionary<string, string>(StringComparer.Ordinal) { ["WWW-Authenticate"] = "Bearer" } };

    /// <summary>403.</summary>
    public static ApiException Forbidden(string scope) => new(403, ErrorCodes.Forbidden, $"This key lacks the scope '{scope}'. Use a key that has it.");

    /// <summary>404.</summary>
    public static ApiException NotFound(string what) => new(404, ErrorCodes.NotFound, $"There is no such {what}.");

    /// <summary>422 with the field that is wrong.</summary>
    public static ApiException InvalidOption(string field, string detail) =>
        new(422, ErrorCodes.InvalidOption, detail) { Errors = new Dictionary<string, string[]>(StringComparer.Ordinal) { [field] = [detail] } };

    /// <summary>503 with Retry-After.</summary>
    public static ApiException Unavailable(string code, string detail, int retryAfterSeconds) => new(503, code, detail) { RetryAfterSeconds = retryAfterSeconds };
}
