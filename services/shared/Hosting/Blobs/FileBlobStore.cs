using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Palimpsest.Hosting;

/// <summary>Blobs as files on a volume that every service mounts: written to a temporary name, then renamed.</summary>
internal sealed partial class FileBlobStore : IBlobStore
{
    private const int CopyBuffer = 1 << 16;
    private const int DeleteAttempts = 20;

    private readonly string root;
    private readonly string temporary;

    public FileBlobStore(PlatformSettings settings)
    {
        root = Path.Combine(settings.DataDirectory, "blobs");
        temporary = Path.Combine(root, ".tmp");
        Directory.CreateDirectory(temporary);
    }

    public long AvailableBytes => new DriveInfo(root).AvailableFreeSpace;

    public string CreateTemporaryPath() => Path.Combine(temporary, Guid.NewGuid().ToString("n"));

    public async Task<long> PutAsync(string key, Stream content, CancellationToken cancellationToken)
    {
        string path = CreateTemporaryPath();
        byte[] buffer = ArrayPool<byte>.Shared.Rent(CopyBuffer);
        try
        {
            long length = 0;
            using (var file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write))
            {
                // Written here, as it is flushed here: a FileStream would have another thread of the pool do it, for the time that a copy into the page cache takes.
                for (int read; (read = await content.ReadAsync(buffer, cancellationToken)) > 0; length += read)
                {
                    RandomAccess.Write(file, buffer.AsSpan(0, read), length);
                }

                // What a later message points to must survive a power cut, not only a killed process.
                RandomAccess.FlushToDisk(file);
            }

            Move(path, key);
            return length;
        }
        catch (IOException e) when (BlobStoreFullException.Is(e))
        {
            throw new BlobStoreFullException(e);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            File.Delete(path);
        }
    }

    public Task<long> PutFileAsync(string key, string path, CancellationToken cancellationToken)
    {
        long length = new FileInfo(path).Length;
        Move(path, key);
        return Task.FromResult(length);
    }

    public Task FlushAsync(string key, CancellationToken cancellationToken)
    {
        // Flushed before it is renamed, a file may come back under its temporary name. Flushed afterwards, its journal's entries up to the renaming are, and with them the folders made for it.
        using var file = Existing(key, path => File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete));
        RandomAccess.FlushToDisk(file);
        return Task.CompletedTask;
    }

    public Task<Stream> OpenReadAsync(string key, CancellationToken cancellationToken) =>
        Task.FromResult<Stream>(Existing(key, path => new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, CopyBuffer, FileOptions.Asynchronous)));

    public Task<LocalBlob> OpenLocalAsync(string key, CancellationToken cancellationToken) =>
        Task.FromResult(Existing(key, path => File.Exists(path) ? new LocalBlob(path, temporary: false) : throw new FileNotFoundException(null, path)));

    public Task<bool> ExistsAsync(string key, CancellationToken cancellationToken) => Task.FromResult(File.Exists(Resolve(key)));

    public async Task CopyAsync(string fromKey, string toKey, CancellationToken cancellationToken)
    {
        string target = Resolve(toKey);
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        if (Link(Resolve(fromKey), target) == 0 || File.Exists(target))
        {
            return;
        }

        await using var source = await OpenReadAsync(fromKey, cancellationToken);
        await PutAsync(toKey, source, cancellationToken);
    }

    public Task DeleteAsync(string key, CancellationToken cancellationToken)
    {
        string path = Resolve(key);
        if (File.Exists(path))
        {
            File.Delete(path);
        }

        return Task.CompletedTask;
    }

    public Task DeleteAnalysisAsync(string analysisId, CancellationToken cancellationToken)
    {
        // Aside first, under a name that the orphan sweep removes after a crash: a step that is still at work would fill the folder while it is emptied.
        string folder = Path.GetDirectoryName(Resolve(analysisId + "/x"))!, aside = Path.Combine(Path.GetDirectoryName(folder)!, $"erased-{Guid.NewGuid():n}-{analysisId}");
        try
        {
            Directory.Move(folder, aside);
        }
        catch (DirectoryNotFoundException)
        {
            return Task.CompletedTask;
        }

        for (int attempt = 1; ; attempt++)
        {
            try
            {
                Directory.Delete(aside, recursive: true);
                return Task.CompletedTask;
            }
            catch (IOException) when (attempt < DeleteAttempts)
            {
                // Not empty: a rename that had found the folder before it went aside has arrived. Each of those in flight can do so once.
            }
        }
    }

    public async IAsyncEnumerable<string> AnalysesOlderThanAsync(DateTimeOffset before, int share, int shares, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // By the folder's two characters: of the 256 pairs of hex digits each of 24 shares gets 8 to 13.
        foreach (string shard in Directory.EnumerateDirectories(root).Where(d => !d.EndsWith(".tmp", StringComparison.Ordinal) && ((d[^2] * 7) + d[^1]) % shares == share))
        {
            foreach (string folder in Directory.EnumerateDirectories(shard))
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (Directory.GetLastWriteTimeUtc(folder) < before.UtcDateTime)
                {
                    yield return Path.GetFileName(folder);
                }
            }

            await Task.Yield();
        }
    }

    public Task RemoveTemporaryAsync(DateTimeOffset before, CancellationToken cancellationToken)
    {
        foreach (string path in Directory.EnumerateFiles(temporary).Where(p => File.GetLastWriteTimeUtc(p) < before.UtcDateTime))
        {
            cancellationToken.ThrowIfCancellationRequested();
            File.Delete(path);
        }

        return Task.CompletedTask;
    }

    private static T Existing<T>(string path, Func<string, T> open, string key)
    {
        try
        {
            return open(path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new BlobNotFoundException(key);
        }
    }

    private T Existing<T>(string key, Func<string, T> open) => Existing(Resolve(key), open, key);

    private void Move(string path, string key)
    {
        string target = Resolve(key);
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Move(path, target, overwrite: true);
        }
        catch (IOException e) when (BlobStoreFullException.Is(e))
        {
            throw new BlobStoreFullException(e);
        }
    }

    /// <summary>{root}/{last two characters of the id}/{id}/{name}: UUIDv7 ids share their first characters, so the tail spreads them.</summary>
    private string Resolve(string key)
    {
        int slash = key.IndexOf('/', StringComparison.Ordinal);
        if (slash < 3 || slash == key.Length - 1 || key.AsSpan(slash + 1).ContainsAnyExcept(NameCharacters) || key.AsSpan(0, slash).ContainsAnyExcept(NameCharacters))
        {
            throw new ArgumentException($"'{key}' is not a blob key.", nameof(key));
        }

        return Path.Combine(root, key[(slash - 2)..slash], key[..slash], key[(slash + 1)..]);
    }

    private static readonly SearchValues<char> NameCharacters =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");

    [LibraryImport("libc", EntryPoint = "link", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string existing, string created);
}
