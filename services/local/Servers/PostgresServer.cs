using System.Security.Cryptography;
using System.Text;
using Npgsql;

namespace Palimpsest.Local.Servers;

/// <summary>PostgreSQL from Debian's package. It refuses to run as root: then it runs as the package's user, whose own the data folder becomes.</summary>
internal sealed class PostgresServer(string folder) : ILocalServer
{
    private const string User = "palimpsest";

    private readonly int port = ChildProcess.FreePort();
    private readonly string password = Password(folder);
    private readonly string cluster = Path.Combine(folder, "cluster");
    private ChildProcess? server;

    /// <summary>The package is on this machine.</summary>
    public static bool IsInstalled => Binaries("postgres").Any(File.Exists);

    public Uri Url => new($"postgres://{User}:{password}@127.0.0.1:{port}/palimpsest");

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        string program = ServerPrograms.Find("postgresql", "POSTGRES_URL", [.. Binaries("postgres")]);
        string log = Path.Combine(folder, "postgres.log");
        if (!File.Exists(Path.Combine(cluster, "PG_VERSION")))
        {
            await InitializeAsync(program, cancellationToken);
        }

        server = ChildProcess.Start(
            "postgres", [.. AsUser, program, "-D", cluster, "-p", $"{port}", "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=200", "-c", "shared_buffers=64MB"],
            new Dictionary<string, string?>(StringComparer.Ordinal), log);
        await ServerPrograms.WaitAsync(server, log, () => AnswersAsync(cancellationToken), cancellationToken);
    }

    public async Task StopAsync()
    {
        if (server is not null)
        {
            // SIGTERM would wait for clients, and the services keep pooled connections.
            await server.StopAsync(TimeSpan.FromSeconds(20), ChildProcess.Interrupt);
            server = null;
        }
    }

    public Task KillAsync() => server?.KillAsync() ?? Task.CompletedTask;

    public async ValueTask DisposeAsync() => await StopAsync();

    /// <summary>
    /// A folder that the package's user can reach: inside the given one, or under /var/lib when we are root and that one is closed to others.
    /// </summary>
    public static string Reachable(string folder)
    {
        if (!ServerPrograms.IsRoot)
        {
            return folder;
        }

        for (var ancestor = new DirectoryInfo(folder).Parent; ancestor is not null; ancestor = ancestor.Parent)
        {
            if (ancestor.Exists && !ancestor.UnixFileMode.HasFlag(UnixFileMode.OtherExecute))
            {
                string name = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(folder)))[..16];
                return Path.Combine("/var/lib/palimpsest", name);
            }
        }

        return folder;
    }

    private static IReadOnlyList<string> AsUser => ServerPrograms.IsRoot ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"] : [];

    private static IEnumerable<string> Binaries(string program) =>
        (Directory.Exists("/usr/lib/postgresql") ? Directory.GetDirectories("/usr/lib/postgresql") : [])
        .OrderByDescending(d => int.TryParse(Path.GetFileName(d), out int version) ? version : 0)
        .Select(d => Path.Combine(d, "bin", program))
        .Append("/usr/local/bin/" + program);

    private static string Password(string folder)
    {
        string path = Path.Combine(folder, "password");
        if (!File.Exists(path))
        {
            Directory.CreateDirectory(folder);
            File.WriteAllText(path, Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16)));
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }

        return File.ReadAllText(path).Trim();
    }

    private async Task InitializeAsync(string program, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(cluster);
        string secret = cluster + ".password", log = Path.Combine(folder, "initdb.log");
        await File.WriteAllTextAsync(secret, password, cancellationToken);
        try
        {
            if (ServerPrograms.IsRoot)
            {
                await RunAsync(["chown", "postgres:postgres", cluster, secret], log, cancellationToken);
            }

            await RunAsync(
                [.. AsUser, Path.Combine(Path.GetDirectoryName(program)!, "initdb"), "-D", cluster, "-U", User, "-E", "UTF8", "--locale=C", "--auth=scram-sha-256", "--pwfile", secret, "--no-sync"],
                log, cancellationToken);
        }
        finally
        {
            File.Delete(secret);
        }
    }

    private static async Task RunAsync(IReadOnlyList<string> command, string log, CancellationToken cancellationToken)
    {
        await using var process = ChildProcess.Start(Path.GetFileName(command[0]), command, new Dictionary<string, string?>(StringComparer.Ordinal), log);
        await process.WaitForExitAsync(cancellationToken);
        if (process.ExitCode != 0)
        {
            await process.StopAsync(TimeSpan.FromSeconds(1));
            throw new LocalServerException($"PostgreSQL's data folder could not be made; {log} says:\n{await File.ReadAllTextAsync(log, cancellationToken)}");
        }
    }

    private async Task<bool> AnswersAsync(CancellationToken cancellationToken)
    {
        try
        {
            var settings = new NpgsqlConnectionStringBuilder { Host = "127.0.0.1", Port = port, Username = User, Password = password, Database = "postgres", Pooling = false, Timeout = 3 };
            await using var connection = new NpgsqlConnection(settings.ToString());
            await connection.OpenAsync(cancellationToken);
            await using var exists = new NpgsqlCommand("SELECT 1 FROM pg_database WHERE datname = 'palimpsest'", connection);
            if (await exists.ExecuteScalarAsync(cancellationToken) is null)
            {
                await using var create = new NpgsqlCommand("CREATE DATABASE palimpsest", connection);
                await create.ExecuteNonQueryAsync(cancellationToken);
            }

            return true;
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException)
        {
            return false;
        }
    }
}
