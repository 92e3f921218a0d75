using System.Net.Http.Headers;
using System.Text.Json;
using Palimpsest.Contracts;

namespace Palimpsest.IntegrationTests;

/// <summary>One trace from the caller's traceparent to the webhook, over all processes, as an OTLP collector sees it.</summary>
[Collection(PlatformCollection.Name)]
public sealed class TraceTests(TestPlatform platform)
{
    [Fact]
    public async Task A_submission_is_one_connected_trace_over_every_process()
    {
        string traceId = Convert.ToHexStringLower(Guid.NewGuid().ToByteArray()), caller = "00f067aa0ba902b7";
        using var http = new HttpClient { BaseAddress = platform.Host["gateway"].Address };
        using var form = new MultipartFormDataContent
        {
            { new ByteArrayContent(TestPictures.Forged(4000)), "image", "p.jpg" }, { new StringContent("both"), "detectors" }, { new StringContent("false"), "face_crop" },
            { new StringContent(platform.Receiver.Webhook.ToString()), "callback_url" },
        };
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/analyses") { Content = form };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", TestPlatform.Key);
        request.Headers.TryAddWithoutValidation("traceparent", $"00-{traceId}-{caller}-01");
        using var response = await http.SendAsync(request);
        response.IsSuccessStatusCode.ShouldBeTrue(await response.Content.ReadAsStringAsync());
        var accepted = JsonSerializer.Deserialize<AnalysisDocument>(await response.Content.ReadAsStringAsync(), PlatformJson.Options)!;
        accepted.TraceId.ShouldBe(traceId);
        var finished = await platform.Client.WaitAsync(accepted.Id, TimeSpan.FromSeconds(60));

        // Processes export apart and a parent ends after its children: what is looked for may still be on its way.
        string[] needed = ["POST", "store", "outbox send", "preprocess-image", "decode", "faces", "route", "localize", "batch.wait", "onnx.run", "report", "fuse", "webhook"];
        IReadOnlyList<CollectedSpan> spans = [];
        for (int i = 0; i < 150; i++)
        {
            spans = [.. platform.Receiver.Spans.Where(s => s.TraceId == traceId || s.LinkedTraces.Contains(traceId))];
            if (Array.TrueForAll(needed, name => spans.Any(s => Matches(s, name))) && Orphans().Count == 0)
            {
                break;
            }

            await Task.Delay(200);
        }

        foreach (string name in needed)
        {
            spans.ShouldContain(s => Matches(s, name), $"no span '{name}' among: {string.Join(", ", spans.Select(s => s.Name).Distinct())}");
        }

        Orphans().ShouldBeEmpty();
        var own = spans.Where(s => s.TraceId == traceId).ToList();
        string[] completed = [.. finished.Detectors.Where(d => d.State == DetectorStates.Completed).Select(d => d.Name)];
        foreach (string service in (string[])["gateway", "preprocessing", "routing", "reporting", .. completed])
        {
            own.ShouldContain(s => s.Service == "palimpsest-" + service, $"nothing from {service}");
        }

        own.Count(s => s.Name == "localize").ShouldBe(finished.Detectors.Count(d => d.State is DetectorStates.Completed));

        // Connected: every parent in the trace is itself there, or is the caller.
        IReadOnlyList<string> Orphans()
        {
            var known = spans.Where(s => s.TraceId == traceId).Select(s => s.SpanId).Append(caller).ToHashSet(StringComparer.Ordinal);
            return [.. spans.Where(s => s.TraceId == traceId && !known.Contains(s.ParentId)).Select(s => $"{s.Service}: {s.Name}")];
        }
    }

    private static bool Matches(CollectedSpan span, string name) =>
        span.Name == name || (name is "POST" or "preprocess-image" && span.Name.StartsWith(name, StringComparison.Ordinal));
}
