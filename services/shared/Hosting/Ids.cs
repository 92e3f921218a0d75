using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;

namespace Palimpsest.Hosting;

/// <summary>Identifiers: a prefix that says what it is, a UUIDv7 that sorts by time. No '.' (webhook signatures forbid it).</summary>
public static class Ids
{
    /// <summary><c>an_…</c></summary>
    public static string Analysis(TimeProvider time) => "an_" + Sortable(time);

    /// <summary><c>ba_…</c></summary>
    public static string Batch(TimeProvider time) => "ba_" + Sortable(time);

    /// <summary><c>wd_…</c>, also the <c>webhook-id</c>.</summary>
    public static string Delivery(TimeProvider time) => "wd_" + Sortable(time);

    /// <summary><c>we_…</c></summary>
    public static string Endpoint(TimeProvider time) => "we_" + Sortable(time);

    /// <summary>32 hex digits that sort by creation time.</summary>
    public static string Sortable(TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(time);
        return Guid.CreateVersion7(time.GetUtcNow()).ToString("n");
    }

    /// <summary>When an id of <see cref="Sortable"/> was made; null: it is none.</summary>
    public static DateTimeOffset? MadeAt(Guid id)
    {
        Span<byte> bytes = stackalloc byte[16];
        id.TryWriteBytes(bytes, bigEndian: true, out _);
        return id.Version == 7 ? DateTimeOffset.FromUnixTimeMilliseconds(BinaryPrimitives.ReadInt64BigEndian(bytes) >>> 16) : null;
    }

    /// <summary>Random bytes as base64url.</summary>
    public static string Secret(int bytes) => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(bytes));
}
