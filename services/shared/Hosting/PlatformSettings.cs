using System.Net;
using Microsoft.Extensions.Configuration;

namespace Palimpsest.Hosting;

/// <summary>
/// Where the servers are and where data lies. Without <c>RABBITMQ_URL</c> the process is embedded: in-memory transport, SQLite, files, in-memory cache.
/// </summary>
public sealed class PlatformSettings
{
    /// <summary>Name of this process in traces and health answers, e.g. <c>routing</c>.</summary>
    public required string ServiceName { get; init; }

    /// <summary><c>RABBITMQ_URL</c>: amqp://user:password@host:port/vhost, or amqps:// for TLS with a certificate that the machine trusts. Null: embedded.</summary>
    public Uri? RabbitMq { get; init; }

    /// <summary><c>REDIS_URL</c>: redis://host:port, or rediss:// for TLS with a certificate that the machine trusts. Null: in-memory cache.</summary>
    public Uri? Redis { get; init; }

    /// <summary>
    /// <c>POSTGRES_URL</c>: postgres://user:password@host:port/database, with libpq's <c>?sslmode=</c> and <c>&amp;sslrootcert=</c>; without them TLS where the server offers it, its certificate
    /// unchecked. Null: SQLite in <see cref="DataDirectory"/>.
    /// </summary>
    public Uri? Postgres { get; init; }

    /// <summary><c>PALIMPSEST_DATA</c>: blobs and the SQLite file; shared by all services. Default <c>data</c> in the working directory.</summary>
    public required string DataDirectory { get; init; }

    /// <summary><c>PALIMPSEST_MODELS</c>: model files and manifests. Default <c>models</c> beside the program.</summary>
    public required string ModelsDirectory { get; init; }

    /// <summary><c>PALIMPSEST_INTERNAL_KEY</c>: secret (≥ 32 characters) with which the gateway signs tenant assertions. Needed only when distributed.</summary>
    public string? InternalKey { get; init; }

    /// <summary><c>PALIMPSEST_ALLOW_NETWORKS</c>: comma-separated CIDRs that URL submissions and webhooks may reach although they are special. For development and tests.</summary>
    public IReadOnlyList<IPNetwork> AllowedNetworks { get; init; } = [];

    /// <summary>One process, nothing outside it.</summary>
    public bool Embedded => RabbitMq is null;

    /// <summary>Reads the environment (or any other configuration source).</summary>
    /// <exception cref="InvalidOperationException">A value cannot be understood; the message says which and what is expected.</exception>
    public static PlatformSettings Read(IConfiguration configuration, string serviceName)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        return new PlatformSettings
        {
            ServiceName = serviceName,
            RabbitMq = Url(configuration, "RABBITMQ_URL", ["amqp", "amqps"], []),
            Redis = Url(configuration, "REDIS_URL", ["redis", "rediss"], []),
            Postgres = Url(configuration, "POSTGRES_URL", ["postgres", "postgresql"], ["sslmode", "sslrootcert"]),
            DataDirectory = Path.GetFullPath(configuration["PALIMPSEST_DATA"] is { Length: > 0 } data ? data : "data"),
            ModelsDirectory = Path.GetFullPath(configuration["PALIMPSEST_MODELS"] is { Length: > 0 } models ? models : Path.Combine(AppContext.BaseDirectory, "models")),
            InternalKey = configuration["PALIMPSEST_INTERNAL_KEY"],
            AllowedNetworks = Networks(configuration["PALIMPSEST_ALLOW_NETWORKS"]),
        };
    }

    private static Uri? Url(IConfiguration configuration, string name, string[] schemes, string[] parameters)
    {
        if (configuration[name] is not { Length: > 0 } value)
        {
            return null;
        }

        if (!Uri.TryCreate(value, UriKind.Absolute, out var uri) || !schemes.Contains(uri.Scheme))
        {
            throw new InvalidOperationException($"{name} must be a URL that starts with {string.Join("://, ", schemes)}://.");
        }

        // Not dropped in silence: whoever writes one there counts on it.
        return ServerUrl.Of(uri).Query.Keys.FirstOrDefault(k => !parameters.Contains(k)) is { } unknown
            ? throw new InvalidOperationException($"{name}: the parameter '{unknown}' is not known here; {(parameters.Length == 0 ? "it takes none" : $"it takes {string.Join(" and ", parameters)}")}. Remove it.")
            : uri;
    }

    private static List<IPNetwork> Networks(string? list)
    {
        var networks = new List<IPNetwork>();
        foreach (var part in (list ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            networks.Add(IPNetwork.TryParse(part, out var network)
                ? network
                : throw new InvalidOperationException($"PALIMPSEST_ALLOW_NETWORKS: '{part}' is not a network in CIDR form such as 127.0.0.0/8."));
        }

        return networks;
    }
}

/// <summary>A server's address taken apart, unescaped; the scheme's own port where it names none.</summary>
internal sealed record ServerUrl(string Host, int Port, string User, string? Password, string Path, IReadOnlyDictionary<string, string> Query)
{
    public static ServerUrl Of(Uri url)
    {
        string[] user = [.. url.UserInfo.Split(':', 2).Select(Uri.UnescapeDataString)];
        int port = url.Port > 0 ? url.Port : url.Scheme switch { "amqp" => 5672, "amqps" => 5671, "redis" or "rediss" => 6379, _ => 5432 };
        var query = url.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries).Select(p => p.Split('=', 2))
            .GroupBy(p => p[0], StringComparer.Ordinal).ToDictionary(g => g.Key, g => Uri.UnescapeDataString(g.Last().ElementAtOrDefault(1) ?? ""), StringComparer.Ordinal);
        return new ServerUrl(url.Host, port, user[0], user.ElementAtOrDefault(1), Uri.UnescapeDataString(url.AbsolutePath.Trim('/')), query);
    }
}
