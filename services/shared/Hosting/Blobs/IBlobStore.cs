namespace Palimpsest.Hosting;

/// <summary>
/// The claim check: bytes that messages only point to. Keys are <c>{analysisId}/{name}</c>, so that erasing an analysis is removing one folder.
/// A key is written once and appears whole or not at all; writing it again with the same content is harmless.
/// </summary>
public interface IBlobStore
{
    /// <summary>Stores a stream.</summary>
    /// <exception cref="BlobStoreFullException">No space is left; nothing was stored.</exception>
    Task<long> PutAsync(string key, Stream content, CancellationToken cancellationToken);

    /// <summary>Stores a local file by moving it; the file is gone afterwards. It should come from <see cref="CreateTemporaryPath"/>.</summary>
    /// <exception cref="BlobStoreFullException">No space is left; nothing was stored.</exception>
    Task<long> PutFileAsync(string key, string path, CancellationToken cancellationToken);

    /// <summary>Returns when a blob, its name and its bytes, survives a power cut.</summary>
    /// <exception cref="BlobNotFoundException">Erased, or never stored.</exception>
    Task FlushAsync(string key, CancellationToken cancellationToken);

    /// <summary>Opens for reading.</summary>
    /// <exception cref="BlobNotFoundException">Erased, or never stored.</exception>
    Task<Stream> OpenReadAsync(string key, CancellationToken cancellationToken);

    /// <summary>The blob as a local file, for memory-mapping and for child processes. Dispose when done.</summary>
    /// <exception cref="BlobNotFoundException">Erased, or never stored.</exception>
    Task<LocalBlob> OpenLocalAsync(string key, CancellationToken cancellationToken);

    /// <summary>Copies within the store (a hard link where the store is files).</summary>
    /// <exception cref="BlobNotFoundException">The source is gone.</exception>
    Task CopyAsync(string fromKey, string toKey, CancellationToken cancellationToken);

    /// <summary>True when the key exists.</summary>
    Task<bool> ExistsAsync(string key, CancellationToken cancellationToken);

    /// <summary>Removes one blob; no error when it is gone already.</summary>
    Task DeleteAsync(string key, CancellationToken cancellationToken);

    /// <summary>Removes everything of an analysis; no error when it is gone already.</summary>
    Task DeleteAnalysisAsync(string analysisId, CancellationToken cancellationToken);

    /// <summary>Analyses that have blobs last written before <paramref name="before"/>; for the sweep of orphans.</summary>
    /// <param name="before">Exclusive.</param>
    /// <param name="share">Which of the shares, from 0.</param>
    /// <param name="shares">Into how many shares of about one size the store falls; an analysis is always in the same.</param>
    /// <param name="cancellationToken">Stops.</param>
    IAsyncEnumerable<string> AnalysesOlderThanAsync(DateTimeOffset before, int share, int shares, CancellationToken cancellationToken);

    /// <summary>Removes temporary files last written before <paramref name="before"/>: of processes that were killed.</summary>
    Task RemoveTemporaryAsync(DateTimeOffset before, CancellationToken cancellationToken);

    /// <summary>Free space, bytes.</summary>
    long AvailableBytes { get; }

    /// <summary>A path for a temporary file on the store's volume, so that <see cref="PutFileAsync"/> is a rename.</summary>
    string CreateTemporaryPath();
}

/// <summary>A blob as a local file.</summary>
public sealed class LocalBlob(string path, bool temporary) : IDisposable
{
    /// <summary>Where it lies.</summary>
    public string Path { get; } = path;

    /// <inheritdoc/>
    public void Dispose()
    {
        if (temporary)
        {
            File.Delete(Path);
        }
    }
}

/// <summary>The blob was erased or never stored.</summary>
public sealed class BlobNotFoundException(string key) : Exception($"Blob '{key}' does not exist.");

/// <summary>The volume is full.</summary>
public sealed class BlobStoreFullException(Exception? inner = null) : IOException("The blob volume is full.", inner)
{
    // ENOSPC and EDQUOT, as IOException.HResult carries them on Linux.
    private const int NoSpace = 28;
    private const int QuotaExceeded = 122;

    /// <summary>True when this is the operating system's word for it, or ours.</summary>
    public static bool Is(Exception exception) => exception is BlobStoreFullException or IOException { HResult: NoSpace or QuotaExceeded };
}
