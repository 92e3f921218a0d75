using System.Text;

namespace Palimpsest.Local.Servers;

/// <summary>Broker, cache and database of the distributed mode: those whose address is given are used, the others are started here.</summary>
internal sealed class LocalServers : IAsyncDisposable
{
    private readonly Dictionary<string, string?> urls = new(StringComparer.Ordinal);
    private readonly string note;

    private LocalServers(string folder) => note = NoteIn(folder);

    /// <summary>Null when <c>RABBITMQ_URL</c> was given.</summary>
    public ILocalServer? RabbitMq { get; private set; }

    /// <summary>Null when <c>REDIS_URL</c> was given.</summary>
    public ILocalServer? Redis { get; private set; }

    /// <summary>Null when <c>POSTGRES_URL</c> was given.</summary>
    public ILocalServer? Postgres { get; private set; }

    /// <summary>RABBITMQ_URL, REDIS_URL and POSTGRES_URL, for the services.</summary>
    public IReadOnlyDictionary<string, string?> Urls => urls;

    /// <summary>Starts what is not given.</summary>
    /// <param name="folder">Data folders and logs.</param>
    /// <param name="given">Looks a variable up; null or empty: start it.</param>
    /// <param name="say">Told what is going on.</param>
    /// <param name="cancellationToken">Stops waiting; what was started is stopped.</param>
    public static async Task<LocalServers> StartAsync(string folder, Func<string, string?> given, Action<string> say, CancellationToken cancellationToken)
    {
        var servers = new LocalServers(folder);
        try
        {
            servers.RabbitMq = servers.Choose("RABBITMQ_URL", given, () => Pick(RabbitMqServer.IsInstalled, DockerImage.RabbitMq, folder, () => new RabbitMqServer(Path.Combine(folder, "rabbitmq"))));
            servers.Redis = servers.Choose("REDIS_URL", given, () => Pick(RedisServer.IsInstalled, DockerImage.Redis, folder, () => new RedisServer(Path.Combine(folder, "redis"))));
            servers.Postgres = servers.Choose("POSTGRES_URL", given, () => Pick(PostgresServer.IsInstalled, DockerImage.Postgres, folder, () => new PostgresServer(PostgresServer.Reachable(Path.Combine(folder, "postgres")))));
            await Task.WhenAll(servers.Started.Select(async server =>
            {
                await server.StartAsync(cancellationToken);
                say($"{server.Url.Scheme} on port {server.Url.Port}");
            }));
            servers.LeaveNote();
            return servers;
        }
        catch
        {
            await servers.DisposeAsync();
            throw;
        }
    }

    /// <summary>The database that <c>up --distributed</c> has started over a data folder; null: none runs.</summary>
    public static string? RunningPostgres(string data) => NoteIn(Path.Combine(data, "servers")) is var note && File.Exists(note) ? File.ReadAllText(note).Trim() : null;

    public async ValueTask DisposeAsync()
    {
        if (Postgres is not null)
        {
            File.Delete(note);
        }

        foreach (var server in Started)
        {
            await server.DisposeAsync();
        }
    }

    private static string NoteIn(string folder) => Path.Combine(folder, "postgres.url");

    /// <summary>For <c>keys</c>, which somebody runs beside us with the same <c>--data</c>. The address holds a password.</summary>
    private void LeaveNote()
    {
        if (Postgres is null)
        {
            return;
        }

        File.Delete(note);
        using var file = new FileStream(note, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite });
        file.Write(Encoding.UTF8.GetBytes(Postgres.Url.ToString()));
    }

    private IEnumerable<ILocalServer> Started => new[] { RabbitMq, Redis, Postgres }.OfType<ILocalServer>();

    /// <summary>The machine's own package when it is installed, else a container where there is an engine; else the package, which then says what to install.</summary>
    private static ILocalServer Pick(bool installed, DockerImage image, string folder, Func<ILocalServer> package) =>
        !installed && DockerServer.IsAvailable ? new DockerServer(image, folder) : package();

    private ILocalServer? Choose(string variable, Func<string, string?> given, Func<ILocalServer> create)
    {
        if (given(variable) is { Length: > 0 } url)
        {
            urls[variable] = url;
            return null;
        }

        var server = create();
        urls[variable] = server.Url.ToString();
        return server;
    }
}
