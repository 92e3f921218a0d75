using System.Globalization;
using System.Text;
using System.Text.Json;
using RabbitMQ.Client;

namespace Palimpsest.Local.Broker;

/// <summary>A message in an error, skipped or dead-letter queue, as MassTransit and RabbitMQ label it.</summary>
internal sealed class FailedMessage(string queue, IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body)
{
    private static readonly string[] Suffixes = ["_error", "_skipped"];

    private readonly JsonElement envelope = Parse(body);

    public string Id => Text(envelope, "messageId") ?? properties.MessageId ?? "?";

    /// <summary>Contract name, e.g. PreprocessImage.</summary>
    public string Type => envelope.ValueKind == JsonValueKind.Object && envelope.TryGetProperty("messageType", out var types) && types is { ValueKind: JsonValueKind.Array } && types.GetArrayLength() > 0
        ? types[0].GetString()!.Split(':')[^1] : "?";

    public string AnalysisId => envelope.ValueKind == JsonValueKind.Object && envelope.TryGetProperty("message", out var message) ? Text(message, "analysisId") ?? "?" : "?";

    /// <summary>The queue it failed in; null when it does not say.</summary>
    public string? Home => Array.Find(Suffixes, s => queue.EndsWith(s, StringComparison.Ordinal)) is { } suffix ? queue[..^suffix.Length] : Header("x-first-death-queue");

    /// <summary>Three lines for people.</summary>
    public string Describe()
    {
        string reason = Header("MT-Fault-ExceptionType") is { } exception ? $"{exception}: {Header("MT-Fault-Message")}"
            : Header("x-first-death-reason") is "delivery_limit" ? "whoever took it died or lost its connection, each time: the broker gave up"
            : Header("x-first-death-reason") ?? Header("MT-Reason") ?? "no reason given";
        string when = Header("MT-Fault-Timestamp") ?? Text(envelope, "sentTime") ?? "?";
        string where = Header("MT-Fault-ConsumerType")?.Split('.')[^1] ?? Header("MT-Host-Assembly") ?? "?";
        return string.Create(CultureInfo.InvariantCulture, $"{Id} {Type} {AnalysisId}\n  why:   {reason}\n  when:  {when}  consumer: {where}  from: {Home ?? "?"}");
    }

    /// <summary>To be sent again: its own headers without the account of its failure.</summary>
    public BasicProperties Fresh(bool keepAccount) => new(properties)
    {
        Persistent = true,
        Headers = properties.Headers?.Where(h => keepAccount || !IsAccount(h.Key)).ToDictionary(h => h.Key, h => h.Value, StringComparer.Ordinal),
    };

    private static bool IsAccount(string header) =>
        header.StartsWith("MT-Fault-", StringComparison.Ordinal) || header.StartsWith("MT-Host-", StringComparison.Ordinal) || header.StartsWith("x-", StringComparison.Ordinal) || header == "MT-Reason";

    private static JsonElement Parse(ReadOnlyMemory<byte> body)
    {
        try
        {
            return JsonDocument.Parse(body.ToArray()).RootElement;
        }
        catch (JsonException)
        {
            return default;
        }
    }

    private static string? Text(JsonElement element, string property) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(property, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private string? Header(string name) => properties.Headers is { } headers && headers.TryGetValue(name, out object? value)
        ? value switch { byte[] bytes => Encoding.UTF8.GetString(bytes), null => null, var other => Convert.ToString(other, CultureInfo.InvariantCulture) }
        : null;
}
