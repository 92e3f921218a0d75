using System.Data.Common;
using Dapper;
using Microsoft.Extensions.Options;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Gateway;

/// <summary>An answer that was given once and is given again.</summary>
internal sealed record StoredAnswer(string RequestHash, int Status, string? Location, string Body);

/// <summary>
/// Idempotency-Key (IETF httpapi draft 07), by (tenant, key). A key is reserved before the body is read and completed in the transaction that accepts; a reservation whose
/// process died is free again after <see cref="InFlight"/>. Refusals are not kept: the same key may try again.
/// </summary>
internal sealed class IdempotencyStore(PlatformDatabase database, IOptions<IntakeOptions> options, TimeProvider time)
{
    /// <summary>
    /// A live request renews its reservation three times within this; after a killed gateway a client waits this long for its key. One that lives but could not renew loses nothing but its turn:
    /// completing asks for the reservation in the accepting transaction.
    /// </summary>
    public static readonly TimeSpan InFlight = TimeSpan.FromSeconds(15);

    private const int SweepGroup = 1_000;

    public TimeProvider Time => time;

    /// <summary>Reads the header.</summary>
    /// <exception cref="ApiException">400: several keys, or not 1 to 255 visible ASCII characters.</exception>
    public static string? KeyOf(HttpRequest request)
    {
        var values = request.Headers["Idempotency-Key"];
        if (values.Count == 0)
        {
            return null;
        }

        return values is [{ Length: > 0 and <= 255 } key] && !key.AsSpan().ContainsAnyExceptInRange('!', '~')
            ? key
            : throw ApiException.Malformed("Idempotency-Key must be one value of 1 to 255 visible ASCII characters.");
    }

    /// <summary>
    /// Reserves the request's key, or finds the answer it had; null without a key. When there is no room for new work (<paramref name="refusal"/>) it only finds: whoever lost the answer to
    /// work that is accepted already asks for no more of it. A new key is refused as cheaply as none, by one read.
    /// </summary>
    /// <exception cref="ApiException">400, 409, or the refusal.</exception>
    public async Task<IdempotencyReservation?> BeginAsync(HttpRequest request, string tenant, ApiException? refusal, CancellationToken cancellationToken)
    {
        string? key = KeyOf(request);
        if (refusal is null)
        {
            return key is null ? null : await BeginAsync(tenant, key, cancellationToken);
        }

        return key is not null && await FindAsync(tenant, key, cancellationToken) is { } stored ? new IdempotencyReservation(this, tenant, key, "", stored) : throw refusal;
    }

    /// <summary>Reserves the key, or finds the answer it had.</summary>
    /// <exception cref="ApiException">409: a request with this key is in flight.</exception>
    public async Task<IdempotencyReservation> BeginAsync(string tenant, string key, CancellationToken cancellationToken)
    {
        string owner = "in-flight:" + Guid.NewGuid().ToString("n");
        var now = time.GetUtcNow();
        int reserved = await database.ExecuteAsync(
            """
            INSERT INTO idempotency (tenant, key, request_hash, created_at, expires_at) VALUES (@tenant, @key, @owner, @now, @until)
            ON CONFLICT (tenant, key) DO UPDATE SET request_hash = excluded.request_hash, status = NULL, location = NULL, body = NULL,
                created_at = excluded.created_at, expires_at = excluded.expires_at
            WHERE idempotency.expires_at <= @now
            """,
            new { tenant, key, owner, now = now.ToUnixTimeMilliseconds(), until = (now + InFlight).ToUnixTimeMilliseconds() }, cancellationToken);
        if (reserved > 0)
        {
            return new IdempotencyReservation(this, tenant, key, owner, null);
        }

        return await FindAsync(tenant, key, cancellationToken) is { } stored ? new IdempotencyReservation(this, tenant, key, owner, stored) : throw InFlightElsewhere();
    }

