using Palimpsest.Local.Client;
using Palimpsest.Local.Servers;

namespace Palimpsest.IntegrationTests;

/// <summary>The single-process platform as a real process that can be killed and started again on the same data.</summary>
internal sealed class EmbeddedProcess : IAsyncDisposable
{
    private readonly string folder;
    private readonly string? models;
    private readonly HttpClient http = new() { Timeout = TimeSpan.FromSeconds(30) };
    private ChildProcess? process;

    private readonly bool ownKey;

    private EmbeddedProcess(string? models, bool ownKey)
    {
        (this.models, this.ownKey) = (models, ownKey);
        folder = Directory.CreateTempSubdirectory("palimpsest-embedded-").FullName;
        Port = ChildProcess.FreePort();
        http.BaseAddress = new Uri($"http://127.0.0.1:{Port}");
        Client = new PalimpsestClient(http, TestPlatform.Key);
    }

    public int Port { get; }

    public Uri Address => http.BaseAddress!;

    public PalimpsestClient Client { get; }

    /// <summary>What it printed at its last start.</summary>
    public string Banner { get; private set; } = "";

    /// <summary>Starts and waits for its banner.</summary>
    /// <param name="models">Folder of models; null: the shipped ones.</param>
    /// <param name="ownKey">It makes its first key itself and prints it, as for somebody who just cloned; else it is <see cref="TestPlatform.Key"/>.</param>
    public static async Task<EmbeddedProcess> StartAsync(string? models = null, bool ownKey = false)
    {
        var platform = new EmbeddedProcess(models, ownKey);
        await platform.StartAgainAsync();
        return platform;
    }

    public async Task StartAgainAsync()
    {
        string log = Path.Combine(folder, $"{Guid.NewGuid():n}.log"), here = AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar);
        string program = Path.GetFullPath(Path.Combine(here, "..", "..", "Palimpsest.Local", Path.GetFileName(here), "palimpsest-local.dll"));
        process = ChildProcess.Start(
            "palimpsest up",
            ["dotnet", program, "up", "--port", $"{Port}", "--data", Path.Combine(folder, "data"), "--allow-network", "127.0.0.0/8", .. models is null ? (string[])[] : ["--models", models]],
            new Dictionary<string, string?>(StringComparer.Ordinal)
            {
                ["PALIMPSEST_API_KEY"] = ownKey ? null : TestPlatform.Key, ["Reporting__SweepSeconds"] = "1", ["Reporting__StepSeconds"] = "4", ["Intake__FirstDeadlineSeconds"] = "4",
            },
            log);
        await ServerPrograms.WaitAsync(process, log, () => Task.FromResult(Text(log).Contains("Stop with", StringComparison.Ordinal)), CancellationToken.None);
        Banner = Text(log);
    }

    public async Task KillAsync() => await process!.KillAsync();

    public async ValueTask DisposeAsync()
    {
        if (process is not null)
        {
            await process.DisposeAsync();
        }

        http.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    private static string Text(string path)
    {
        using var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        return reader.ReadToEnd();
    }
}
