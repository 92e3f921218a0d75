using System.Collections.Concurrent;
using System.Data.Common;
using System.Security.Cryptography;
using System.Text.RegularExpressions;
using Dapper;
using Palimpsest.Hosting;

namespace Palimpsest.Gateway;

/// <summary>
/// Keys and tenants. Hashes at rest; a row is read at most every <see cref="CacheTime"/>, so that revoking works everywhere within that time.
/// </summary>
public sealed partial class ApiKeys(PlatformDatabase database, TimeProvider time)
{
    /// <summary>How long a row is believed; revocation must be effective within 60 s.</summary>
    public static readonly TimeSpan CacheTime = TimeSpan.FromSeconds(30);

    /// <summary>The tenant of the first key and of <c>--no-auth</c>.</summary>
    public const string DefaultTenant = "default";

    /// <summary>How long it is believed that a key does not exist: one made elsewhere works after that.</summary>
    internal static readonly TimeSpan UnknownTime = TimeSpan.FromSeconds(5);

    private const int CacheSize = 10_000;

    private const string Columns = """
        id AS "Id", tenant AS "Tenant", hash AS "Hash", name AS "Name", scopes AS "Scopes", created_at AS "CreatedAt", expires_at AS "ExpiresAt", revoked_at AS "RevokedAt"
        """;

    private readonly ConcurrentDictionary<string, (long ReadAt, Row Row)> cache = new(StringComparer.Ordinal);

    // Apart, so that strangers who try keys push nobody's out. Both by timestamps: the clock may be set back.
    private readonly ConcurrentDictionary<string, long> unknown = new(StringComparer.Ordinal);

    /// <summary>Shortest key that is taken: shorter ones can be guessed. 1 where only this machine can present any.</summary>
    internal int Shortest { get; set; } = KeyFormat.ShortestOwnKey;

    /// <summary>Makes a key, and its tenant when it is new.</summary>
    /// <exception cref="ArgumentException">A tenant name or scope that does not exist; the message says what is allowed.</exception>
    public Task<CreatedKey> CreateAsync(string tenant, string name, IReadOnlyCollection<string> scopes, DateTimeOffset? expiresAt, CancellationToken cancellationToken)
    {
        var (id, key) = KeyFormat.Create();
        return StoreAsync(id, key, tenant, name, scopes, expiresAt, cancellationToken);
    }

    /// <summary>Keeps a key that was chosen elsewhere (<c>PALIMPSEST_API_KEY</c>), with all scopes; null when it is kept already.</summary>
    /// <exception cref="ArgumentException">It is too short.</exception>
    public async Task<CreatedKey?> ImportAsync(string key, string tenant, string name, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (key.Length < Shortest || key.Any(c => c is <= ' ' or > '~'))
        {
            throw new ArgumentException($"PALIMPSEST_API_KEY must have at least {Shortest} printable ASCII characters and no spaces.", nameof(key));
        }

        string id = KeyFormat.IdOf(key);
        return await ReadAsync(id, cancellationToken) is null ? await StoreAsync(id, key, tenant, name, Hosting.Scopes.All, null, cancellationToken) : null;
    }

    /// <summary>The first key of a fresh platform, with all scopes, for <see cref="DefaultTenant"/>; null when there is a key already.</summary>
    public async Task<CreatedKey?> EnsureFirstAsync(CancellationToken cancellationToken) =>
        await database.QueryFirstAsync<long>("SELECT count(*) FROM api_keys", null, cancellationToken) == 0
            ? await CreateAsync(DefaultTenant, "first key", Hosting.Scopes.All, null, cancellationToken)
            : null;

    /// <summary>Makes a tenant; its webhook secret, or null when it exists.</summary>
    public Task<string?> EnsureTenantAsync(string tenant, CancellationToken cancellationToken) =>
        database.InTransactionAsync(t => EnsureTenantAsync(t, tenant, cancellationToken), cancellationToken);

    /// <summary>Replaces the secret that signs a tenant's <c>callback_url</c> webhooks, from the next delivery on; false when there is no such tenant.</summary>
    /// <exception cref="ArgumentException">It is none, see <see cref="WebhookSignature.IsSecret"/>.</exception>
    public async Task<bool> SetWebhookSecretAsync(string tenant, string secret, CancellationToken cancellationToken)
    {
        if (!WebhookSignature.IsSecret(secret))
        {
            throw new ArgumentException("PALIMPSEST_WEBHOOK_SECRET must be 'whsec_' followed by 24 to 64 bytes in base64: make one with 'echo whsec_$(openssl rand -base64 32)'.", nameof(secret));
        }

        return await database.ExecuteAsync("UPDATE tenants SET webhook_secret = @secret WHERE id = @tenant", new { tenant, secret }, cancellationToken) > 0;
    }

    /// <summary>All keys, or those of a tenant, oldest first.</summary>
    public async Task<IReadOnlyList<ApiKeyRecord>> ListAsync(string? tenant, CancellationToken cancellationToken)
    {
        var rows = await database.QueryAsync<Row>(
            $"SELECT {Columns} FROM api_keys {(tenant is null ? "" : "WHERE tenant = @tenant")} ORDER BY created_at, id", new { tenant }, cancellationToken);
        return [.. rows.Select(r => r.Open())];
    }

    /// <summary>Revokes; false when there is no such live key.</summary>
    public async Task<bool> RevokeAsync(string id, CancellationToken cancellationToken)
    {
        int touched = await database.ExecuteAsync(
            "UPDATE api_keys SET revoked_at = @now WHERE id = @id AND revoked_at IS NULL", new { id, now = time.GetUtcNow().ToUnixTimeMilliseconds() }, cancellationToken);
        cache.TryRemove(id, out _);
        return touched > 0;
    }