    /// <summary>Keeps the answer within the accepting transaction.</summary>
    /// <exception cref="ApiException">409: the reservation ran out and somebody else has the key; nothing may be committed.</exception>
    public async Task CompleteAsync(DbTransaction transaction, IdempotencyReservation reservation, StoredAnswer answer, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        int touched = await transaction.Connection!.ExecuteAsync(new CommandDefinition(
            """
            UPDATE idempotency SET request_hash = @RequestHash, status = @Status, location = @Location, body = @Body, expires_at = @until
            WHERE tenant = @Tenant AND key = @Key AND request_hash = @Owner
            """,
            new
            {
                answer.RequestHash, answer.Status, answer.Location, answer.Body, reservation.Tenant, reservation.Key, reservation.Owner,
                until = now.AddHours(options.Value.IdempotencyHours).ToUnixTimeMilliseconds(),
            },
            transaction, cancellationToken: cancellationToken));
        if (touched == 0)
        {
            throw InFlightElsewhere();
        }
    }

    public Task RenewAsync(IdempotencyReservation reservation) => database.ExecuteAsync(
        "UPDATE idempotency SET expires_at = @until WHERE tenant = @Tenant AND key = @Key AND request_hash = @Owner",
        new { reservation.Tenant, reservation.Key, reservation.Owner, until = (time.GetUtcNow() + InFlight).ToUnixTimeMilliseconds() }, CancellationToken.None);

    public Task ReleaseAsync(IdempotencyReservation reservation) => database.ExecuteAsync(
        "DELETE FROM idempotency WHERE tenant = @Tenant AND key = @Key AND request_hash = @Owner",
        new { reservation.Tenant, reservation.Key, reservation.Owner }, CancellationToken.None);

    /// <summary>Forgets what has run out, some at a time: submissions come in between.</summary>
    /// <returns>How many.</returns>
    public async Task<int> SweepAsync(CancellationToken cancellationToken)
    {
        // By created_at, which has an index because it costs submissions little. The reservation of a process that died is free at once and lies here as long as an answer does.
        string skip = database.IsPostgres ? "FOR UPDATE SKIP LOCKED" : "";
        string sql = $"""
            DELETE FROM idempotency WHERE expires_at <= @now
                AND (tenant, key) IN (SELECT tenant, key FROM idempotency WHERE created_at <= @begun AND expires_at <= @now ORDER BY created_at LIMIT @group {skip})
            """;
        var now = time.GetUtcNow();
        var values = new { now = now.ToUnixTimeMilliseconds(), begun = now.AddHours(-options.Value.IdempotencyHours).ToUnixTimeMilliseconds(), group = SweepGroup };
        for (int removed = 0; ;)
        {
            int last = await database.ExecuteAsync(sql, values, cancellationToken, promised: false);
            removed += last;
            if (last < SweepGroup)
            {
                return removed;
            }
        }
    }

    private async Task<StoredAnswer?> FindAsync(string tenant, string key, CancellationToken cancellationToken)
    {
        var row = await database.QueryFirstAsync<Row>(
            """SELECT request_hash AS "RequestHash", status AS "Status", location AS "Location", body AS "Body" FROM idempotency WHERE tenant = @tenant AND key = @key AND expires_at > @now""",
            new { tenant, key, now = time.GetUtcNow().ToUnixTimeMilliseconds() }, cancellationToken);
        return row is { Status: { } status, Body: { } body } ? new StoredAnswer(row.RequestHash, (int)status, row.Location, body) : null;
    }

    private static ApiException InFlightElsewhere() =>
        new(409, ErrorCodes.IdempotencyInFlight, "A request with this Idempotency-Key is still being worked on. Send it again in a moment to get its answer.") { RetryAfterSeconds = 1 };

    private sealed class Row
    {
        public string RequestHash { get; set; } = "";

        public long? Status { get; set; }

        public string? Location { get; set; }

        public string? Body { get; set; }
    }
}
