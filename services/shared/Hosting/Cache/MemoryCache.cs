using Microsoft.Extensions.Caching.Memory;

namespace Palimpsest.Hosting;

/// <summary>The embedded cache: this process' memory, bounded by entries.</summary>
internal sealed class InMemoryPlatformCache : IPlatformCache, IDisposable
{
    private readonly MemoryCache cache = new(new MemoryCacheOptions { SizeLimit = 100_000 });

    public bool IsAvailable => true;

    public Task<string?> GetAsync(string key, CancellationToken cancellationToken) => Task.FromResult(cache.Get<string>(key));

    public Task SetAsync(string key, string value, TimeSpan lifetime, CancellationToken cancellationToken)
    {
        cache.Set(key, value, new MemoryCacheEntryOptions { AbsoluteExpirationRelativeToNow = lifetime, Size = 1 });
        return Task.CompletedTask;
    }

    public Task RemoveAsync(string key, CancellationToken cancellationToken)
    {
        cache.Remove(key);
        return Task.CompletedTask;
    }

    public void Dispose() => cache.Dispose();
}
