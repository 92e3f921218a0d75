using System.Data.Common;
using System.Text.Json;
using Dapper;
using Palimpsest.Contracts;

namespace Palimpsest.Hosting;

/// <summary><see cref="IAnalysisStore"/> over <see cref="PlatformDatabase"/>.</summary>
internal sealed class AnalysisStore(PlatformDatabase database, OutboxStore outbox, IAnalysisSignals signals) : IAnalysisStore
{
    private const string Columns = """
        id AS "Id", tenant AS "Tenant", version AS "Version", status AS "Status", stage AS "Stage", stage_since AS "StageSince", stage_attempts AS "StageAttempts",
        stage_due AS "StageDue", created_at AS "CreatedAt", started_at AS "StartedAt", completed_at AS "CompletedAt", erased_at AS "ErasedAt", expires_at AS "ExpiresAt",
        request AS "Request", findings AS "Findings"
        """;

    private const string Insert = """
        INSERT INTO analyses (id, tenant, version, status, stage, stage_since, stage_attempts, stage_due, created_at, started_at, completed_at, erased_at, expires_at,
                              verdict, score, kind, sha256, batch_id, batch_index, request, findings)
        VALUES (@Id, @Tenant, @Version, @Status, @Stage, @StageSince, @StageAttempts, @StageDue, @CreatedAt, @StartedAt, @CompletedAt, @ErasedAt, @ExpiresAt,
                @Verdict, @Score, @Kind, @Sha256, @BatchId, @BatchIndex, @Request, @Findings)
        """;

    private const string Update = """
        UPDATE analyses SET version = @Version + 1, status = @Status, stage = @Stage, stage_since = @StageSince, stage_attempts = @StageAttempts, stage_due = @StageDue,
            started_at = @StartedAt, completed_at = @CompletedAt, erased_at = @ErasedAt, expires_at = @ExpiresAt, verdict = @Verdict, score = @Score, kind = @Kind,
            request = @Request, findings = @Findings
        WHERE id = @Id AND version = @Version
        """;

    public async Task InsertAsync(IReadOnlyCollection<AnalysisRecord> records, IReadOnlyCollection<OutboxMessage> messages, Func<DbTransaction, Task>? also, CancellationToken cancellationToken)
    {
        var rows = outbox.Rows(messages);
        await WriteAsync(Insert, records, rows, also, promised: true, cancellationToken);
        outbox.Committed(rows);
    }

    public async Task<AnalysisRecord?> TrySaveAsync(AnalysisRecord record, IReadOnlyCollection<OutboxMessage> messages, Func<DbTransaction, Task>? also, CancellationToken cancellationToken)
    {
        // What a step has found can be found again, from the stage that is on disk. How it ended cannot: its pixels are removed next. A PostgreSQL that is killed loses what it did
        // not flush, and finding it again takes a deadline; SQLite's file loses nothing with its process.
        bool promised = database.IsPostgres || AnalysisStatuses.IsTerminal(record.Status);
        var rows = outbox.Rows(messages);
        if (!await WriteAsync(Update, [record], rows, also, promised, cancellationToken))
        {
            return null;
        }

        outbox.Committed(rows);
        signals.Publish(record.Id, AnalysisStatuses.IsTerminal(record.Status));
        return record with { Version = record.Version + 1 };
    }

    public async Task<AnalysisRecord?> FindAsync(string tenant, string id, CancellationToken cancellationToken) =>
        (await database.QueryFirstAsync<Row>($"SELECT {Columns} FROM analyses WHERE id = @id AND tenant = @tenant", new { id, tenant }, cancellationToken))?.Open();

    public async Task<AnalysisRecord?> LoadAsync(string id, CancellationToken cancellationToken) =>
        (await database.QueryFirstAsync<Row>($"SELECT {Columns} FROM analyses WHERE id = @id", new { id }, cancellationToken))?.Open();

    public Task<IReadOnlyList<AnalysisRecord>> OverdueAsync(string stage, DateTimeOffset due, int limit, CancellationToken cancellationToken) => ReadAsync(
        $"""
        SELECT {Columns} FROM analyses
        WHERE stage_due IS NOT NULL AND stage_due <= @due AND stage = @stage AND id NOT IN (SELECT analysis_id FROM outbox)
        ORDER BY stage_since LIMIT @limit
        """,
        new { stage, due = due.ToUnixTimeMilliseconds(), limit }, cancellationToken);

    public Task<IReadOnlyList<AnalysisRecord>> ExpiredAsync(DateTimeOffset now, int limit, CancellationToken cancellationToken) => ReadAsync(
        $"SELECT {Columns} FROM analyses WHERE erased_at IS NULL AND expires_at <= @now AND stage_due IS NULL ORDER BY expires_at LIMIT @limit",
        new { now = now.ToUnixTimeMilliseconds(), limit }, cancellationToken);

    public Task<IReadOnlyList<AnalysisRecord>> ListAsync(string tenant, AnalysisFilter filter, CancellationToken cancellationToken) => ReadAsync(
        $"SELECT {Columns} FROM analyses WHERE {AnalysisListing.Where(filter)} ORDER BY created_at DESC, id DESC LIMIT @limit",
        new
        {
            tenant, status = filter.Status, verdict = filter.Verdict, sha256 = filter.Sha256, limit = filter.Limit,
            at = filter.After?.CreatedAt.ToUnixTimeMilliseconds() ?? 0, after = filter.After?.Id,
        },
        cancellationToken);

