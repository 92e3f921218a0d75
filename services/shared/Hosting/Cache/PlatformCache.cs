namespace Palimpsest.Hosting;

/// <summary>
/// A cache and nothing more: losing it costs recomputation, never a result. Every method swallows the server's absence and says "not there".
/// </summary>
public interface IPlatformCache
{
    /// <summary>The value, or null.</summary>
    Task<string?> GetAsync(string key, CancellationToken cancellationToken);

    /// <summary>Stores a value for a while.</summary>
    Task SetAsync(string key, string value, TimeSpan lifetime, CancellationToken cancellationToken);

    /// <summary>Removes a value.</summary>
    Task RemoveAsync(string key, CancellationToken cancellationToken);
}

/// <summary>Keys of the result cache.</summary>
public static class ResultCacheKeys
{
    /// <summary>Tenant, content, models, calibration and options: anything that changes the answer changes the key.</summary>
    public static string For(string tenant, string sha256, string modelSet, string calibrationVersion, Contracts.AnalysisOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return $"result:{tenant}:{sha256}:{modelSet}:{calibrationVersion}:{options.Detectors}:{(options.FaceCrop ? "crop" : "whole")}";
    }
}
