namespace Palimpsest.Hosting;

/// <summary>Where the parts of an analysis lie in the blob store: <c>{analysisId}/{name}</c>. Writer and reader agree here and nowhere else.</summary>
public static class BlobKeys
{
    /// <summary>The picture as received.</summary>
    public static string Upload(string analysisId) => analysisId + "/upload";

    /// <summary>Pixels, coefficients and facts for routing and localizers; removed once the report is made.</summary>
    public static string Prepared(string analysisId) => analysisId + "/prepared";

    /// <summary>The prepared image's facts alone, kept with the report.</summary>
    public static string Facts(string analysisId) => analysisId + "/facts";

    /// <summary>The fused probability map.</summary>
    public static string Mask(string analysisId) => analysisId + "/mask";

    /// <summary>One localizer's probability map.</summary>
    public static string Map(string analysisId, string detector) => $"{analysisId}/map-{detector}";

    /// <summary>One localizer's class-activation map.</summary>
    public static string Activation(string analysisId, string detector) => $"{analysisId}/activation-{detector}";

    /// <summary>What one kind of evidence found.</summary>
    public static string Evidence(string analysisId, string name) => $"{analysisId}/evidence-{name}";

    /// <summary>The map of one kind of evidence.</summary>
    public static string EvidenceMap(string analysisId, string name) => $"{analysisId}/evidence-{name}-map";
}
