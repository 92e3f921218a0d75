using Microsoft.Extensions.Configuration;

namespace Palimpsest.Hosting;

/// <summary>
/// <c>--probe [path]</c>: asks the instance that runs on this machine whether it is well and ends with 0 or 1. For container health checks: the images
/// hold neither a shell nor curl.
/// </summary>
internal static class HealthProbe
{
    /// <summary>The argument.</summary>
    public const string Argument = "--probe";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(4);

    /// <summary>The exit code, with the configuration a service would have of this environment and command line.</summary>
    /// <param name="args">Command line.</param>
    public static int Run(string[] args) => Run(args, new ConfigurationBuilder().AddEnvironmentVariables("ASPNETCORE_").AddEnvironmentVariables().AddCommandLine(args).Build());

    /// <summary>The exit code.</summary>
    /// <param name="args">Command line; the word after the argument is the path, by default <c>/health/ready</c>.</param>
    /// <param name="configuration">Tells the port: <c>--urls</c>, ASPNETCORE_URLS or ASPNETCORE_HTTP_PORTS.</param>
    public static int Run(string[] args, IConfiguration configuration)
    {
        int at = Array.IndexOf(args, Argument);
        string path = at + 1 < args.Length && args[at + 1].StartsWith('/') ? args[at + 1] : "/health/ready";
        var address = Address(configuration, path);
        try
        {
            using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false }) { Timeout = Patience };
            using var request = new HttpRequestMessage(HttpMethod.Get, address);
            using var response = client.Send(request);
            if (response.IsSuccessStatusCode)
            {
                return 0;
            }

            using var body = new StreamReader(response.Content.ReadAsStream());
            Console.Error.WriteLine($"{address}: {(int)response.StatusCode} {body.ReadToEnd()}");
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
        {
            Console.Error.WriteLine($"{address}: {e.Message}");
        }

        return 1;
    }

    private static Uri Address(IConfiguration configuration, string path)
    {
        string? url = configuration["urls"]?.Split(';', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault(u => u.StartsWith("http://", StringComparison.OrdinalIgnoreCase));
        if (url is not null && BindingPort(url) is { } bound)
        {
            return new Uri($"http://127.0.0.1:{bound}{path}");
        }

        string? port = configuration["http_ports"]?.Split(';', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault();
        return new Uri($"http://127.0.0.1:{port ?? "5000"}{path}");
    }

    // http://*:8080 and http://+:8080 are bindings, not URLs.
    private static string? BindingPort(string url)
    {
        string authority = url["http://".Length..].TrimEnd('/');
        int colon = authority.LastIndexOf(':');
        return colon < 0 || authority.EndsWith(']') ? "80" : authority[(colon + 1)..];
    }
}
