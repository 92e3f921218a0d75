using System.Data;
using System.Data.Common;
using Microsoft.Data.Sqlite;

namespace Palimpsest.Hosting;

/// <summary>
/// A SQLite connection that compiles each statement once: Dapper makes a command for every call, and SQLite would compile its text anew each time. For one user at a time.
/// </summary>
internal sealed class StatementConnection(string connectionString) : SqliteConnection(connectionString)
{
    /// <summary>Texts kept; those that lists make longer and shorter must not grow without end.</summary>
    private const int Most = 100;

    private readonly Dictionary<string, SqliteCommand> compiled = new(StringComparer.Ordinal);

    /// <inheritdoc/>
    public override SqliteCommand CreateCommand() => new Call(this) { Connection = this, CommandTimeout = DefaultTimeout, Transaction = Transaction };

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            foreach (var command in compiled.Values)
            {
                command.Dispose();
            }

            compiled.Clear();
        }

        base.Dispose(disposing);
    }

    private SqliteCommand Compiled(Call call)
    {
        if (!compiled.TryGetValue(call.CommandText, out var command))
        {
            command = new SqliteCommand(call.CommandText, this) { CommandTimeout = call.CommandTimeout };
            if (compiled.Count < Most)
            {
                compiled.Add(call.CommandText, command);
            }
        }

        command.Transaction = call.Transaction;
        command.Parameters.Clear();
        foreach (SqliteParameter parameter in call.Parameters)
        {
            command.Parameters.Add(parameter);
        }

        return command;
    }

    /// <summary>One use of a statement.</summary>
    private sealed class Call(StatementConnection owner) : SqliteCommand
    {
        public override int ExecuteNonQuery() => owner.Compiled(this).ExecuteNonQuery();

        public override object? ExecuteScalar() => owner.Compiled(this).ExecuteScalar();

        public override SqliteDataReader ExecuteReader(CommandBehavior behavior) => owner.Compiled(this).ExecuteReader(behavior);

        protected override DbDataReader ExecuteDbDataReader(CommandBehavior behavior) => ExecuteReader(behavior);
    }
}
