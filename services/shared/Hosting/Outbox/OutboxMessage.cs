using System.Diagnostics;
using System.Text.Json;
using Palimpsest.Contracts;

namespace Palimpsest.Hosting;

/// <summary>A message that leaves with the transaction that decided it: a row, sent afterwards by the <see cref="OutboxDispatcher"/>.</summary>
public sealed record OutboxMessage
{
    /// <summary>UUIDv7; becomes the MessageId.</summary>
    public required string Id { get; init; }

    /// <summary>The analysis it is about.</summary>
    public required string AnalysisId { get; init; }

    /// <summary>Queue of a command; null for an event.</summary>
    public string? Destination { get; init; }

    /// <summary>Contract type name, e.g. PreprocessImage.</summary>
    public required string Type { get; init; }

    /// <summary>The message as JSON.</summary>
    public required string Body { get; init; }

    /// <summary>The trace it belongs to.</summary>
    public string? Traceparent { get; init; }

    /// <summary>Not sent before this time; null: at once.</summary>
    public DateTimeOffset? NotBefore { get; init; }

    /// <summary>The message itself, where it was made; null when the row was read.</summary>
    internal object? Contract { get; init; }

    /// <summary>A command to one queue.</summary>
    public static OutboxMessage Command<T>(TimeProvider time, string queue, string analysisId, T message)
        where T : class => Create(time, queue, analysisId, message);

    /// <summary>An event to whoever listens.</summary>
    public static OutboxMessage Event<T>(TimeProvider time, string analysisId, T message)
        where T : class => Create(time, null, analysisId, message);

    /// <summary>The contract type and value this row carries.</summary>
    /// <exception cref="InvalidOperationException">The row names a type that is not a contract.</exception>
    public (Type Type, object Message) Open()
    {
        if (Contract is not null)
        {
            return (Contract.GetType(), Contract);
        }

        var type = typeof(PreprocessImage).Assembly.GetType($"Palimpsest.Contracts.{Type}") ?? throw new InvalidOperationException($"Outbox row {Id} names the unknown message {Type}.");
        return (type, JsonSerializer.Deserialize(Body, type, PlatformJson.Options) ?? throw new InvalidOperationException($"Outbox row {Id} is empty."));
    }

    private static OutboxMessage Create<T>(TimeProvider time, string? queue, string analysisId, T message)
        where T : class => new()
        {
            Id = Ids.Sortable(time),
            AnalysisId = analysisId,
            Destination = queue,
            Type = typeof(T).Name,
            Body = JsonSerializer.Serialize(message, PlatformJson.Options),
            Traceparent = Activity.Current?.Id,
            Contract = message,
        };
}

/// <summary>A message as it is written.</summary>
/// <param name="Message">What it says.</param>
/// <param name="CreatedAt">Unix milliseconds.</param>
/// <param name="ClaimedUntil">Unix milliseconds; until then nobody else sends it.</param>
/// <param name="Ours">The claim is this process'.</param>
internal sealed record OutboxRow(OutboxMessage Message, long CreatedAt, long ClaimedUntil, bool Ours);
