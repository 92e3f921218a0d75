using System.Text.Json;

namespace Palimpsest.Inference;

/// <summary>Which detector a JSON file is about, without demanding that the rest of it is right.</summary>
internal static class ManifestPeek
{
    public static string? DetectorOf(byte[] json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            return document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty("detector", out var detector)
                && detector.ValueKind == JsonValueKind.String ? detector.GetString() : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
