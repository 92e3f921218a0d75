using System.CommandLine;

namespace Palimpsest.Local.Commands;

/// <summary>The commands of <c>./palimpsest</c> that are not build or test.</summary>
internal static class CommandLine
{
    /// <summary>Bad usage.</summary>
    public const int BadUsage = 2;

    public static async Task<int> RunAsync(string[] args)
    {
        var root = new RootCommand("Palimpsest shows where a picture was edited or generated.");
        foreach (var command in (Command[])[UpCommand.Create(), ScanCommand.Create(), EvalCommand.Create(), KeysCommand.Create(), SubmitCommand.Create(), QueuesCommand.Create(), CheckExportCommand.Create(), EvidenceCommand.Create()])
        {
            root.Subcommands.Add(command);
        }

        var parsed = root.Parse(args);
        foreach (var error in parsed.Errors)
        {
            await Console.Error.WriteLineAsync(error.Message);
        }

        // Hosts handle signals themselves; the library's own handler would end them after two seconds.
        return parsed.Errors.Count > 0 ? BadUsage : await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });
    }
}
