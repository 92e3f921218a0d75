using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Palimpsest.Hosting;

/// <summary>The one activity source and meter of the platform. Units are seconds and bytes; no tenant, id or hash is ever a label.</summary>
public static class PlatformTelemetry
{
    /// <summary>Name of source and meter.</summary>
    public const string Name = "Palimpsest";

    /// <summary>Spans: store, outbox send, decode, faces, route, batch.wait, onnx.run, report, fuse, webhook.</summary>
    public static ActivitySource Source { get; } = new(Name);

    /// <summary>The span that something is decided in; null when none is recorded: its id would hang what follows from a span that nobody ever sees.</summary>
    public static string? RecordedTraceparent => Activity.Current is { IsAllDataRequested: true } span ? span.Id : null;

    /// <summary>Metrics.</summary>
    public static Meter Meter { get; } = new(Name);
}
