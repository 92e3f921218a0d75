using System.Data;
using System.Data.Common;
using System.Runtime.CompilerServices;
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
    private readonly string sqlite;

    // The pool hands the same few handles out again and again, and a handle keeps its settings.
    private static readonly object Configured = new();
    private readonly ConditionalWeakTable<SQLitePCL.sqlite3, object> configured = [];

    // SQLite has one writer; queueing here is fair, does not poll as its busy handler does, and shares the cost of commits.
    private readonly GroupCommit commits;

    /// <summary>Opens nothing yet.</summary>
    public PlatformDatabase(PlatformSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        commits = new GroupCommit(OpenAsync);
        if (settings.Postgres is { } url)
        {
            postgres = NpgsqlDataSource.Create(ConnectionString(url));
            sqlite = "";
            return;
        }

        Directory.CreateDirectory(settings.DataDirectory);
        sqlite = new SqliteConnectionStringBuilder
        {
            DataSource = Path.Combine(settings.DataDirectory, "palimpsest.db"), Pooling = true, DefaultTimeout = 30,
        }.ToString();
    }

    /// <summary>SQL that is true where a column has one of a list parameter's values: Dapper expands the list for SQLite, PostgreSQL takes the array as it is.</summary>
    /// <param name="column">Column.</param>
    /// <param name="parameter">The parameter's name, without the @.</param>
    public string IsOneOf(string column, string parameter) => IsPostgres ? $"{column} = ANY(@{parameter})" : $"{column} IN @{parameter}";

    /// <summary>PostgreSQL rather than SQLite.</summary>
    public bool IsPostgres => postgres is not null;

    /// <summary>An open connection; dispose it.</summary>
    public async Task<DbConnection> OpenAsync(CancellationToken cancellationToken)
    {
        if (postgres is not null)
        {
            return await postgres.OpenConnectionAsync(cancellationToken);
        }

        var connection = new SqliteConnection(sqlite);
        await connection.OpenAsync(cancellationToken);
        if (!configured.TryGetValue(connection.Handle!, out _))
        {
            // FULL: a 202 must survive a power cut. WAL keeps readers running beside the writer.
            await connection.ExecuteAsync("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;");
            configured.AddOrUpdate(connection.Handle!, Configured);
        }

        return connection;
    }

    /// <summary>Runs work in one transaction; commits when it returns, rolls back when it throws.</summary>
    /// <exception cref="CommitInDoubtException">The connection broke over the commit.</exception>
    public async Task<T> InTransactionAsync<T>(Func<DbTransaction, Task<T>> work, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(work);
        if (!IsPostgres)
        {
            return await commits.RunAsync(work, cancellationToken);
        }

        await using var connection = await OpenAsync(cancellationToken);
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
    public Task<int> ExecuteAsync(string sql, object? parameters, CancellationToken cancellationToken) =>
        InTransactionAsync(t => t.Connection!.ExecuteAsync(new CommandDefinition(sql, parameters, t, cancellationToken: cancellationToken)), cancellationToken);

    /// <summary>Reads rows.</summary>
    public async Task<IReadOnlyList<T>> QueryAsync<T>(string sql, object? parameters, CancellationToken cancellationToken)
    {
        await using var connection = await OpenAsync(cancellationToken);
        return (await connection.QueryAsync<T>(new CommandDefinition(sql, parameters, cancellationToken: cancellationToken))).AsList();
    }

    /// <summary>Reads one row or none.</summary>
    public async Task<T?> QueryFirstAsync<T>(string sql, object? parameters, CancellationToken cancellationToken)
    {
        await using var connection = await OpenAsync(cancellationToken);
        return await connection.QueryFirstOrDefaultAsync<T>(new CommandDefinition(sql, parameters, cancellationToken: cancellationToken));
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        commits.Dispose();
        if (postgres is not null)
        {
            await postgres.DisposeAsync();
        }
    }

    private static string ConnectionString(Uri url)
    {
        string[] user = url.UserInfo.Split(':', 2);
        return new NpgsqlConnectionStringBuilder
        {
            Host = url.Host,
            Port = url.IsDefaultPort || url.Port < 0 ? 5432 : url.Port,
            Username = Uri.UnescapeDataString(user[0]),
            Password = user.Length > 1 ? Uri.UnescapeDataString(user[1]) : null,
            Database = url.AbsolutePath.Trim('/'),
            MaxPoolSize = 20,
            Timeout = 5,
            CommandTimeout = 15,
        }.ToString();
    }
}
