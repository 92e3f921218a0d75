using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>Nobody reads without the scope read, nobody changes anything without submit.</summary>
internal sealed class CallerFilter : IEndpointFilter
{
    public ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var http = context.HttpContext;
        TenantContext.Of(http).Require(HttpMethods.IsGet(http.Request.Method) || HttpMethods.IsHead(http.Request.Method) ? Scopes.Read : Scopes.Submit);
        return next(context);
    }
}
