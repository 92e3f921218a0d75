using System.CommandLine;
using System.Text.Json;
using Palimpsest.Contracts;
using Palimpsest.Local.Client;

namespace Palimpsest.Local.Commands;

/// <summary><c>submit</c>: a client.</summary>
internal static class SubmitCommand
{
    public static Command Create()
    {
        var what = new Argument<string>("FILE|URL") { Description = "A picture, or the http(s) address of one." };
        var server = new Option<string>("--server") { Description = "Address of the gateway.", DefaultValueFactory = _ => "http://localhost:8080" };
        var key = new Option<string?>("--key") { Description = "API key (default: PALIMPSEST_API_KEY)." };
        var wait = new Option<bool>("--wait") { Description = "Wait for the result." };
        var mask = new Option<string?>("--mask") { Description = "Save the mask here (implies --wait)." };
        var analysis = new AnalysisOptionsBinding();
        var command = new Command("submit", "Sends a picture to a running platform and prints the analysis as JSON.") { what, server, key, wait, mask, analysis.Detectors, analysis.NoFaceCrop };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            string given = parsed.GetValue(what)!;
            if (!Uri.TryCreate(parsed.GetValue(server), UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https"))
            {
                await Console.Error.WriteLineAsync("--server must be an address such as http://localhost:8080.");
                return CommandLine.BadUsage;
            }

            if (Uri.TryCreate(given, UriKind.Absolute, out var url) is var isUrl && !(isUrl && url!.Scheme is "http" or "https") && !File.Exists(given))
            {
                await Console.Error.WriteLineAsync(Directory.Exists(given) ? $"{given} is a folder: submit its pictures one by one, or use 'scan'." : $"{given} does not exist.");
                return CommandLine.BadUsage;
            }

            using var http = new HttpClient { BaseAddress = address, Timeout = TimeSpan.FromMinutes(5) };
            var client = new PalimpsestClient(http, parsed.GetValue(key) ?? Environment.GetEnvironmentVariable("PALIMPSEST_API_KEY"));
            var options = new SubmitOptions { Analysis = analysis.Read(parsed) };
            try
            {
                var result = await SendAsync(client, given, options, cancellationToken);
                if (parsed.GetValue(wait) || parsed.GetValue(mask) is not null)
                {
                    result = await client.WaitAsync(result.Id, TimeSpan.FromMinutes(5), cancellationToken);
                }

                if (parsed.GetValue(mask) is { } path && result.Links.Mask is not null)
                {
                    await File.WriteAllBytesAsync(path, await client.MaskAsync(result.Id, cancellationToken), cancellationToken);
                }

                Console.WriteLine(JsonSerializer.Serialize(result, Indented));
                return result.Status == AnalysisStatuses.Failed ? ScanCommand.SomeFailed : 0;
            }
            catch (Exception e) when (e is PalimpsestProblemException or HttpRequestException or TimeoutException or IOException or UnauthorizedAccessException)
            {
                await Console.Error.WriteLineAsync(e.Message);
                return 1;
            }
        });
        return command;
    }

    private static JsonSerializerOptions Indented { get; } = new(PlatformJson.Options) { WriteIndented = true };

    private static async Task<AnalysisDocument> SendAsync(PalimpsestClient client, string given, SubmitOptions options, CancellationToken cancellationToken)
    {
        if (Uri.TryCreate(given, UriKind.Absolute, out var url) && url.Scheme is "http" or "https")
        {
            return await client.SubmitUrlAsync(url!, options, cancellationToken);
        }

        await using var file = File.OpenRead(given);
        return await client.SubmitAsync(file, Path.GetFileName(given), options, cancellationToken);
    }
}
