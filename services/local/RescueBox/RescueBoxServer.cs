using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Authorization;
using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Local.Commands;
using Palimpsest.Local.Direct;

namespace Palimpsest.Local.RescueBox;

/// <summary>
/// RescueBox's model-server protocol (Flask-ML). It reads and writes folders of this machine without a key, so it is off unless asked for, and answers
/// only programs on this machine: loopback on both ends, a loopback Host (no rebound name), JSON (a form of a web page cannot send it), no Origin.
/// </summary>
internal static class RescueBoxServer
{
    private const string DefaultModels = "default";

    public static void MapRescueBox(this WebApplication app)
    {
        var api = app.MapGroup("").AllowAnonymous().ExcludeFromDescription();
        api.AddEndpointFilter(async (context, next) => IsLocal(context.HttpContext) ? await next(context) : throw new ApiException(403, ErrorCodes.Forbidden, "The model server answers programs on this machine only."));
        api.MapGet("/api/routes", () => Results.Json(
            new[] { new { task_schema = "/predict/task_schema", run_task = "/predict", short_title = "Find manipulated pictures", order = 0 } }, PlatformJson.Options));
        api.MapGet("/api/app_metadata", () => Results.Json(
            new { name = "Palimpsest", author = "Palimpsest contributors", version = typeof(RescueBoxServer).Assembly.GetName().Version?.ToString(3) ?? "0", info = "Says for each picture of a folder whether it was edited or generated, and how sure it is." },
            PlatformJson.Options));
        api.MapGet("/predict/task_schema", () => Results.Json(Schema, PlatformJson.Options));
        var running = new SemaphoreSlim(1, 1);
        // Typed as a handler: a lambda of HttpContext alone would be taken for a RequestDelegate and its result dropped.
        api.MapPost("/predict", async Task<IResult> (HttpContext context, CancellationToken _) => Results.Json(await PredictAsync(context, running), PlatformJson.Options));
    }

    private static object Schema { get; } = new
    {
        inputs = new[]
        {
            new { key = "input_dataset", label = "Folder of pictures", subtitle = "Folders within it are searched too", input_type = "directory" },
            new { key = "output_file", label = "Result", subtitle = "A CSV file to write, or a folder to write predictions.csv into", input_type = "file" },
        },
        parameters = new object[]
        {
            new { key = "ckpt_path", label = "Models folder", subtitle = "'default' for the ones that came with it", value = new { parameter_type = "text", @default = DefaultModels } },
            new
            {
                key = "disable_facecrop", label = "Look at whole pictures instead of faces", subtitle = "",
                value = new { parameter_type = "enum", @default = "False", enum_vals = new[] { new { key = "True", label = "True" }, new { key = "False", label = "False" } } },
            },
        },
    };

    private static bool IsLocal(HttpContext context)
    {
        var (connection, host) = (context.Connection, context.Request.Host.Host.Trim('[', ']'));
        return Loopback(connection.LocalIpAddress) && Loopback(connection.RemoteIpAddress) && !context.Request.Headers.ContainsKey("Origin")
            && (host == "localhost" || (IPAddress.TryParse(host, out var address) && IPAddress.IsLoopback(address)));

        static bool Loopback(IPAddress? address) => address is not null && IPAddress.IsLoopback(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address);
    }

    private static async Task<object> PredictAsync(HttpContext context, SemaphoreSlim running)
    {
        var (files, output, models, options) = await ReadAsync(context);
        await running.WaitAsync(context.RequestAborted);
        try
        {
            await using var pipeline = DirectPipeline.Create(models);
            var results = new DirectResult[files.Count];
            await Parallel.ForAsync(0, files.Count, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = context.RequestAborted }, async (i, token) =>
                results[i] = await pipeline.AnalyseAsync(files[i], options, token) with { Map = null });
            ScanOutput.WriteCsv(output, results);
            return new { output_type = "file", file_type = "csv", path = output, title = $"{files.Count} pictures: {results.Count(r => r.Result?.Verdict == Verdicts.LikelyFake)} likely fake" };
        }
        finally
        {
            running.Release();
        }
    }

    private static async Task<(List<string> Files, string Output, string? Models, AnalysisOptions Options)> ReadAsync(HttpContext context)
    {
        if (!context.Request.HasJsonContentType())
        {
            throw new ApiException(415, ErrorCodes.MalformedRequest, "Send application/json.");
        }

        JsonElement body;
        try
        {
            body = await context.Request.ReadFromJsonAsync<JsonElement>(context.RequestAborted);
        }
        catch (JsonException)
        {
            throw ApiException.Malformed("The body is not JSON.");
        }

        string folder = Text(body, "inputs", "input_dataset", "path") ?? throw ApiException.Malformed("inputs.input_dataset.path is missing.");
        string output = Text(body, "inputs", "output_file", "path") ?? throw ApiException.Malformed("inputs.output_file.path is missing.");
        string? models = Text(body, "parameters", "ckpt_path");
        string whole = Text(body, "parameters", "disable_facecrop") ?? "False";
        if (!Directory.Exists(folder))
        {
            throw ApiException.InvalidOption("input_dataset", "There is no such folder.");
        }

        if (whole is not ("True" or "False"))
        {
            throw ApiException.InvalidOption("disable_facecrop", "Must be True or False.");
        }

        if (models is { Length: > 0 } && models != DefaultModels && !Directory.Exists(models))
        {
            throw ApiException.InvalidOption("ckpt_path", "There is no such folder; 'default' takes the models that came with the program.");
        }

        string csv = Directory.Exists(output) ? Path.Combine(output, "predictions.csv") : output;
        var files = ScanCommand.Files([folder], recursive: true);
        if (OutputFiles.Clash(files, [("output_file", csv)]) is { } clash)
        {
            throw ApiException.InvalidOption("output_file", clash);
        }

        try
        {
            ScanOutput.EnsureWritable(csv);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw ApiException.InvalidOption("output_file", $"It cannot be written: {e.Message}");
        }

        return (files, csv, models is null or "" or DefaultModels ? null : models, new AnalysisOptions { FaceCrop = whole == "False" });
    }

    private static string? Text(JsonElement element, params ReadOnlySpan<string> path)
    {
        foreach (string name in path)
        {
            if (element.ValueKind != JsonValueKind.Object || !element.TryGetProperty(name, out element))
            {
                return null;
            }
        }

        return element.ValueKind == JsonValueKind.String ? element.GetString() : null;
    }
}
