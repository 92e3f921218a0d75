using System.Collections.Concurrent;
using Microsoft.Playwright;
using Palimpsest.Contracts;

namespace Palimpsest.IntegrationTests.Browser;

/// <summary>One platform in a process of its own, and one Chromium, for all browser tests.</summary>
public sealed class ConsoleFixture : IAsyncLifetime
{
    private readonly ConcurrentDictionary<string, Task<AnalysisDocument>> submitted = new(StringComparer.Ordinal);
    private IPlaywright playwright = null!;

    internal EmbeddedProcess Platform { get; private set; } = null!;

    internal IBrowser Chromium { get; private set; } = null!;

    /// <summary>Files to choose, drop and paste.</summary>
    internal string Folder { get; } = Directory.CreateTempSubdirectory("palimpsest-browser-").FullName;

    public async Task InitializeAsync()
    {
        Platform = await EmbeddedProcess.StartAsync();
        playwright = await Playwright.CreateAsync();
        Chromium = await playwright.Chromium.LaunchAsync(new() { ExecutablePath = Program() });
    }

    public async Task DisposeAsync()
    {
        await Chromium.DisposeAsync();
        playwright.Dispose();
        await Platform.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
    }

    /// <summary>A file of that name and content.</summary>
    internal string File(string name, byte[] content)
    {
        string path = Path.Combine(Folder, name);
        System.IO.File.WriteAllBytes(path, content);
        return path;
    }

    /// <summary>A finished analysis of a picture, submitted once for all tests that only look at it.</summary>
    internal Task<AnalysisDocument> AnalysedAsync(string name, Func<byte[]> picture) => submitted.GetOrAdd(name, async _ =>
    {
        var accepted = await Platform.Client.SubmitAsync(new MemoryStream(picture()), name);
        return await Platform.Client.WaitAsync(accepted.Id, TimeSpan.FromSeconds(60));
    });

    /// <summary>A small splice.</summary>
    internal Task<AnalysisDocument> SpliceAsync() => AnalysedAsync("splice.jpg", () => TestPictures.Forged(seed: 41, width: 480, height: 320));

    private static string Program() =>
        Environment.GetEnvironmentVariable("CHROMIUM_PATH") is { Length: > 0 } own ? own
        : new[] { "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome" }.FirstOrDefault(System.IO.File.Exists)
        ?? throw new FileNotFoundException("There is no Chromium: './palimpsest test' installs it, or set CHROMIUM_PATH.");
}

[CollectionDefinition(Name)]
public sealed class ConsoleCollection : ICollectionFixture<ConsoleFixture>
{
    public const string Name = "console";
}
