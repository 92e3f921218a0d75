using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Caching.Memory;

namespace Palimpsest.Hosting;

/// <summary>
/// The embedded cache: this process' memory, bounded by entries. Keys are kept as hashes: they are ten times as long as what they lead to, and all that grows with every picture.
/// </summary>
internal sealed class InMemoryPlatformCache : IPlatformCache, IDisposable
{
    /// <summary>Entries: about six megabytes.</summary>
    public const int Most = 20_000;

    private readonly MemoryCache cache = new(new MemoryCacheOptions { SizeLimit = Most });

    public Task<string?> GetAsync(string key, CancellationToken cancellationToken) => Task.FromResult(cache.Get<string>(Short(key)));

    public Task SetAsync(string key, string value, TimeSpan lifetime, CancellationToken cancellationToken)
    {
        cache.Set(Short(key), value, new MemoryCacheEntryOptions { AbsoluteExpirationRelativeToNow = lifetime, Size = 1 });
        return Task.CompletedTask;
    }

    public Task RemoveAsync(string key, CancellationToken cancellationToken)
    {
        cache.Remove(Short(key));
        return Task.CompletedTask;
    }

    public void Dispose() => cache.Dispose();

    /// <summary>128 of SHA-256's bits: nobody finds two keys that share them.</summary>
    private static Guid Short(string key) => new(SHA256.HashData(Encoding.UTF8.GetBytes(key)).AsSpan(0, 16));
}
