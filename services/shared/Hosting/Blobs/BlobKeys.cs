namespace Palimpsest.Hosting;

/// <summary>Where the parts of an analysis lie in the blob store: <c>{analysisId}/{name}</c>. Writer and reader agree here and nowhere else.</summary>
public static class BlobKeys
{
    /// <summary>The picture as received.</summary>
    public static string Upload(string analysisId) => analysisId + "/upload";

    /// <summary>Pixels, coefficients and facts for routing and localizers; removed once the report is made.</summary>
    public static string Prepared(string analysisId) => analysisId + "/prepared";

    /// <summary>The fused probability map, and behind it the prepared image's facts.</summary>
    public static string Report(string analysisId) => analysisId + "/report";

    /// <summary>One localizer's probability map, and behind it its class-activation map.</summary>
    public static string Maps(string analysisId, string detector) => $"{analysisId}/maps-{detector}";

    /// <summary>What one kind of evidence found.</summary>
    public static string Evidence(string analysisId, string name) => $"{analysisId}/evidence-{name}";

    /// <summary>The map of one kind of evidence.</summary>
    public static string EvidenceMap(string analysisId, string name) => $"{analysisId}/evidence-{name}-map";
}
