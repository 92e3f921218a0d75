using System.Diagnostics;

namespace Palimpsest.Tests;

/// <summary>Runs scripts of tests/npm: checks by tools that others wrote.</summary>
internal static class NodeScript
{
    private static readonly SemaphoreSlim Installing = new(1, 1);

    /// <summary>The repository's root.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>Standard output of <c>node tests/npm/{script}</c>, fed with <paramref name="input"/>.</summary>
    public static async Task<string> RunAsync(string script, string input)
    {
        string folder = Path.Combine(Root, "tests", "npm");
        await Installing.WaitAsync();
        try
        {
            // npm writes this file last; older than the lock means that packages were added since.
            var (installed, locked) = (Path.Combine(folder, "node_modules", ".package-lock.json"), Path.Combine(folder, "package-lock.json"));
            if (!File.Exists(installed) || File.GetLastWriteTimeUtc(installed) < File.GetLastWriteTimeUtc(locked))
            {
                await StartAsync("npm", ["ci", "--no-audit", "--no-fund"], folder, "");
            }
        }
        finally
        {
            Installing.Release();
        }

        return await StartAsync("node", [script], folder, input);
    }

    /// <summary>Runs a program to its end.</summary>
    /// <exception cref="InvalidOperationException">It failed; with what it said.</exception>
    public static async Task<string> StartAsync(string program, IReadOnlyList<string> arguments, string folder, string input)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        })!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? await output : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}: {await error}{await output}");
    }

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Platform.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("The tests run outside the repository.");
    }
}
