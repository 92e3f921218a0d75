using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>
/// Who is asking. Embedded, the gateway's key check has said so already; behind the gateway its signed assertion says it. Reading is what these endpoints need at least.
/// </summary>
internal sealed class CallerFilter(PlatformSettings settings, TimeProvider time) : IEndpointFilter
{
    public ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var http = context.HttpContext;
        if (http.Features.Get<TenantContext>() is null && settings is { Embedded: false, InternalKey: { Length: > 0 } key }
            && TenantAssertion.Verify(http.Request.Headers[TenantAssertion.Header], key, time.GetUtcNow()) is { } caller)
        {
            http.Features.Set(caller);
        }

        TenantContext.Of(http).Require(HttpMethods.IsGet(http.Request.Method) || HttpMethods.IsHead(http.Request.Method) ? Scopes.Read : Scopes.Submit);
        return next(context);
    }
}
