using Microsoft.Extensions.FileProviders;

namespace Palimpsest.Gateway;

/// <summary>Serves the console (<c>wwwroot/</c>) at <c>/</c>: static files of our own, nothing from elsewhere, a content security policy that holds it to that.</summary>
internal static class ConsoleFiles
{
    // blob: for pictures fetched with a key; everything else only from here.
    private const string Policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self' blob:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

    /// <summary>Before the key check: the page itself is public, the API behind it is not.</summary>
    public static void UseConsole(this WebApplication app)
    {
        string folder = Path.Combine(AppContext.BaseDirectory, "wwwroot");
        if (!Directory.Exists(folder))
        {
            return;
        }

        var files = new PhysicalFileProvider(folder);
        app.UseDefaultFiles(new DefaultFilesOptions { FileProvider = files });
        app.UseStaticFiles(new StaticFileOptions
        {
            FileProvider = files,
            OnPrepareResponse = static context =>
            {
                var headers = context.Context.Response.Headers;
                headers.ContentSecurityPolicy = Policy;
                headers.XContentTypeOptions = "nosniff";
                headers["Referrer-Policy"] = "no-referrer";
                headers["Cross-Origin-Opener-Policy"] = "same-origin";
                // Revalidated by ETag, so that an upgrade shows at once.
                headers.CacheControl = "no-cache";
            },
        });
    }
}
