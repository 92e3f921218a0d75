using Palimpsest.Contracts;

namespace Palimpsest.Hosting;

/// <summary>Reading what <see cref="IBlobStore.PutPartsAsync"/> has stored.</summary>
public static class BlobParts
{
    /// <summary>One part; shorter than it was if the blob was cut.</summary>
    /// <exception cref="BlobNotFoundException">Erased, or never stored.</exception>
    public static async Task<byte[]> ReadPartAsync(this IBlobStore blobs, BlobReference part, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(blobs);
        ArgumentNullException.ThrowIfNull(part);
        await using var stream = await blobs.OpenReadAsync(part.Key, cancellationToken);
        stream.Position = part.Offset;
        var bytes = new byte[Math.Clamp(stream.Length - part.Offset, 0, part.Bytes)];
        int read = await stream.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken);
        return read == bytes.Length ? bytes : bytes[..read];
    }
}
