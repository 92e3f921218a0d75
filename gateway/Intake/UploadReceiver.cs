using System.Buffers;
using System.Security.Cryptography;
using Microsoft.Extensions.Options;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Gateway;

/// <summary>Streams one image to the store's volume while hashing it: never whole in memory, refused by its first bytes or at the byte that is too much.</summary>
internal sealed class UploadReceiver(IBlobStore blobs, IOptions<IntakeOptions> options)
{
    // Enough to tell what it is. An upload that has sent no more holds no more.
    private const int HeadBytes = 1 << 12;
    private const int BufferBytes = 1 << 17;

    /// <summary>Receives; dispose the result, which removes what was not stored.</summary>
    /// <param name="body">The image.</param>
    /// <param name="broken">What to say when the body ends before it should.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="ApiException">400 image_empty, 413 image_too_large, 415 unsupported_format.</exception>
    /// <exception cref="IOException">No space, or the volume is broken.</exception>
    public async Task<ReceivedImage> ReceiveAsync(Stream body, ApiException broken, CancellationToken cancellationToken)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(HeadBytes);
        string? path = null;
        try
        {
            int filled = await FillAsync(body, buffer.AsMemory(0, HeadBytes), broken, cancellationToken);
            string format = CheckHead(buffer.AsSpan(0, filled));
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            path = blobs.CreateTemporaryPath();
            long length = 0;
            using (var file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, FileOptions.None))
            {
                for (; filled > 0; filled = await FillAsync(body, buffer.AsMemory(0, BufferBytes), broken, cancellationToken))
                {
                    if (length + filled > options.Value.MaxImageBytes)
                    {
                        throw TooLarge(options.Value.MaxImageBytes);
                    }

                    hash.AppendData(buffer, 0, filled);
                    RandomAccess.Write(file, buffer.AsSpan(0, filled), length);
                    length += filled;
                    if (buffer.Length < BufferBytes)
                    {
                        byte[] whole = ArrayPool<byte>.Shared.Rent(BufferBytes);
                        ArrayPool<byte>.Shared.Return(buffer);
                        buffer = whole;
                    }
                }
            }

            var received = new ReceivedImage(blobs, path, Convert.ToHexStringLower(hash.GetCurrentHash()), length, format);
            path = null;
            return received;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            if (path is not null)
            {
                File.Delete(path);
            }
        }
    }

    public static ApiException TooLarge(long limit) =>
        new(413, ErrorCodes.ImageTooLarge, $"The image is larger than {limit:N0} bytes. Send a smaller one; do not recompress it if you can help it, that destroys traces.");

    private static string CheckHead(ReadOnlySpan<byte> head)
    {
        if (head.IsEmpty)
        {
            throw new ApiException(400, ErrorCodes.ImageEmpty, "The image has no bytes.");
        }

        return ImageFormats.Detect(head) ?? throw new ApiException(415, ErrorCodes.UnsupportedFormat, $"These bytes are not an image that is accepted: send {ImageFormats.Accepted}.");
    }

    /// <summary>Reads until the buffer is full or the body ends: few, large writes.</summary>
    private static async ValueTask<int> FillAsync(Stream body, Memory<byte> buffer, ApiException broken, CancellationToken cancellationToken)
    {
        int filled = 0;
        while (filled < buffer.Length)
        {
            int read;
            try
            {
                read = await body.ReadAsync(buffer[filled..], cancellationToken);
            }
            catch (IOException e) when (e is not (BadHttpRequestException or ResponseTooLargeException))
            {
                throw broken;
            }

            if (read == 0)
            {
                break;
            }

            filled += read;
        }

        return filled;
    }
}

/// <summary>An image that has arrived whole and lies on the store's volume under a temporary name.</summary>
internal sealed class ReceivedImage(IBlobStore blobs, string path, string sha256, long bytes, string format) : IDisposable
{
    private bool stored;

    /// <summary>SHA-256, lower-case hex.</summary>
    public string Sha256 => sha256;

    public long Bytes => bytes;

    /// <summary>By its first bytes.</summary>
    public string Format => format;

    /// <summary>Moves it to its place.</summary>
    public async Task<BlobReference> StoreAsync(string analysisId, CancellationToken cancellationToken)
    {
        string key = BlobKeys.Upload(analysisId);
        await blobs.PutFileAsync(key, path, cancellationToken);
        stored = true;
        // What a 202 promises must survive a power cut, not only a killed process.
        await blobs.FlushAsync(key, cancellationToken);
        return new BlobReference { Key = key, Bytes = bytes };
    }

    public void Dispose()
    {
        if (!stored)
        {
            File.Delete(path);
        }
    }
}
