using Palimpsest.Hosting;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Forwarder;
using Yarp.ReverseProxy.Transforms;

namespace Palimpsest.Gateway;

/// <summary>
/// Distributed: everything under /v1 that the gateway does not answer itself goes to reporting, with the key taken off and a signed tenant assertion put on.
/// Embedded there is no proxy: reporting's endpoints are in this process.
/// </summary>
internal static class ReportingProxy
{
    private const string Cluster = "reporting";

    // Longer than the 15 s between SSE heartbeats, so that a quiet stream lives and a dead one does not.
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(100);

    public static void AddReportingProxy(this PlatformBuilder platform)
    {
        string url = platform.Configuration["REPORTING_URL"] is { Length: > 0 } value && Uri.TryCreate(value, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https"
            ? platform.Configuration["REPORTING_URL"]!
            : throw new InvalidOperationException("REPORTING_URL must be the http(s) address of the reporting service.");
        string key = TenantAssertionMiddleware.RequireInternalKey(platform.Settings);
        platform.Services.AddReverseProxy()
            .LoadFromMemory(
                [
                    // After all of the gateway's own routes; those are more specific, so this is only a tie-break.
                    new RouteConfig { RouteId = "v1", ClusterId = Cluster, Order = 1_000, Match = new RouteMatch { Path = "/v1/{**rest}" } },
                ],
                [
                    new ClusterConfig
                    {
                        ClusterId = Cluster,
                        Destinations = new Dictionary<string, DestinationConfig>(StringComparer.Ordinal) { ["one"] = new() { Address = url } },
                        HttpRequest = new ForwarderRequestConfig { ActivityTimeout = Silence, AllowResponseBuffering = false },
                    },
                ])
            .AddTransforms(transforms =>
            {
                var time = transforms.Services.GetRequiredService<TimeProvider>();
                transforms.AddRequestTransform(request =>
                {
                    // The client's X-Palimpsest-* are gone since the key check.
                    request.ProxyRequest.Headers.Remove("Authorization");
                    request.ProxyRequest.Headers.Remove("X-Api-Key");
                    request.ProxyRequest.Headers.Remove("Cookie");
                    request.ProxyRequest.Headers.TryAddWithoutValidation(TenantAssertion.Header, TenantAssertion.Create(TenantContext.Of(request.HttpContext), key, time.GetUtcNow()));
                    return ValueTask.CompletedTask;
                });
                // Reporting does not know that these take POST here.
                transforms.AddResponseTransform(response =>
                {
                    var headers = response.HttpContext.Response.Headers;
                    if (headers.Allow.Count > 0 && response.HttpContext.Request.Path.Value is "/v1/analyses" or "/v1/batches")
                    {
                        headers.Allow = headers.Allow + ", POST";
                    }

                    return ValueTask.CompletedTask;
                });
            });
    }
}
