using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using Palimpsest.Contracts;

namespace Palimpsest.Local.Client;

/// <summary>A typed client of the API. The caller owns the <see cref="HttpClient"/>, whose base address is the gateway.</summary>
public sealed class PalimpsestClient
{
    private static readonly TimeSpan FirstPoll = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestPoll = TimeSpan.FromSeconds(2);

    private readonly HttpClient http;
    private readonly string? key;
    private readonly TimeProvider time;

    /// <summary>A client that presents a key; null: none (a gateway started with --no-auth).</summary>
    public PalimpsestClient(HttpClient http, string? key, TimeProvider? time = null) => (this.http, this.key, this.time) = (http, key, time ?? TimeProvider.System);

    /// <summary>Submits a picture's bytes.</summary>
    /// <exception cref="PalimpsestProblemException">Refused.</exception>
    /// <exception cref="HttpRequestException">The server cannot be reached.</exception>
    public async Task<AnalysisDocument> SubmitAsync(Stream picture, string filename, SubmitOptions? options = null, CancellationToken cancellationToken = default)
    {
        using var form = new MultipartFormDataContent();
        foreach (var (name, value) in Fields(options ?? new SubmitOptions()))
        {
            form.Add(new StringContent(value), name);
        }

        var content = new StreamContent(picture);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
        form.Add(content, "image", filename);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/analyses") { Content = form };
        return await SendAsync(request, options, cancellationToken);
    }

    /// <summary>Submits the address of a picture; the server fetches it.</summary>
    public async Task<AnalysisDocument> SubmitUrlAsync(Uri url, SubmitOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(url);
        var body = new JsonObject { ["url"] = url.AbsoluteUri };
        foreach (var (name, value) in Fields(options ?? new SubmitOptions()))
        {
            body[name] = name == "metadata" ? JsonNode.Parse(value) : name == "face_crop" ? value == "true" : value;
        }

        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/analyses") { Content = JsonContent.Create(body) };
        return await SendAsync(request, options, cancellationToken);
    }

    /// <summary>An analysis.</summary>
    public async Task<AnalysisDocument> GetAsync(string id, CancellationToken cancellationToken = default)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/analyses/" + id);
        return await SendAsync(request, null, cancellationToken);
    }

    /// <summary>Waits until an analysis has ended.</summary>
    /// <exception cref="TimeoutException">Not ended in time; it goes on.</exception>
    public async Task<AnalysisDocument> WaitAsync(string id, TimeSpan patience, CancellationToken cancellationToken = default)
    {
        long start = time.GetTimestamp();
        for (var pause = FirstPoll; ; pause = TimeSpan.FromTicks(Math.Min(pause.Ticks * 3 / 2, LongestPoll.Ticks)))
        {
            var analysis = await GetAsync(id, cancellationToken);
            if (AnalysisStatuses.IsTerminal(analysis.Status))
            {
                return analysis;
            }

            if (time.GetElapsedTime(start) > patience)
            {
                throw new TimeoutException($"{id} is still {analysis.Status} ({analysis.Progress.Stage}) after {patience.TotalSeconds:0} s.");
            }

            await Task.Delay(pause, time, cancellationToken);
        }
    }

    /// <summary>The mask: grey PNG of the picture's size.</summary>
    public Task<byte[]> MaskAsync(string id, CancellationToken cancellationToken = default) => BytesAsync($"/v1/analyses/{id}/mask", cancellationToken);

    /// <summary>Any other part by its path, e.g. the overlay.</summary>
    public async Task<byte[]> BytesAsync(string path, CancellationToken cancellationToken = default)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        using var response = await SendRawAsync(request, cancellationToken);
        return await response.Content.ReadAsByteArrayAsync(cancellationToken);
    }

    /// <summary>Cancels and erases.</summary>
    public async Task DeleteAsync(string id, CancellationToken cancellationToken = default)
    {
        using var request = new HttpRequestMessage(HttpMethod.Delete, "/v1/analyses/" + id);
        using var response = await SendRawAsync(request, cancellationToken);
    }

    private static IEnumerable<(string Name, string Value)> Fields(SubmitOptions options)
    {
        yield return ("detectors", options.Analysis.Detectors);
        yield return ("face_crop", options.Analysis.FaceCrop ? "true" : "false");
        if (options.CallbackUrl is { } callback)
        {
            yield return ("callback_url", callback.AbsoluteUri);
        }

        if (options.Metadata is { } metadata)
        {
            yield return ("metadata", metadata.ToJsonString());
        }

        if (options.ZeroRetention)
        {
            yield return ("retention", "zero");
        }
    }

    private async Task<AnalysisDocument> SendAsync(HttpRequestMessage request, SubmitOptions? options, CancellationToken cancellationToken)
    {
        if (options?.IdempotencyKey is { } idempotency)
        {
            request.Headers.TryAddWithoutValidation("Idempotency-Key", idempotency);
        }

        if (options?.WaitSeconds is { } seconds)
        {
            request.Headers.TryAddWithoutValidation("Prefer", string.Create(CultureInfo.InvariantCulture, $"wait={seconds}"));
        }

        using var response = await SendRawAsync(request, cancellationToken);
        return await response.Content.ReadFromJsonAsync<AnalysisDocument>(PlatformJson.Options, cancellationToken) ?? throw new InvalidDataException("The server's answer is empty.");
    }

    private async Task<HttpResponseMessage> SendRawAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        if (key is not null)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        }

        var response = await http.SendAsync(request, cancellationToken);
        if (response.IsSuccessStatusCode)
        {
            return response;
        }

        using (response)
        {
            throw PalimpsestProblemException.From(response.StatusCode, await response.Content.ReadAsStringAsync(cancellationToken));
        }
    }
}

/// <summary>What may be said beside a picture.</summary>
public sealed record SubmitOptions
{
    /// <summary>Detectors and face crop.</summary>
    public AnalysisOptions Analysis { get; init; } = new();

    /// <summary>Where the result is posted.</summary>
    public Uri? CallbackUrl { get; init; }

    /// <summary>Echoed.</summary>
    public JsonObject? Metadata { get; init; }

    /// <summary>Erase image and maps once the result is delivered.</summary>
    public bool ZeroRetention { get; init; }

    /// <summary>Makes a repeated request harmless.</summary>
    public string? IdempotencyKey { get; init; }

    /// <summary>Seconds the server may hold the answer back until the analysis has ended.</summary>
    public int? WaitSeconds { get; init; }
}

/// <summary>The server refused (RFC 9457).</summary>
public sealed class PalimpsestProblemException : Exception
{
    private PalimpsestProblemException(HttpStatusCode status, string code, string detail)
        : base($"{(int)status} {code}: {detail}") => (Status, Code) = (status, code);

    /// <summary>HTTP status.</summary>
    public HttpStatusCode Status { get; }

    /// <summary>One of <see cref="ErrorCodes"/>; empty when the answer was not ours.</summary>
    public string Code { get; }

    internal static PalimpsestProblemException From(HttpStatusCode status, string body)
    {
        try
        {
            var problem = JsonDocument.Parse(body).RootElement;
            return new PalimpsestProblemException(status, problem.GetProperty("code").GetString() ?? "", problem.GetProperty("detail").GetString() ?? "");
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return new PalimpsestProblemException(status, "", body.Length > 200 ? body[..200] : body);
        }
    }
}
