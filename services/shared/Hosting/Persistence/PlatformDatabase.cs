using System.Collections.Concurrent;
using System.Data;
using System.Data.Common;
using Dapper;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace Palimpsest.Hosting;

/// <summary>
/// The system of record: a SQLite file embedded, PostgreSQL distributed. One SQL dialect serves both: TEXT, BIGINT (Unix milliseconds),
/// DOUBLE PRECISION, ON CONFLICT and RETURNING.
/// </summary>
public sealed class PlatformDatabase : IAsyncDisposable
{
    private readonly NpgsqlDataSource? postgres;
    private readonly NpgsqlDataSource? relaxed; // commits without waiting for the disk
    private readonly string sqlite = "";
    private readonly ConcurrentBag<StatementConnection> readers = [];

    // SQLite has one writer; queueing here is fair, does not poll as its busy handler does, and shares the cost of commits.
    private readonly GroupCommit commits;

    // SQLite compiles each text once, and a list must not make a text for each length it comes in: lengths are rounded up. A padding of nulls is nothing to IN (there is no NOT IN over a list).
    static PlatformDatabase() => SqlMapper.Settings.PadListExpansions = true;

    /// <summary>Opens nothing yet.</summary>
    public PlatformDatabase(PlatformSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        commits = new GroupCommit(OpenAsync);
        if (settings.Postgres is { } url)
        {
            var server = Server(url);
            postgres = NpgsqlDataSource.Create(server.ToString());
            server.Options = "-c synchronous_commit=off";
            server.MaxPoolSize /= 2;
            relaxed = NpgsqlDataSource.Create(server.ToString());
            return;
        }

        Directory.CreateDirectory(settings.DataDirectory);
        // Connections are kept here, with what they have compiled, and need no pool.
        sqlite = new SqliteConnectionStringBuilder { DataSource = Path.Combine(settings.DataDirectory, "palimpsest.db"), Pooling = false, DefaultTimeout = 30 }.ToString();
    }

    /// <summary>SQL that is true where a column has one of a list parameter's values: Dapper expands the list for SQLite, PostgreSQL takes the array as it is.</summary>
    /// <param name="column">Column.</param>
    /// <param name="parameter">The parameter's name, without the @.</param>
    public string IsOneOf(string column, string parameter) => IsPostgres ? $"{column} = ANY(@{parameter})" : $"{column} IN @{parameter}";

    /// <summary>SQL of a text column's value that no planner looks up in an index: SQLite does not know how rare a value is, and of two indexes may take the one that has the tenant's every row.</summary>
    /// <param name="column">Column.</param>
    public static string Unindexed(string column) => $"{column} || ''";

    /// <summary>PostgreSQL rather than SQLite.</summary>
    public bool IsPostgres => postgres is not null;

    /// <summary>Runs work in one transaction; commits when it returns, rolls back when it throws.</summary>
    /// <param name="work">Reads and writes.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <param name="promised">
    /// True: on disk when this returns. False for what a later sweep would do again: a power cut, or the kill of a PostgreSQL server, may undo the last second of it; the kill of a process with
    /// a SQLite file undoes nothing. What was committed before a promise is on disk with it.
    /// </param>
    /// <exception cref="CommitInDoubtException">The connection broke over the commit.</exception>
    public async Task<T> InTransactionAsync<T>(Func<DbTransaction, Task<T>> work, CancellationToken cancellationToken, bool promised = true)
    {
        ArgumentNullException.ThrowIfNull(work);
        if (postgres is null)
        {
            return await commits.RunAsync(work, promised, cancellationToken);
        }

        await using var connection = await (promised ? postgres : relaxed!).OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.ReadCommitted, cancellationToken);
        var result = await work(transaction);
        try
        {
            await transaction.CommitAsync(cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            throw new CommitInDoubtException(e);
        }

        return result;
    }

    /// <summary>Runs one statement on its own; the number of rows it touched.</summary>
    /// <exception cref="CommitInDoubtException">The connection broke over it.</exception>
    public Task<int> ExecuteAsync(string sql, object? parameters, CancellationToken cancellationToken, bool promised = true) =>
        WriteAsync((connection, t) => connection.ExecuteAsync(new CommandDefinition(sql, parameters, t, cancellationToken: cancellationToken)), promised, cancellationToken);

    /// <summary>Runs one statement that changes rows and returns them.</summary>
    public Task<List<T>> ExecuteReturningAsync<T>(string sql, object? parameters, CancellationToken cancellationToken, bool promised = true) => WriteAsync(
        async (connection, t) => (await connection.QueryAsync<T>(new CommandDefinition(sql, parameters, t, cancellationToken: cancellationToken))).AsList(), promised, cancellationToken);

