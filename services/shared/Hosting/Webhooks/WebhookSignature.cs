using System.Security.Cryptography;
using System.Text;

namespace Palimpsest.Hosting;

/// <summary>Signatures of Standard Webhooks 1.0: HMAC-SHA256 over <c>{id}.{timestamp}.{body}</c>.</summary>
public static class WebhookSignature
{
    private const string Prefix = "whsec_";

    /// <summary>A new secret: <c>whsec_</c> and base64 of 32 random bytes.</summary>
    public static string CreateSecret() => Prefix + Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));

    /// <summary>Whether a text that was made elsewhere may sign: <c>whsec_</c> and base64 of 24 to 64 bytes, as Standard Webhooks asks.</summary>
    public static bool IsSecret(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        Span<byte> key = stackalloc byte[65];
        return text.StartsWith(Prefix, StringComparison.Ordinal) && Convert.TryFromBase64Chars(text.AsSpan(Prefix.Length), key, out int length) && length is >= 24 and <= 64;
    }

    /// <summary>The value of <c>webhook-signature</c>: one <c>v1,…</c> for each secret, space separated, while a secret rotates two.</summary>
    /// <param name="id">Value of <c>webhook-id</c>.</param>
    /// <param name="unixSeconds">Value of <c>webhook-timestamp</c>.</param>
    /// <param name="body">The exact text that is sent.</param>
    /// <param name="secrets">As <see cref="CreateSecret"/> makes them.</param>
    public static string Sign(string id, long unixSeconds, string body, params IEnumerable<string> secrets)
    {
        ArgumentNullException.ThrowIfNull(secrets);
        byte[] content = Encoding.UTF8.GetBytes($"{id}.{unixSeconds}.{body}");
        return string.Join(' ', secrets.Select(s => "v1," + Convert.ToBase64String(HMACSHA256.HashData(Key(s), content))));
    }

    private static byte[] Key(string secret) =>
        Convert.FromBase64String(secret.StartsWith(Prefix, StringComparison.Ordinal) ? secret[Prefix.Length..] : secret);
}
