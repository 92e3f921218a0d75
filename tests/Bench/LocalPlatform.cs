using Palimpsest.Local.Servers;

namespace Palimpsest.Bench;

/// <summary>The embedded platform as a process of its own, without a tenant's usual limits.</summary>
internal static class LocalPlatform
{
    /// <summary>Starts it; ready once its log says so.</summary>
    public static ChildProcess Start(string folder, string key, out Uri address, out string log)
    {
        int port = ChildProcess.FreePort();
        string here = AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar);
        string program = Path.GetFullPath(Path.Combine(here, "..", "..", "Palimpsest.Local", Path.GetFileName(here), "palimpsest-local.dll"));
        (address, log) = (new Uri($"http://127.0.0.1:{port}"), Path.Combine(folder, "up.log"));
        return ChildProcess.Start(
            "palimpsest up", ["dotnet", program, "up", "--port", $"{port}", "--data", Path.Combine(folder, "data")],
            new Dictionary<string, string?>(StringComparer.Ordinal) { ["PALIMPSEST_API_KEY"] = key, ["Limits__RequestsPerSecond"] = "100000", ["Limits__Burst"] = "100000" }, log);
    }

    /// <summary>A log that is being written.</summary>
    public static async Task<string> ReadAsync(string path)
    {
        using var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        return await reader.ReadToEndAsync();
    }
}
