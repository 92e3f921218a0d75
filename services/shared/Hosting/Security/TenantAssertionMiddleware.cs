using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Palimpsest.Hosting;

/// <summary>How a service behind the gateway learns who is asking.</summary>
public static class TenantAssertionMiddleware
{
    /// <summary>Shortest internal key, characters.</summary>
    public const int ShortestInternalKey = 32;

    /// <summary>
    /// Distributed: verifies <see cref="TenantAssertion.Header"/> and sets the request's <see cref="TenantContext"/>; a forged, damaged or expired assertion sets nothing, so
    /// that <see cref="TenantContext.Of"/> answers 401. Embedded: does nothing, the gateway's key check in the same process has set it.
    /// </summary>
    /// <exception cref="InvalidOperationException">Distributed, and PALIMPSEST_INTERNAL_KEY is missing or short.</exception>
    public static void UseTenantAssertions(this IApplicationBuilder app)
    {
        ArgumentNullException.ThrowIfNull(app);
        var settings = app.ApplicationServices.GetRequiredService<PlatformSettings>();
        if (settings.Embedded)
        {
            return;
        }

        string key = RequireInternalKey(settings);
        var time = app.ApplicationServices.GetRequiredService<TimeProvider>();
        app.Use((context, next) =>
        {
            var values = context.Request.Headers[TenantAssertion.Header];
            if (values.Count == 1 && TenantAssertion.Verify(values[0], key, time.GetUtcNow()) is { } tenant)
            {
                context.Features.Set(tenant);
            }

            return next(context);
        });
    }

    /// <summary>The internal key.</summary>
    /// <exception cref="InvalidOperationException">It is missing or short.</exception>
    public static string RequireInternalKey(PlatformSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return settings.InternalKey is { Length: >= ShortestInternalKey } key
            ? key
            : throw new InvalidOperationException($"PALIMPSEST_INTERNAL_KEY must be the same secret of at least {ShortestInternalKey} characters in the gateway and in reporting.");
    }
}
