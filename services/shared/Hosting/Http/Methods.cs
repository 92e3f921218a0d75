using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Palimpsest.Hosting;

/// <summary>HEAD wherever there is GET, which endpoints do not do by themselves (RFC 9110, 9.1), and an Allow header that says so.</summary>
internal static class Methods
{
    /// <summary>Chooses the endpoint: for HEAD the one of GET. The endpoint still sees HEAD; the server sends no body.</summary>
    public static void UseMethods(this WebApplication app)
    {
        app.Use((context, next) =>
        {
            if (HttpMethods.IsHead(context.Request.Method))
            {
                context.Items[typeof(Methods)] = true;
                context.Request.Method = HttpMethods.Get;
            }

            return next(context);
        });
        app.UseRouting();
        app.Use((context, next) =>
        {
            if (context.Items.ContainsKey(typeof(Methods)))
            {
                context.Request.Method = HttpMethods.Head;
            }

            return next(context);
        });
    }

    /// <summary>What routing would allow, and HEAD beside GET.</summary>
    public static string Allowed(IEnumerable<string?> allow)
    {
        var methods = allow.SelectMany(a => (a ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)).ToList();
        return string.Join(", ", methods.Contains(HttpMethods.Get) ? methods.Append(HttpMethods.Head).Distinct() : methods);
    }
}
