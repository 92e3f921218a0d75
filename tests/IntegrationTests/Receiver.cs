using System.Collections.Concurrent;
using System.Text;
using Google.Protobuf;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Palimpsest.Local.Servers;

namespace Palimpsest.IntegrationTests;

/// <summary>What the outside world is to the platform: a webhook target and an OTLP collector, over HTTP on loopback.</summary>
public sealed class Receiver : IAsyncDisposable
{
    private readonly WebApplication app;

    private Receiver(WebApplication app, Uri address) => (this.app, Address) = (app, address);

    public Uri Address { get; }

    public Uri Webhook => new(Address, "/hook");

    /// <summary>Deliveries in order of arrival.</summary>
    public ConcurrentQueue<Delivery> Deliveries { get; } = new();

    /// <summary>Spans of every process.</summary>
    public ConcurrentQueue<CollectedSpan> Spans { get; } = new();

    /// <summary>Every export of every process, as it came: one character for each byte.</summary>
    public ConcurrentQueue<string> Exports { get; } = new();

    public static async Task<Receiver> StartAsync()
    {
        var address = new Uri($"http://127.0.0.1:{ChildProcess.FreePort()}");
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls(address.ToString());
        var app = builder.Build();
        var receiver = new Receiver(app, address);
        app.MapPost("/hook", async (HttpContext context) =>
        {
            using var reader = new StreamReader(context.Request.Body);
            receiver.Deliveries.Enqueue(new Delivery(context.Request.Headers["webhook-id"].ToString(), context.Request.Headers["webhook-signature"].ToString(), await reader.ReadToEndAsync()));
        });
        app.MapPost("/v1/traces", async (HttpContext context) =>
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body);
            receiver.Exports.Enqueue(Encoding.Latin1.GetString(body.ToArray()));
            foreach (var span in OtlpTraces.Read(body.ToArray()))
            {
                receiver.Spans.Enqueue(span);
            }
        });
        app.MapPost("/v1/{signal}", () => Results.Ok());
        await app.StartAsync();
        return receiver;
    }

    public async ValueTask DisposeAsync() => await app.DisposeAsync();
}

/// <summary>One webhook attempt.</summary>
public sealed record Delivery(string Id, string Signature, string Body);

/// <summary>One span as exported.</summary>
public sealed record CollectedSpan(string Service, string TraceId, string SpanId, string ParentId, string Name, IReadOnlyList<string> LinkedTraces);

/// <summary>The few fields of opentelemetry/proto/trace/v1 that the tests look at.</summary>
internal static class OtlpTraces
{
    public static IEnumerable<CollectedSpan> Read(byte[] request) => Messages(request, 1).SelectMany(ResourceSpans).ToList();

    private static IEnumerable<CollectedSpan> ResourceSpans(byte[] resourceSpans)
    {
        string service = Messages(resourceSpans, 1).SelectMany(resource => Messages(resource, 1))
            .Where(attribute => Text(attribute, 1) == "service.name").SelectMany(attribute => Messages(attribute, 2)).Select(value => Text(value, 1)).FirstOrDefault("");
        return Messages(resourceSpans, 2).SelectMany(scope => Messages(scope, 2)).Select(span => new CollectedSpan(
            service, Hex(span, 1), Hex(span, 2), Hex(span, 4), Text(span, 5), [.. Messages(span, 13).Select(link => Hex(link, 1))]));
    }

    private static string Text(byte[] message, int field) => Messages(message, field).Select(Encoding.UTF8.GetString).FirstOrDefault("");

    private static string Hex(byte[] message, int field) => Messages(message, field).Select(Convert.ToHexStringLower).FirstOrDefault("");

    /// <summary>The length-delimited values of one field.</summary>
    private static IEnumerable<byte[]> Messages(byte[] message, int field)
    {
        var input = new CodedInputStream(message);
        for (uint tag = input.ReadTag(); tag != 0; tag = input.ReadTag())
        {
            if (WireFormat.GetTagFieldNumber(tag) == field && WireFormat.GetTagWireType(tag) == WireFormat.WireType.LengthDelimited)
            {
                yield return input.ReadBytes().ToByteArray();
            }
            else
            {
                input.SkipLastField();
            }
        }
    }
}