    /// <summary>Reads rows.</summary>
    public Task<IReadOnlyList<T>> QueryAsync<T>(string sql, object? parameters, CancellationToken cancellationToken) => ReadAsync<IReadOnlyList<T>>(
        async connection => (await connection.QueryAsync<T>(new CommandDefinition(sql, parameters, cancellationToken: cancellationToken))).AsList(), cancellationToken);

    /// <summary>Reads one row or none.</summary>
    public Task<T?> QueryFirstAsync<T>(string sql, object? parameters, CancellationToken cancellationToken) =>
        ReadAsync(connection => connection.QueryFirstOrDefaultAsync<T>(new CommandDefinition(sql, parameters, cancellationToken: cancellationToken)), cancellationToken);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await commits.DisposeAsync();
        while (readers.TryTake(out var reader))
        {
            await reader.DisposeAsync();
        }

        if (postgres is not null)
        {
            await postgres.DisposeAsync();
            await relaxed!.DisposeAsync();
        }
    }

    /// <summary>One statement: PostgreSQL makes it a transaction by itself, in one round trip.</summary>
    private async Task<T> WriteAsync<T>(Func<DbConnection, DbTransaction?, Task<T>> statement, bool promised, CancellationToken cancellationToken)
    {
        if (postgres is null)
        {
            return await commits.RunAsync(t => statement(t.Connection!, t), promised, cancellationToken);
        }

        await using var connection = await (promised ? postgres : relaxed!).OpenConnectionAsync(cancellationToken);
        try
        {
            return await statement(connection, null);
        }
        catch (Exception e) when (e is not (OperationCanceledException or PostgresException))
        {
            throw new CommitInDoubtException(e); // the server did not refuse it
        }
    }

    private async Task<StatementConnection> OpenAsync(CancellationToken cancellationToken)
    {
        var connection = new StatementConnection(sqlite);
        await connection.OpenAsync(cancellationToken);
        // FULL: a 202 must survive a power cut. WAL keeps readers running beside the writer.
        await connection.ExecuteAsync("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;");
        return connection;
    }

    private async Task<T> ReadAsync<T>(Func<DbConnection, Task<T>> read, CancellationToken cancellationToken)
    {
        if (postgres is not null)
        {
            await using var connection = await postgres.OpenConnectionAsync(cancellationToken);
            return await read(connection);
        }

        // As many as ever read at a time. One that failed is not used again.
        var reader = readers.TryTake(out var free) ? free : await OpenAsync(cancellationToken);
        try
        {
            var result = await read(reader);
            readers.Add(reader);
            return result;
        }
        catch
        {
            await reader.DisposeAsync();
            throw;
        }
    }

    /// <summary>The connection string of a <c>POSTGRES_URL</c>.</summary>
    internal static NpgsqlConnectionStringBuilder Server(Uri url)
    {
        var server = ServerUrl.Of(url);
        // "system" is libpq's word for the machine's own list, which Npgsql takes when none is named.
        string? root = server.Query.GetValueOrDefault("sslrootcert") is { } file and not "system" ? file : null;
        return new NpgsqlConnectionStringBuilder
        {
            Host = server.Host,
            Port = server.Port,
            Username = server.User,
            Password = server.Password,
            Database = server.Path,
            SslMode = server.Query.GetValueOrDefault("sslmode") switch
            {
                "disable" => SslMode.Disable,
                "allow" => SslMode.Allow,
                null or "prefer" => SslMode.Prefer,
                "require" => root is null ? SslMode.Require : SslMode.VerifyCA, // as libpq does
                "verify-ca" => SslMode.VerifyCA,
                "verify-full" => SslMode.VerifyFull,
                _ => throw new InvalidOperationException("POSTGRES_URL: sslmode is one of disable, allow, prefer, require, verify-ca and verify-full."),
            },
            RootCertificate = root,
            MaxPoolSize = 20,
            Timeout = 5,
            CommandTimeout = 15,
            // Seconds. A schema script is waited for without end: a server that went away without a word must be noticed.
            TcpKeepAlive = true,
            TcpKeepAliveTime = 60,
            TcpKeepAliveInterval = 10,
            // What is run twice is planned once for each connection, and no connection leaves anything behind that must be reset.
            MaxAutoPrepare = 60,
            AutoPrepareMinUsages = 2,
            NoResetOnClose = true,
        };
    }
}
