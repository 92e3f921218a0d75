using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Palimpsest.Hosting;

/// <summary>
/// How the gateway tells reporting who is asking: <c>tenant|key|scopes|expiry</c> and its HMAC-SHA256, valid for a minute. Services listen on the private
/// network only; the signature keeps one that is reached all the same from believing a client's header.
/// </summary>
public static class TenantAssertion
{
    /// <summary>The header; the gateway strips it, and everything else under X-Palimpsest-, from clients' requests.</summary>
    public const string Header = "X-Palimpsest-Tenant";

    private static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(1);

    /// <summary>Signs.</summary>
    public static string Create(TenantContext tenant, string internalKey, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(tenant);
        string claims = $"{tenant.Tenant}|{tenant.KeyId}|{string.Join(' ', tenant.Scopes)}|{(now + Lifetime).ToUnixTimeSeconds()}";
        return $"{Base64Url.EncodeToString(Encoding.UTF8.GetBytes(claims))}.{Base64Url.EncodeToString(Sign(claims, internalKey))}";
    }

    /// <summary>Verifies; null when forged, damaged or expired.</summary>
    public static TenantContext? Verify(string? assertion, string internalKey, DateTimeOffset now)
    {
        if (assertion?.Split('.') is not [var encoded, var signature] || !Base64Url.IsValid(encoded) || !Base64Url.IsValid(signature))
        {
            return null;
        }

        string claims = Encoding.UTF8.GetString(Base64Url.DecodeFromChars(encoded));
        if (!CryptographicOperations.FixedTimeEquals(Sign(claims, internalKey), Base64Url.DecodeFromChars(signature))
            || claims.Split('|') is not [var tenant, var key, var scopes, var expiry]
            || !long.TryParse(expiry, out long seconds) || seconds < now.ToUnixTimeSeconds())
        {
            return null;
        }

        return new TenantContext(tenant, key, scopes.Split(' ', StringSplitOptions.RemoveEmptyEntries).ToHashSet(StringComparer.Ordinal));
    }

    private static byte[] Sign(string claims, string internalKey) => HMACSHA256.HashData(Encoding.UTF8.GetBytes(internalKey), Encoding.UTF8.GetBytes(claims));
}
