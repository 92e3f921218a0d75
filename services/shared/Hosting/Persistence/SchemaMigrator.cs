using System.Data.Common;
using System.Reflection;
using Dapper;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Palimpsest.Hosting;

/// <summary>
/// Applies <c>Persistence/Schema/NNN_name.sql</c> in order, once each, in one transaction under a lock: every process may start first.
/// Registered before all other hosted services, so nothing reads a table that is not there. Waits for the database to answer, and for whoever is applying them: an index over some millions of
/// rows takes minutes, and given up it would be begun anew.
/// </summary>
internal sealed partial class SchemaMigrator(PlatformDatabase database, TimeProvider time, ILogger<SchemaMigrator> log) : IHostedService
{
    internal const long LockKey = 0x50414C494D50; // "PALIMP", any constant will do

    private const int Endless = 0; // seconds, as the drivers take it

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                await ApplyAsync(cancellationToken);
                return;
            }
            catch (DbException e) when (attempt < 60 && !cancellationToken.IsCancellationRequested)
            {
                LogWaiting(attempt, e.Message);
                await Task.Delay(TimeSpan.FromSeconds(1), time, cancellationToken);
            }
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private Task<int> ApplyAsync(CancellationToken cancellationToken) => database.InTransactionAsync(
        async transaction =>
        {
            var connection = transaction.Connection!;
            if (database.IsPostgres)
            {
                await connection.ExecuteAsync(new CommandDefinition("SELECT pg_advisory_xact_lock(@LockKey)", new { LockKey }, transaction, Endless, cancellationToken: cancellationToken));
            }

            await connection.ExecuteAsync("CREATE TABLE IF NOT EXISTS schema_versions (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)", transaction: transaction);
            var applied = (await connection.QueryAsync<int>("SELECT version FROM schema_versions", transaction: transaction)).ToHashSet();
            int count = 0;
            foreach (var (version, name, sql) in Scripts().Where(s => !applied.Contains(s.Version)))
            {
                await connection.ExecuteAsync(new CommandDefinition(sql, null, transaction, Endless, cancellationToken: cancellationToken));
                await connection.ExecuteAsync(
                    "INSERT INTO schema_versions (version, name, applied_at) VALUES (@version, @name, @now)",
                    new { version, name, now = time.GetUtcNow().ToUnixTimeMilliseconds() }, transaction);
                LogApplied(name);
                count++;
            }

            return count;
        },
        cancellationToken);

    private static IEnumerable<(int Version, string Name, string Sql)> Scripts()
    {
        var assembly = Assembly.GetExecutingAssembly();
        foreach (string resource in assembly.GetManifestResourceNames().Where(n => n.EndsWith(".sql", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            // Palimpsest.Hosting.Persistence.Schema.001_initial.sql
            string name = resource.Split('.')[^2];
            using var reader = new StreamReader(assembly.GetManifestResourceStream(resource)!);
            yield return (int.Parse(name.AsSpan(0, 3)), name, reader.ReadToEnd());
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The database does not answer yet (attempt {Attempt}): {Reason}")]
    private partial void LogWaiting(int attempt, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Applied schema {Name}")]
    private partial void LogApplied(string name);
}
