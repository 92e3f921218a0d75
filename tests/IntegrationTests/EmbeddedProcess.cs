using Palimpsest.Local.Client;
using Palimpsest.Local.Servers;

namespace Palimpsest.IntegrationTests;

/// <summary>The single-process platform as a real process that can be killed and started again on the same data.</summary>
internal sealed class EmbeddedProcess : IAsyncDisposable
{
    private readonly string folder;
    private readonly string? models;
    private readonly bool asShipped;
    private readonly HttpClient http = new() { Timeout = TimeSpan.FromSeconds(30) };
    private ChildProcess? process;

    private readonly bool ownKey;

    private readonly int volumeMegabytes;

    private readonly string? slowedBy;

    private EmbeddedProcess(string? models, bool ownKey, bool asShipped, int volumeMegabytes, string? slowedBy)
    {
        (this.models, this.ownKey, this.asShipped, this.volumeMegabytes, this.slowedBy) = (models, ownKey, asShipped, volumeMegabytes, slowedBy);
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

    /// <summary>Database and blobs.</summary>
    public string Data => Path.Combine(folder, "data");

    /// <summary>The same folder as the process sees it, through its mount namespace.</summary>
    public string MountedData => $"/proc/{process!.Id}/root{Data}";

    /// <summary>Starts and waits for its banner.</summary>
    /// <param name="models">Folder of models; null: the shipped ones.</param>
    /// <param name="ownKey">It makes its first key itself and prints it, as for somebody who just cloned; else it is <see cref="TestPlatform.Key"/>.</param>
    /// <param name="asShipped">Default deadlines; otherwise short ones, so that what waits for a sweep does not hold the tests up.</param>
    /// <param name="volumeMegabytes">Its data lie on a file system of this size, which only it sees; 0: beside everything else.</param>
    /// <param name="slowedBy">A library loaded before all others, which makes work on its data slow; null: none.</param>
    public static async Task<EmbeddedProcess> StartAsync(string? models = null, bool ownKey = false, bool asShipped = false, int volumeMegabytes = 0, string? slowedBy = null)
    {
        var platform = new EmbeddedProcess(models, ownKey, asShipped, volumeMegabytes, slowedBy);
        try
        {
            await platform.StartAgainAsync();
            return platform;
        }
        catch
        {
            await platform.DisposeAsync();
            throw;
        }
    }

    public async Task StartAgainAsync()
    {
        string log = Path.Combine(folder, $"{Guid.NewGuid():n}.log"), here = AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar);
        string program = Path.GetFullPath(Path.Combine(here, "..", "..", "Palimpsest.Local", Path.GetFileName(here), "palimpsest-local.dll"));
        // The volume is mounted in a mount namespace of the process' own, and goes with it.
        string[] inVolume = volumeMegabytes == 0
            ? [] : ["unshare", "--mount", "--map-root-user", "sh", "-c", $"mount -t tmpfs -o size={volumeMegabytes}m tmpfs \"$0\" && exec \"$@\"", Directory.CreateDirectory(Data).FullName];
        process = ChildProcess.Start(
            "palimpsest up",
            // A terminal's end reaches it even where we ourselves were started to outlive one: that is inherited.
            [.. inVolume, "env", "--default-signal=HUP", "dotnet", program, "up", "--port", $"{Port}", "--data", Data, "--allow-network", "127.0.0.0/8", .. models is null ? (string[])[] : ["--models", models]],
            Settings(), log);
        await ServerPrograms.WaitAsync(process, log, () => Task.FromResult(Text(log).Contains("Stop with", StringComparison.Ordinal)), CancellationToken.None);
        Banner = Text(log);
    }

    public async Task KillAsync() => await process!.KillAsync();

    /// <summary>As when its terminal is closed; its exit code.</summary>
    public async Task<int> HangUpAsync()
    {
        const int Sighup = 1;
        await process!.StopAsync(TimeSpan.FromSeconds(60), Sighup);
        return process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (process is not null)
        {
            await process.DisposeAsync();
        }

        http.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    private Dictionary<string, string?> Settings()
    {
        var settings = new Dictionary<string, string?>(StringComparer.Ordinal) { ["PALIMPSEST_API_KEY"] = ownKey ? null : TestPlatform.Key };
        if (!asShipped)
        {
            (settings["Reporting__SweepSeconds"], settings["Reporting__StepSeconds"], settings["Intake__FirstDeadlineSeconds"]) = ("1", "4", "4");
        }

        if (slowedBy is not null)
        {
            (settings["LD_PRELOAD"], settings["SLOW_FOLDER"]) = (slowedBy, Data);
        }

        if (volumeMegabytes > 0)
        {
            settings["Intake__MinFreeBytes"] = settings["Preprocessing__MinFreeBytes"] = "0"; // so that the kernel refuses, not we before it
            settings["Reporting__VolumeFullRetrySeconds"] = "2";
        }

        return settings;
    }

    private static string Text(string path)
    {
        using var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        return reader.ReadToEnd();
    }
}
