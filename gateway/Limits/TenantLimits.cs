using System.Globalization;
using Microsoft.Extensions.Options;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Gateway;

/// <summary>Each tenant's requests and bytes, before anything is done for them; says in every answer what is left (draft-ietf-httpapi-ratelimit-headers-10).</summary>
internal sealed class TenantLimits(IBuckets buckets, IOptions<LimitsOptions> options)
{
    private const double SecondsPerDay = 86_400;

    /// <summary>Takes one request, and the announced length of its body.</summary>
    /// <exception cref="ApiException">429 rate_limited.</exception>
    public async Task TakeRequestAsync(HttpContext context, string tenant)
    {
        var quota = options.Value.For(tenant);
        var result = await buckets.DrawAsync([Requests(tenant, quota), Bytes(tenant, quota, context.Request.ContentLength ?? 0)], owed: false);
        context.Response.OnStarting(
            static state =>
            {
                var (response, policy, left) = ((HttpResponse, string, string))state;
                response.Headers["RateLimit-Policy"] = policy;
                response.Headers["RateLimit"] = left;
                return Task.CompletedTask;
            },
            (context.Response, Policy(quota), Left(quota, result.Levels)));
        if (!result.Allowed)
        {
            bool bytes = result.Levels[0] >= 1;
            throw Refused(bytes ? $"{quota.BytesPerDay:N0} bytes a day" : $"{quota.RequestsPerSecond:0.##} requests a second", result.Wait);
        }
    }

    /// <summary>Takes bytes that have arrived without having been announced (chunked bodies, fetched pictures).</summary>
    public async Task OweBytesAsync(string tenant, long bytes) => await buckets.DrawAsync([Bytes(tenant, options.Value.For(tenant), bytes)], owed: true);

    /// <summary>429 rate_limited when so many more would be more than may be in flight; else null.</summary>
    public ApiException? TooManyJobs(string tenant, long inFlight, int items)
    {
        int most = options.Value.For(tenant).JobsInFlight;
        return inFlight + items > most ? Refused($"{most:N0} analyses in flight", TimeSpan.FromSeconds(Math.Clamp(inFlight / 100, 1, 60))) : null;
    }

    private static Draw Requests(string tenant, TenantQuota quota) => new($"limit:{{{tenant}}}:requests", quota.Burst, quota.RequestsPerSecond, 1);

    private static Draw Bytes(string tenant, TenantQuota quota, long bytes) => new($"limit:{{{tenant}}}:bytes", quota.BytesPerDay, quota.BytesPerDay / SecondsPerDay, bytes);

    private static string Policy(TenantQuota quota) => string.Create(
        CultureInfo.InvariantCulture,
        $"\"requests\";q={quota.Burst};w={Math.Max(1, (int)Math.Ceiling(quota.Burst / quota.RequestsPerSecond))}, \"bytes\";q={quota.BytesPerDay};w=86400;qu=\"content-bytes\"");

    private static string Left(TenantQuota quota, double[] levels) => string.Create(
        CultureInfo.InvariantCulture,
        $"\"requests\";r={(long)Math.Max(0, levels[0])};t={Full(quota.Burst, levels[0], quota.RequestsPerSecond)}, \"bytes\";r={(long)Math.Max(0, levels[1])};t={Full(quota.BytesPerDay, levels[1], quota.BytesPerDay / SecondsPerDay)}");

    /// <summary>Seconds until the bucket is full again.</summary>
    private static long Full(double capacity, double level, double perSecond) => (long)Math.Ceiling((capacity - level) / perSecond);

    private static ApiException Refused(string what, TimeSpan wait) =>
        new(429, ErrorCodes.RateLimited, $"Your quota of {what} is used up. Wait as long as Retry-After says.") { RetryAfterSeconds = Math.Max(1, (int)Math.Ceiling(wait.TotalSeconds)) };
}

/// <summary>Applies <see cref="TenantLimits"/> and <see cref="OpenRequests"/> to every request that carries a tenant.</summary>
internal sealed class LimitsMiddleware(RequestDelegate next, TenantLimits limits, OpenRequests requests)
{
    public async Task InvokeAsync(HttpContext context)
    {
        if (context.Features.Get<TenantContext>() is not { } tenant)
        {
            await next(context);
            return;
        }

        await limits.TakeRequestAsync(context, tenant.Tenant);
        using var open = requests.Open(tenant.Tenant, waits: IsEventStream(context.Request));
        context.Features.Set(open);
        await next(context);
    }

    private static bool IsEventStream(HttpRequest request) =>
        HttpMethods.IsGet(request.Method) && request.Path.Value is { } path
        && path.StartsWith("/v1/analyses/", StringComparison.OrdinalIgnoreCase) && path.EndsWith("/events", StringComparison.OrdinalIgnoreCase);
}
