using System.Security.Cryptography;
using System.Text;
using Palimpsest.Hosting;

namespace Palimpsest.Gateway;

/// <summary>A key as it is kept: everything but the key itself.</summary>
public sealed record ApiKeyRecord
{
    /// <summary>Public part, <c>pk_…</c> (or <c>ek_…</c> for a key set from outside); what revoking takes.</summary>
    public required string Id { get; init; }

    /// <summary>Whose.</summary>
    public required string Tenant { get; init; }

    /// <summary>For people.</summary>
    public required string Name { get; init; }

    /// <summary>What it may do, see <see cref="Hosting.Scopes"/>.</summary>
    public required IReadOnlyList<string> Scopes { get; init; }

    /// <summary>When it was made.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it stops working; null: never.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>When it was revoked.</summary>
    public DateTimeOffset? RevokedAt { get; init; }
}

/// <summary>A new key; the only time the key and the tenant's webhook secret are seen.</summary>
public sealed record CreatedKey
{
    /// <summary>The key itself; not kept.</summary>
    public required string Key { get; init; }

    /// <summary>The tenant's default webhook secret, <c>whsec_…</c>; null when the tenant existed already.</summary>
    public string? WebhookSecret { get; init; }

    /// <summary>What is kept.</summary>
    public required ApiKeyRecord Record { get; init; }
}

/// <summary>
/// Form of a key: <c>pk_&lt;12 hex digits&gt;_&lt;256 random bits, base64url&gt;</c>. The bits are random, so a fast hash is the right one at rest
/// (OWASP; a slow hash protects guessable passwords). The public part finds the row without searching by secret.
/// </summary>
internal static class KeyFormat
{
    public const int ShortestOwnKey = 16;
    private const int IdLength = 15;

    public static (string Id, string Key) Create()
    {
        string id = "pk_" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(6));
        return (id, $"{id}_{Ids.Secret(32)}");
    }

    /// <summary>The row a presented key would be in: its public part, or for a key made elsewhere the head of its hash.</summary>
    public static string IdOf(string key) =>
        key.Length > IdLength + 1 && key.StartsWith("pk_", StringComparison.Ordinal) && key[IdLength] == '_' ? key[..IdLength] : "ek_" + Convert.ToHexStringLower(Hash(key).AsSpan(0, 8));

    public static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}
