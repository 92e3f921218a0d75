using Microsoft.Extensions.Caching.Memory;

namespace Palimpsest.Reporting;

/// <summary>Rendered pictures, kept in memory up to a number of bytes: a console that shows one analysis asks for the same mask several times.</summary>
internal sealed class RenderedImages(ReportingOptions options) : IDisposable
{
    private static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(10);

    private readonly MemoryCache cache = new(new MemoryCacheOptions { SizeLimit = (long)options.RenderedCacheMegabytes << 20 });

    /// <summary>The picture from memory; null when it is not there.</summary>
    public byte[]? Find(string analysisId, string name) => cache.TryGetValue<byte[]>(Key(analysisId, name), out var known) ? known : null;

    /// <summary>The picture from memory, or made now.</summary>
    /// <param name="analysisId">Whose.</param>
    /// <param name="name">Which, e.g. mask.</param>
    /// <param name="render">Makes it.</param>
    public async Task<byte[]> GetAsync(string analysisId, string name, Func<Task<byte[]>> render)
    {
        if (Find(analysisId, name) is { } known)
        {
            return known;
        }

        byte[] bytes = await render();
        cache.Set(Key(analysisId, name), bytes, new MemoryCacheEntryOptions { Size = bytes.Length, SlidingExpiration = Lifetime });
        return bytes;
    }

    /// <summary>Drops what an erased analysis left.</summary>
    public void Forget(string analysisId)
    {
        foreach (string key in cache.Keys.OfType<string>().Where(k => k.StartsWith(Key(analysisId, ""), StringComparison.Ordinal)).ToList())
        {
            cache.Remove(key);
        }
    }

    public void Dispose() => cache.Dispose();

    private static string Key(string analysisId, string name) => $"{analysisId}/{name}";
}
