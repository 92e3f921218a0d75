using Microsoft.Extensions.Options;
using Palimpsest.Contracts;

namespace Palimpsest.Gateway;

/// <summary><c>/openapi/v1.json</c> and its reader <c>/docs</c>: one page, one script and one style sheet from this assembly, nothing from elsewhere.</summary>
internal static class DocsEndpoints
{
    private static readonly (string Path, string Resource, string Type)[] Files =
    [
        ("/docs", "docs.html", "text/html; charset=utf-8"), ("/docs/docs.js", "docs.js", "text/javascript; charset=utf-8"), ("/docs/docs.css", "docs.css", "text/css; charset=utf-8"),
    ];

    public static void MapDocs(this WebApplication app)
    {
        var intake = app.Services.GetRequiredService<IOptions<IntakeOptions>>();
        var document = new Lazy<string>(() => ApiDocument.Build(intake.Value).ToJsonString(PlatformJson.Options));
        app.MapGet("/openapi/v1.json", (HttpContext context) =>
        {
            context.Response.Headers.CacheControl = "public, max-age=60";
            // Public and harmless: other people's documentation sites may show it.
            context.Response.Headers.AccessControlAllowOrigin = "*";
            return Results.Text(document.Value, "application/json; charset=utf-8");
        });
        foreach (var (path, resource, type) in Files)
        {
            byte[] bytes = Read(resource);
            app.MapGet(path, (HttpContext context) =>
            {
                context.Response.Headers.ContentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
                context.Response.Headers.XContentTypeOptions = "nosniff";
                return Results.Bytes(bytes, type);
            });
        }
    }

    private static byte[] Read(string name)
    {
        using var stream = typeof(DocsEndpoints).Assembly.GetManifestResourceStream($"Palimpsest.Gateway.Docs.{name}")!;
        byte[] bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }
}
