using Palimpsest.Local.Servers;

namespace Palimpsest.Bench;

/// <summary>The embedded platform as a user starts it, a process of its own.</summary>
internal static class LocalPlatform
{
    /// <summary>Starts it with its data and log in a folder; returns once it is ready.</summary>
    public static async Task<(Uri Address, ChildProcess Process)> StartAsync(string folder, IReadOnlyDictionary<string, string?> settings, CancellationToken cancellationToken)
    {
        int port = ChildProcess.FreePort();
        string here = AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar), log = Path.Combine(folder, "up.log");
        string program = Path.GetFullPath(Path.Combine(here, "..", "..", "Palimpsest.Local", Path.GetFileName(here), "palimpsest-local.dll"));
        var process = ChildProcess.Start(
            "palimpsest up", ["dotnet", program, "up", "--port", $"{port}", "--data", Path.Combine(folder, "data")],
            settings.ToDictionary(pair => pair.Key.Replace(":", "__", StringComparison.Ordinal), pair => pair.Value, StringComparer.Ordinal), log);
        try
        {
            await ServerPrograms.WaitAsync(process, log, async () => (await ReadAsync(log)).Contains("is ready at", StringComparison.Ordinal), cancellationToken);
            return (new Uri($"http://127.0.0.1:{port}"), process);
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
    }

    /// <summary>A log that is being written.</summary>
    private static async Task<string> ReadAsync(string path)
    {
        using var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        return await reader.ReadToEndAsync();
    }
}
