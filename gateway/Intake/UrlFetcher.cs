using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Net;
using Microsoft.Extensions.Options;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Gateway;

/// <summary>Fetches a picture that a client named. What the guard refuses is not connected to; what arrives is judged by its bytes like any upload.</summary>
internal sealed class UrlFetcher(GuardedHttp guarded, UploadReceiver receiver, IOptions<IntakeOptions> options) : IDisposable
{
    private static readonly TimeSpan Total = TimeSpan.FromSeconds(20);
    private static readonly Counter<long> Fetches = PlatformTelemetry.Meter.CreateCounter<long>("palimpsest.fetches", description: "Pictures fetched by URL, by outcome");

    private readonly SemaphoreSlim slots = new(options.Value.MaxFetches);
    private readonly ConcurrentDictionary<string, SemaphoreSlim> shares = new(StringComparer.Ordinal);

    /// <summary>How long a client that waits for the answer is kept waiting for its turn.</summary>
    public TimeSpan Patience => TimeSpan.FromSeconds(options.Value.FetchWaitSeconds);

    /// <summary>Fetches, when it is its turn: a tenant has a quarter of the slots, so that one whose hosts answer slowly does not stop the others.</summary>
    /// <param name="tenant">Whose.</param>
    /// <param name="url">Of the picture.</param>
    /// <param name="patience">How long it may wait for its tenant's share, and then for a slot.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="ApiException">422 address_refused or fetch_failed, 503 overloaded, or what the bytes deserve (400, 413, 415).</exception>
    public async Task<ReceivedImage> FetchAsync(string tenant, string url, TimeSpan patience, CancellationToken cancellationToken)
    {
        var share = shares.GetOrAdd(tenant, _ => new SemaphoreSlim(Math.Max(1, options.Value.MaxFetches / 4)));
        await EnterAsync(share, patience, cancellationToken);
        try
        {
            await EnterAsync(slots, patience, cancellationToken);
            try
            {
                return await FetchAsync(url, cancellationToken);
            }
            finally
            {
                slots.Release();
            }
        }
        finally
        {
            share.Release();
        }
    }

    private async Task<ReceivedImage> FetchAsync(string url, CancellationToken cancellationToken)
    {
        string outcome = "failed";
        using var span = PlatformTelemetry.Source.StartActivity("fetch");
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, Parse(url));
            request.Headers.Accept.ParseAdd("image/*");
            var limits = new GuardedLimits { MaxBytes = options.Value.MaxImageBytes, Total = Total };
            await using var response = await guarded.SendAsync(request, limits, cancellationToken);
            if (response.Status != HttpStatusCode.OK)
            {
                bool redirect = (int)response.Status is >= 300 and < 400;
                throw Failed($"the server answered {(int)response.Status}{(redirect ? " (redirects are not followed: send the final address)" : "")}");
            }

            var image = await receiver.ReceiveAsync(response.Body, Failed("the connection broke before the picture was whole"), cancellationToken);
            outcome = "fetched";
            return image;
        }
        catch (AddressRefusedException e)
        {
            outcome = "refused";
            throw CallbackCheck.Refused("url", e.Message);
        }
        catch (ResponseTooLargeException)
        {
            throw UploadReceiver.TooLarge(options.Value.MaxImageBytes);
        }
        catch (TimeoutException e)
        {
            throw Failed(e.Message);
        }
        catch (HttpRequestException e)
        {
            throw Failed(e.HttpRequestError switch
            {
                HttpRequestError.NameResolutionError => "the host name could not be looked up",
                HttpRequestError.SecureConnectionError => "the secure connection could not be made",
                HttpRequestError.ConnectionError => "no connection",
                _ => "the server did not answer as HTTP asks",
            });
        }
        finally
        {
            Fetches.Add(1, new KeyValuePair<string, object?>("outcome", outcome));
            span?.SetTag("palimpsest.outcome", outcome);
        }
    }

    /// <summary>The address without what may be secret in it: user, query and fragment.</summary>
    public static string? Shown(string url) =>
        Uri.TryCreate(url, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" && url.Length <= 2_048
            ? new Uri(url).GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped)
            : null;

    /// <summary>The last part of the path.</summary>
    public static string? Filename(string url) => Uri.TryCreate(url, UriKind.Absolute, out var uri) ? FileNames.Clean(Uri.UnescapeDataString(uri.AbsolutePath)) : null;

    public void Dispose() => slots.Dispose();

    private static async Task EnterAsync(SemaphoreSlim gate, TimeSpan patience, CancellationToken cancellationToken)
    {
        if (!await gate.WaitAsync(patience, cancellationToken))
        {
            throw ApiException.Unavailable(ErrorCodes.Overloaded, "Too many pictures are being fetched; nothing was accepted. Try again later, or send the picture itself.", 5);
        }
    }

    private Uri Parse(string url) => guarded.Check(url) is { } refusal ? throw CallbackCheck.Refused("url", refusal) : new Uri(url);

    private static ApiException Failed(string reason) => new(422, ErrorCodes.FetchFailed, $"The picture could not be fetched: {reason.TrimEnd('.')}.");
}
