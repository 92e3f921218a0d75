using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Gateway;

/// <summary>What a client may say beside the image, checked.</summary>
internal sealed record SubmissionOptions
{
    public required AnalysisOptions Analysis { get; init; }

    public string? CallbackUrl { get; init; }

    public JsonObject? Metadata { get; init; }

    public bool ZeroRetention { get; init; }
}

/// <summary>
/// Collects options as they come in, from form fields, the query or JSON, and judges them together: one answer names every mistake. An option that is given
/// twice is a mistake even when both say the same, for one of two readers of such a request will take the other one.
/// </summary>
internal sealed class OptionCollector
{
    /// <summary>Longest metadata, bytes of JSON.</summary>
    public const int MetadataBytes = 4_096;

    public static readonly IReadOnlyList<string> Names = ["detectors", "face_crop", "callback_url", "metadata", "retention"];

    private readonly Dictionary<string, string?> values = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, List<string>> errors = new(StringComparer.Ordinal);

    /// <summary>An option; null is JSON's way to say that it is not given.</summary>
    public void Add(string name, string? value)
    {
        if (!Names.Contains(name))
        {
            Refuse(name, $"This option does not exist; there are {string.Join(", ", Names)}.");
        }
        else if (!values.TryAdd(name, value))
        {
            Refuse(name, "This option is given more than once.");
        }
    }

    public void AddQuery(IQueryCollection query)
    {
        foreach (var (name, all) in query)
        {
            foreach (string? value in all)
            {
                Add(name, value ?? "");
            }
        }
    }

    /// <summary>Adds the members of a JSON object other than those the caller has read itself.</summary>
    public void AddJson(JsonElement json, params ReadOnlySpan<string> known)
    {
        foreach (var member in json.EnumerateObject())
        {
            if (!known.Contains(member.Name))
            {
                // Strings as they are; objects, numbers and booleans as their JSON text, which is what a form field would hold.
                Add(member.Name, member.Value.ValueKind switch { JsonValueKind.Null => null, JsonValueKind.String => member.Value.GetString(), _ => member.Value.GetRawText() });
            }
        }
    }

    public void Refuse(string name, string detail)
    {
        // A hostile request must not write our answer.
        string shown = name.Length is > 0 and <= 64 && !name.Any(char.IsControl) ? name : "(unnamed)";
        if (errors.Count < 20 || errors.ContainsKey(shown))
        {
            (errors.TryGetValue(shown, out var list) ? list : errors[shown] = []).Add(detail);
        }
    }

    /// <summary>The options.</summary>
    /// <exception cref="ApiException">422 invalid_option with every mistake.</exception>
    public SubmissionOptions Build()
    {
        string detectors = Choice("detectors", DetectorChoices.Auto, DetectorChoices.All);
        string crop = Choice("face_crop", "true", ["true", "false", "1", "0"]);
        string retention = Choice("retention", "default", ["default", "zero"]);
        var metadata = Metadata();
        string? callback = values.GetValueOrDefault("callback_url");
        if (errors.Count > 0)
        {
            var shown = errors.ToDictionary(e => e.Key, e => e.Value.Distinct(StringComparer.Ordinal).ToArray(), StringComparer.Ordinal);
            var (first, reasons) = shown.First();
            throw new ApiException(422, ErrorCodes.InvalidOption, shown.Count == 1 ? $"{first}: {reasons[0]}" : $"{shown.Count} options are wrong; see errors.") { Errors = shown };
        }

        return new SubmissionOptions
        {
            Analysis = new AnalysisOptions { Detectors = detectors, FaceCrop = crop is "true" or "1" },
            CallbackUrl = callback,
            Metadata = metadata,
            ZeroRetention = retention == "zero",
        };
    }

    private string Choice(string name, string otherwise, IReadOnlyList<string> allowed)
    {
        if (values.GetValueOrDefault(name) is not { } value)
        {
            return otherwise;
        }

        if (allowed.FirstOrDefault(a => a.Equals(value, StringComparison.OrdinalIgnoreCase)) is { } known)
        {
            return known;
        }

        Refuse(name, $"Must be one of {string.Join(", ", allowed)}.");
        return otherwise;
    }

    private JsonObject? Metadata()
    {
        if (values.GetValueOrDefault("metadata") is not { } text)
        {
            return null;
        }

        if (Encoding.UTF8.GetByteCount(text) > MetadataBytes)
        {
            Refuse("metadata", $"Must be at most {MetadataBytes} bytes of JSON.");
            return null;
        }

        try
        {
            // As text first: names are compared by their text, and a lone surrogate has none.
            using var json = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = 16 });
            if (JsonBody.IsText(json.RootElement) && JsonNode.Parse(text, documentOptions: new JsonDocumentOptions { MaxDepth = 16, AllowDuplicateProperties = false }) is JsonObject metadata)
            {
                return metadata;
            }
        }
        catch (JsonException)
        {
            // Answered below.
        }

        Refuse("metadata", "Must be a JSON object with unique names, at most 16 levels deep, its strings without half of a surrogate pair.");
        return null;
    }
}