    public Task<IReadOnlyList<AnalysisRecord>> BatchAsync(string tenant, string batchId, CancellationToken cancellationToken) => ReadAsync(
        $"SELECT {Columns} FROM analyses WHERE batch_id = @batchId AND tenant = @tenant ORDER BY batch_index", new { batchId, tenant }, cancellationToken);

    private async Task<IReadOnlyList<AnalysisRecord>> ReadAsync(string sql, object parameters, CancellationToken cancellationToken) =>
        [.. (await database.QueryAsync<Row>(sql, parameters, cancellationToken)).Select(r => r.Open())];

    /// <summary>Records, messages, and what else goes with them: all or nothing. False when a record was not there as it was read; then nothing was written.</summary>
    private async Task<bool> WriteAsync(
        string sql, IReadOnlyCollection<AnalysisRecord> records, IReadOnlyList<OutboxRow> messages, Func<DbTransaction, Task>? also, bool promised, CancellationToken cancellationToken)
    {
        // Every statement to PostgreSQL is a round trip, beginning and committing are two more, and a single statement is a transaction by itself.
        bool together = records.Count == 1 && (database.IsPostgres || messages.Count == 0);
        var (statement, parameters) = together
            ? (With(messages, sql), OutboxStore.Describe(new DynamicParameters(Row.From(records.First())), messages))
            : (sql, (object)records.Select(Row.From));
        if (together && also is null)
        {
            return await database.ExecuteAsync(statement, parameters, cancellationToken, promised) > 0;
        }

        return await database.InTransactionAsync(
            async t =>
            {
                if (await t.Connection!.ExecuteAsync(new CommandDefinition(statement, parameters, t, cancellationToken: cancellationToken)) == 0 && records.Count > 0)
                {
                    return false;
                }

                await OutboxStore.AddAsync(t, together ? [] : messages, cancellationToken);
                await (also?.Invoke(t) ?? Task.CompletedTask);
                return true;
            },
            cancellationToken,
            promised);
    }

    /// <summary>The statement and its messages in one. It touches rows where the statement does.</summary>
    private static string With(IReadOnlyList<OutboxRow> messages, string sql) =>
        messages.Count == 0 ? sql : $"WITH written AS ({sql} RETURNING 1) {OutboxStore.InsertFrom("written", messages.Count)}";

    /// <summary>The row as Dapper sees it.</summary>
    private sealed class Row
    {
        public string Id { get; set; } = "";

        public string Tenant { get; set; } = "";

        public long Version { get; set; }

        public string Status { get; set; } = "";

        public string Stage { get; set; } = "";

        public long StageSince { get; set; }

        public long StageAttempts { get; set; }

        public long? StageDue { get; set; }

        public long CreatedAt { get; set; }

        public long? StartedAt { get; set; }

        public long? CompletedAt { get; set; }

        public long? ErasedAt { get; set; }

        public long ExpiresAt { get; set; }

        public string Request { get; set; } = "";

        public string Findings { get; set; } = "";

        public string? Verdict { get; set; }

        public double? Score { get; set; }

        public string? Kind { get; set; }

        public string Sha256 { get; set; } = "";

        public string? BatchId { get; set; }

        public int? BatchIndex { get; set; }

        public static Row From(AnalysisRecord r) => new()
        {
            Id = r.Id,
            Tenant = r.Tenant,
            Version = r.Version,
            Status = r.Status,
            Stage = r.Stage,
            StageSince = r.StageSince.ToUnixTimeMilliseconds(),
            StageAttempts = r.StageAttempts,
            StageDue = r.StageDue?.ToUnixTimeMilliseconds(),
            CreatedAt = r.CreatedAt.ToUnixTimeMilliseconds(),
            StartedAt = r.StartedAt?.ToUnixTimeMilliseconds(),
            CompletedAt = r.CompletedAt?.ToUnixTimeMilliseconds(),
            ErasedAt = r.ErasedAt?.ToUnixTimeMilliseconds(),
            ExpiresAt = r.ExpiresAt.ToUnixTimeMilliseconds(),
            Request = JsonSerializer.Serialize(r.Request, PlatformJson.Options),
            Findings = JsonSerializer.Serialize(r.Findings, PlatformJson.Options),
            Verdict = r.Findings.Result?.Verdict,
            Score = r.Findings.Result?.Score,
            Kind = r.Findings.Result?.Kind,
            Sha256 = r.Request.Sha256,
            BatchId = r.Request.BatchId,
            BatchIndex = r.Request.BatchIndex,
        };

        public AnalysisRecord Open() => new()
        {
            Id = Id,
            Tenant = Tenant,
            Version = (int)Version,
            Status = Status,
            Stage = Stage,
            StageSince = At(StageSince),
            StageAttempts = (int)StageAttempts,
            StageDue = At(StageDue),
            CreatedAt = At(CreatedAt),
            StartedAt = At(StartedAt),
            CompletedAt = At(CompletedAt),
            ErasedAt = At(ErasedAt),
            ExpiresAt = At(ExpiresAt),
            Request = JsonSerializer.Deserialize<AnalysisRequest>(Request, PlatformJson.Options)!,
            Findings = JsonSerializer.Deserialize<AnalysisFindings>(Findings, PlatformJson.Options)!,
        };

        private static DateTimeOffset At(long milliseconds) => DateTimeOffset.FromUnixTimeMilliseconds(milliseconds);

        private static DateTimeOffset? At(long? milliseconds) => milliseconds is { } value ? At(value) : null;
    }
}
