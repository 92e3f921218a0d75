using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;

namespace Palimpsest.Hosting;

/// <summary>Looks a host name up; all of its addresses. The seam for tests of names that change their mind.</summary>
public delegate Task<IPAddress[]> HostResolver(string host, CancellationToken cancellationToken);

/// <summary>Limits of one guarded exchange.</summary>
public sealed record GuardedLimits
{
    /// <summary>Response bytes; reading more throws <see cref="ResponseTooLargeException"/>.</summary>
    public required long MaxBytes { get; init; }

    /// <summary>Time for the whole exchange, reading the body included.</summary>
    public required TimeSpan Total { get; init; }

    /// <summary>Longest silence while the body is read.</summary>
    public TimeSpan Stall { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>
/// The one way to an address that a client named (picture URLs, webhooks). Every address of the host is checked inside the connect and the very address
/// that was checked is connected to, so a name that changes between look-ups gains nothing. No redirects, no proxy, no cookies, http and https only,
/// ports 80, 443, 8080 and 8443 (receivers in an allowed network: any).
/// </summary>
public sealed class GuardedHttp : IDisposable
{
    private static readonly int[] Ports = [80, 443, 8080, 8443];

    // Names that only ever mean this machine, its site or its cloud; refused without asking a resolver that might answer anything.
    private static readonly string[] PrivateSuffixes = ["localhost", "local", "localdomain", "internal", "intranet", "lan", "home", "corp", "private", "home.arpa", "test", "invalid", "onion"];

    private readonly AddressGuard guard;
    private readonly HostResolver resolve;
    private readonly TimeProvider time;
    private readonly HttpClient client;

    /// <summary>For services.</summary>
    public GuardedHttp(PlatformSettings settings, TimeProvider time)
        : this(settings, time, Dns.GetHostAddressesAsync)
    {
    }

    /// <summary>With a resolver of one's own.</summary>
    public GuardedHttp(PlatformSettings settings, TimeProvider time, HostResolver resolve)
    {
        ArgumentNullException.ThrowIfNull(settings);
        (guard, this.time, this.resolve) = (new AddressGuard(settings.AllowedNetworks), time, resolve);
        client = new HttpClient(
            new SocketsHttpHandler
            {
                ConnectCallback = ConnectAsync,
                AllowAutoRedirect = false,
                UseProxy = false,
                UseCookies = false,
                Credentials = null,
                AutomaticDecompression = DecompressionMethods.None,
                ConnectTimeout = TimeSpan.FromSeconds(5),
                MaxResponseHeadersLength = 32,
                // A body nobody reads (webhooks) is drained for the connection's sake, but not for long.
                MaxResponseDrainSize = 65_536,
                ResponseDrainTimeout = TimeSpan.FromSeconds(1),
                PooledConnectionIdleTimeout = TimeSpan.FromSeconds(20),
                PooledConnectionLifetime = TimeSpan.FromMinutes(2),
                // A stranger's server learns our trace ids only where a caller says so (webhooks).
                ActivityHeadersPropagator = DistributedContextPropagator.CreateNoOutputPropagator(),
            })
        { Timeout = Timeout.InfiniteTimeSpan, DefaultRequestVersion = HttpVersion.Version11, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionOrLower };
        client.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("Palimpsest", "1.0"));
    }

    /// <summary>Judges a URL by its spelling alone, without the network: for an immediate 422 <c>address_refused</c>.</summary>
    /// <returns>What is wrong with it, one sentence fit for the client; null when nothing is (its addresses are still checked in the connect).</returns>
    public string? Check(string? url)
    {
        if (url is null || url.Length > 2_048 || url.Any(c => c <= ' ' || c == 0x7f || c == '\\') || !Uri.TryCreate(url, UriKind.Absolute, out var uri))
        {
            return "The address is not an absolute URL of at most 2,048 characters without spaces, control characters and backslashes.";
        }

        return Check(uri);
    }

    /// <summary>As <see cref="Check(string?)"/>, and looks the name up: tells a client at once that a name leads to a private address. A name that cannot be looked up passes.</summary>
    public async Task<string?> CheckAsync(string? url, CancellationToken cancellationToken)
    {
        if (Check(url) is { } refusal)
        {
            return refusal;
        }

        var uri = new Uri(url!);
        try
        {
            await AddressesAsync(uri.IdnHost, uri.Port, cancellationToken);
            return null;
        }
        catch (AddressRefusedException e)
        {
            return e.Message;
        }
        catch (SocketException)
        {
            return null;
        }
    }

    /// <summary>Sends a request; the response's headers have arrived, its body is read through the limits.</summary>
    /// <exception cref="AddressRefusedException">The target may not be reached.</exception>
    /// <exception cref="HttpRequestException">No connection, no TLS, no HTTP.</exception>
    /// <exception cref="TimeoutException">Too slow.</exception>
    public async Task<GuardedResponse> SendAsync(HttpRequestMessage request, GuardedLimits limits, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(limits);
        if (Check(request.RequestUri?.OriginalString) is { } refusal)
        {
            throw new AddressRefusedException(refusal);
        }

        var deadline = new CancellationTokenSource(limits.Total, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
            return new GuardedResponse(response, await response.Content.ReadAsStreamAsync(either.Token), limits, deadline, time);
        }
        catch (Exception e)
        {
            bool late = deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested;
            deadline.Dispose();
            throw e switch
            {
                HttpRequestException { InnerException: AddressRefusedException refused } => new AddressRefusedException(refused.Message),
                OperationCanceledException when late => new TimeoutException($"No answer within {limits.Total.TotalSeconds:0} s."),
                // ConnectTimeout shows as a cancellation that nobody asked for.
                OperationCanceledException when !cancellationToken.IsCancellationRequested => new TimeoutException("No connection within 5 s."),
                _ => e,
            };
        }
    }

    /// <inheritdoc/>
    public void Dispose() => client.Dispose();

    private string? Check(Uri uri)
    {
        if (!uri.OriginalString.StartsWith("https://", StringComparison.OrdinalIgnoreCase) && !uri.OriginalString.StartsWith("http://", StringComparison.OrdinalIgnoreCase))
        {
            return "Only http and https addresses are allowed.";
        }

        if (Authority(uri.OriginalString).Contains('@'))
        {
            return "The address must not carry a user name or password.";
        }

        string host = uri.IdnHost;
        if (uri.HostNameType is UriHostNameType.IPv4 or UriHostNameType.IPv6 || IPAddress.TryParse(host, out _))
        {
            return !IPAddress.TryParse(host, out var address) ? "The host is not a valid address." : Check(address, uri.Port);
        }

        if (uri.HostNameType != UriHostNameType.Dns || host.Length == 0 || !host.All(char.IsAscii))
        {
            return "The host is not a valid name.";
        }

        // With exceptions (development) names such as localhost are judged by their addresses, in the connect.
        return guard.HasExceptions ? null : !Ports.Contains(uri.Port) ? PortRefusal(uri.Port) : CheckName(host.TrimEnd('.'));
    }

    private static string? CheckName(string name)
    {
        string last = name[(name.LastIndexOf('.') + 1)..];
        if (!name.Contains('.') || last.Length == 0 || PrivateSuffixes.Any(s => name.Equals(s, StringComparison.OrdinalIgnoreCase) || name.EndsWith("." + s, StringComparison.OrdinalIgnoreCase)))
        {
            return "The host name is not a public one.";
        }

        // A last label that is a number makes resolvers read the whole as an IPv4 address in octal, hexadecimal or short form.
        bool number = last.All(char.IsAsciiDigit) || (last.StartsWith("0x", StringComparison.OrdinalIgnoreCase) && last[2..].All(char.IsAsciiHexDigit));
        return number ? "The host is not a valid name." : null;
    }

    private string? Check(IPAddress address, int port) =>
        guard.IsExempt(address) ? null
        : guard.Refusal(address) is { } range ? $"The address is not public ({range})."
        : Ports.Contains(port) ? null : PortRefusal(port);

    private static string PortRefusal(int port) => $"Port {port} is not allowed; use {string.Join(", ", Ports)}.";

    // As written, not as parsed: "http://@host" has an empty user name.
    private static ReadOnlySpan<char> Authority(string url)
    {
        var rest = url.AsSpan(url.IndexOf("://", StringComparison.Ordinal) + 3);
        int end = rest.IndexOfAny('/', '?', '#');
        return end < 0 ? rest : rest[..end];
    }

    private async Task<IPAddress[]> AddressesAsync(string host, int port, CancellationToken cancellationToken)
    {
        bool literal = IPAddress.TryParse(host, out var single);
        IPAddress[] addresses = literal ? [single!] : await resolve(host, cancellationToken);
        if (addresses.Length == 0)
        {
            throw new SocketException((int)SocketError.HostNotFound);
        }

        foreach (var address in addresses)
        {
            // One bad address spoils the name: an attacker's answer holds a public and a private one and waits for a retry.
            if (Check(address, port) is { } refusal)
            {
                throw new AddressRefusedException(literal || guard.Refusal(address) is null ? refusal : "The host name leads to an address that is not public.");
            }
        }

        return addresses;
    }

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var (host, port) = (context.DnsEndPoint.Host, context.DnsEndPoint.Port);
        var addresses = await AddressesAsync(host, port, cancellationToken);
        Exception? last = null;
        foreach (var address in addresses)
        {
            var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
            var socket = new Socket(plain.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(new IPEndPoint(plain, port), cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch (Exception e)
            {
                socket.Dispose();
                last = e;
                if (e is not SocketException)
                {
                    throw;
                }
            }
        }

        throw last!;
    }
}