    /// <summary>Who presents this key; null for an unknown, wrong, expired or revoked one.</summary>
    public async Task<TenantContext?> VerifyAsync(string presented, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(presented);
        if (presented.Length < Shortest || presented.Length > 512)
        {
            return null;
        }

        long now = time.GetTimestamp();
        string id = KeyFormat.IdOf(presented);
        if (!cache.TryGetValue(id, out var entry) || time.GetElapsedTime(entry.ReadAt, now) >= CacheTime)
        {
            if (unknown.TryGetValue(id, out long missedAt) && time.GetElapsedTime(missedAt, now) < UnknownTime)
            {
                return null;
            }

            if (await ReadAsync(id, cancellationToken) is not { } row)
            {
                cache.TryRemove(id, out _);
                if (unknown.Count >= CacheSize)
                {
                    unknown.Clear();
                }

                unknown[id] = now;
                return null;
            }

            entry = (now, row);
            if (cache.Count >= CacheSize)
            {
                cache.Clear();
            }

            cache[id] = entry;
        }

        var found = entry.Row;
        bool matches = CryptographicOperations.FixedTimeEquals(KeyFormat.Hash(presented), Convert.FromHexString(found.Hash));
        return matches && found.RevokedAt is null && (found.ExpiresAt is not { } end || time.GetUtcNow().ToUnixTimeMilliseconds() < end) ? found.Context : null;
    }

    private async Task<CreatedKey> StoreAsync(
        string id, string key, string tenant, string name, IReadOnlyCollection<string> scopes, DateTimeOffset? expiresAt, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(scopes);
        if (tenant is null || !TenantName().IsMatch(tenant))
        {
            throw new ArgumentException("A tenant's name has 1 to 63 lower-case letters, digits, '-' or '_' and starts with a letter or digit.", nameof(tenant));
        }

        if (scopes.Count == 0 || scopes.Any(s => !Hosting.Scopes.All.Contains(s)))
        {
            throw new ArgumentException($"Scopes are {string.Join(", ", Hosting.Scopes.All)}; at least one.", nameof(scopes));
        }

        var row = new Row
        {
            Id = id, Tenant = tenant, Hash = Convert.ToHexStringLower(KeyFormat.Hash(key)), Name = name, Scopes = string.Join(' ', scopes.Distinct(StringComparer.Ordinal)),
            CreatedAt = time.GetUtcNow().ToUnixTimeMilliseconds(), ExpiresAt = expiresAt?.ToUnixTimeMilliseconds(),
        };
        string? secret = await database.InTransactionAsync(
            async t =>
            {
                string? created = await EnsureTenantAsync(t, tenant, cancellationToken);
                await t.Connection!.ExecuteAsync(new CommandDefinition(
                    """
                    INSERT INTO api_keys (id, tenant, hash, name, scopes, created_at, expires_at) VALUES (@Id, @Tenant, @Hash, @Name, @Scopes, @CreatedAt, @ExpiresAt)
                    ON CONFLICT (id) DO NOTHING
                    """,
                    row, t, cancellationToken: cancellationToken));
                return created;
            },
            cancellationToken);
        unknown.TryRemove(id, out _);
        return new CreatedKey { Key = key, WebhookSecret = secret, Record = row.Open() };
    }

    private async Task<string?> EnsureTenantAsync(DbTransaction transaction, string tenant, CancellationToken cancellationToken)
    {
        string secret = WebhookSignature.CreateSecret();
        int inserted = await transaction.Connection!.ExecuteAsync(new CommandDefinition(
            "INSERT INTO tenants (id, webhook_secret, created_at) VALUES (@tenant, @secret, @now) ON CONFLICT (id) DO NOTHING",
            new { tenant, secret, now = time.GetUtcNow().ToUnixTimeMilliseconds() }, transaction, cancellationToken: cancellationToken));
        return inserted > 0 ? secret : null;
    }

    private Task<Row?> ReadAsync(string id, CancellationToken cancellationToken) =>
        database.QueryFirstAsync<Row>($"SELECT {Columns} FROM api_keys WHERE id = @id", new { id }, cancellationToken);

    [GeneratedRegex("^[a-z0-9][a-z0-9_-]{0,62}$", RegexOptions.CultureInvariant, 1_000)]
    private static partial Regex TenantName();

    /// <summary>The row as Dapper sees it.</summary>
    private sealed class Row
    {
        private TenantContext? context;

        public string Id { get; set; } = "";

        public string Tenant { get; set; } = "";

        public string Hash { get; set; } = "";

        public string Name { get; set; } = "";

        public string Scopes { get; set; } = "";

        public long CreatedAt { get; set; }

        public long? ExpiresAt { get; set; }

        public long? RevokedAt { get; set; }

        public TenantContext Context => context ??= new TenantContext(Tenant, Id, Scopes.Split(' ', StringSplitOptions.RemoveEmptyEntries).ToHashSet(StringComparer.Ordinal));

        public ApiKeyRecord Open() => new()
        {
            Id = Id, Tenant = Tenant, Name = Name, Scopes = Scopes.Split(' ', StringSplitOptions.RemoveEmptyEntries), CreatedAt = DateTimeOffset.FromUnixTimeMilliseconds(CreatedAt),
            ExpiresAt = ExpiresAt is { } end ? DateTimeOffset.FromUnixTimeMilliseconds(end) : null, RevokedAt = RevokedAt is { } gone ? DateTimeOffset.FromUnixTimeMilliseconds(gone) : null,
        };
    }
}
