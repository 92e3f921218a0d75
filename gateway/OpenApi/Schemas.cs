using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using System.Xml.Linq;
using Palimpsest.Contracts;

namespace Palimpsest.Gateway;

/// <summary>Component schemas of the API's documents, from the very types that are serialised; descriptions are their <c>///</c> comments.</summary>
internal sealed class Schemas
{
    private static readonly Dictionary<Type, string> Names = new[]
    {
        typeof(AnalysisDocument), typeof(ProgressDocument), typeof(ImageDocument), typeof(RegionDocument), typeof(RoutingDocument), typeof(FaceDocument), typeof(DetectorDocument),
        typeof(EvidenceDocument), typeof(EvidenceLegend), typeof(EvidenceColour), typeof(EvidenceFact), typeof(EvidencePair), typeof(SimilarAnalysis), typeof(EvidenceList), typeof(ErrorDocument), typeof(LinksDocument), typeof(ModelIdentity), typeof(PixelBox), typeof(BatchDocument), typeof(BatchCounts),
        typeof(BatchItemDocument), typeof(BatchLinks), typeof(WebhookEndpointDocument), typeof(WebhookDeliveryDocument), typeof(WebhookAttemptDocument),
    }.ToDictionary(t => t, t => t.Name.EndsWith("Document", StringComparison.Ordinal) ? t.Name[..^"Document".Length] : t.Name);

    // Closed sets that are strings in the contracts, so that a new value does not break an old client's parser; here they are told.
    private static readonly Dictionary<(Type Type, string Property), string[]> Values = new()
    {
        [(typeof(AnalysisDocument), "status")] = [AnalysisStatuses.Queued, AnalysisStatuses.Running, AnalysisStatuses.Succeeded, AnalysisStatuses.Failed, AnalysisStatuses.Canceled],
        [(typeof(AnalysisDocument), "verdict")] = [Verdicts.LikelyReal, Verdicts.LikelyFake, Verdicts.Uncertain],
        [(typeof(AnalysisDocument), "kind")] = ["shallowfake", "deepfake", "both", "none"],
        [(typeof(ProgressDocument), "stage")] = ["preprocessing", "routing", "localizing", "reporting"],
        [(typeof(DetectorDocument), "state")] = [DetectorStates.Pending, DetectorStates.Completed, DetectorStates.NotApplicable, DetectorStates.Error, DetectorStates.Timeout],
        [(typeof(EvidenceDocument), "state")] = [EvidenceStates.Available, EvidenceStates.Completed, EvidenceStates.NotApplicable, EvidenceStates.Error],
        [(typeof(EvidenceDocument), "finding")] = [EvidenceFindings.NothingUnusual, EvidenceFindings.Notable, EvidenceFindings.Unusual],
        [(typeof(BatchDocument), "status")] = ["running", "completed"],
        [(typeof(WebhookDeliveryDocument), "state")] = ["pending", "delivered", "failed"],
    };

    private readonly Dictionary<string, string> comments = ReadComments();

    /// <summary>All of them by name.</summary>
    public JsonObject Build()
    {
        var schemas = new JsonObject();
        foreach (var (type, name) in Names.OrderBy(n => n.Value, StringComparer.Ordinal))
        {
            schemas[name] = PlatformJson.Options.GetJsonSchemaAsNode(
                type, new JsonSchemaExporterOptions { TreatNullObliviousAsNonNullable = true, TransformSchemaNode = (context, schema) => Transform(type, context, schema) });
        }

        return schemas;
    }

    private JsonNode Transform(Type root, JsonSchemaExporterContext context, JsonNode schema)
    {
        if (schema is not JsonObject node)
        {
            // "true": anything.
            return context.PropertyInfo?.PropertyType == typeof(JsonObject) ? new JsonObject { ["type"] = new JsonArray("object", "null") } : schema;
        }

        bool nullable = node["type"] is JsonArray types && types.Any(t => t!.GetValue<string>() == "null");
        bool atRoot = context.Path.Length == 0 && context.TypeInfo.Type == root;
        if (!atRoot && Names.TryGetValue(context.TypeInfo.Type, out string? name))
        {
            var reference = new JsonObject { ["$ref"] = "#/components/schemas/" + name };
            node = nullable ? new JsonObject { ["anyOf"] = new JsonArray(reference, new JsonObject { ["type"] = "null" }) } : reference;
        }
        else if (node["properties"] is JsonObject properties)
        {
            // Nulls are written: every member is there.
            node["required"] = new JsonArray([.. properties.Select(p => (JsonNode)p.Key)]);
            Describe(node, "T:" + context.TypeInfo.Type.FullName);
        }

        if (context.PropertyInfo is { } property)
        {
            if (Values.TryGetValue((property.DeclaringType, property.Name), out string[]? values))
            {
                node["enum"] = new JsonArray([.. values.Select(v => (JsonNode)v), .. nullable ? [null] : Array.Empty<JsonNode?>()]);
            }

            string member = (property.AttributeProvider as MemberInfo)?.Name ?? property.Name;
            Describe(node, $"P:{property.DeclaringType.FullName}.{member}");
        }

        return node;
    }

    private void Describe(JsonObject node, string member)
    {
        if (comments.TryGetValue(member, out string? comment))
        {
            node["description"] = comment;
        }
    }

    private static Dictionary<string, string> ReadComments()
    {
        string path = Path.ChangeExtension(Path.Combine(AppContext.BaseDirectory, typeof(AnalysisDocument).Assembly.GetName().Name! + ".dll"), ".xml");
        return File.Exists(path)
            ? XDocument.Load(path).Descendants("member").ToDictionary(m => m.Attribute("name")!.Value, m => Text(m.Element("summary")), StringComparer.Ordinal)
            : [];
    }

    private static string Text(XElement? summary) => summary is null ? "" : string.Join(' ', string.Concat(summary.Nodes().Select(n => n switch
    {
        XText text => text.Value,
        XElement { HasAttributes: true } see when see.Attribute("cref") is { } cref => cref.Value[(cref.Value.LastIndexOf('.') + 1)..],
        XElement element => element.Value,
        _ => "",
    })).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
}
