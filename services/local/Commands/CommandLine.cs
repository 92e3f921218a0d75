using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using System.Text.RegularExpressions;

namespace Palimpsest.Local.Commands;

/// <summary>The commands of <c>./palimpsest</c> that are not build or test.</summary>
internal static partial class CommandLine
{
    /// <summary>Bad usage.</summary>
    public const int BadUsage = 2;

    public static async Task<int> RunAsync(string[] args)
    {
        // Not a RootCommand: that would call itself by the name of our file.
        var root = new Command("./palimpsest", "Palimpsest shows where a picture was edited or generated.") { new HelpOption() };
        foreach (var command in (Command[])[UpCommand.Create(), ScanCommand.Create(), EvalCommand.Create(), KeysCommand.Create(), SubmitCommand.Create(), QueuesCommand.Create(), CheckExportCommand.Create(), EvidenceCommand.Create()])
        {
            root.Subcommands.Add(command);
        }

        // No response files: a file named @a.jpg is a picture, not a list of arguments.
        var parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Errors.Count > 0)
        {
            foreach (var error in parsed.Errors)
            {
                await Console.Error.WriteLineAsync(TypeName().Replace(error.Message, ": it takes a whole number."));
            }

            await Console.Error.WriteLineAsync($"'{string.Join(' ', PathOf(parsed.CommandResult).Reverse())} --help' explains it.");
            return BadUsage;
        }

        try
        {
            // Hosts and Interruption handle signals themselves; the library's own handler would end them after two seconds.
            return await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null, EnableDefaultExceptionHandler = false });
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A file that cannot be read or written is the user's to mend: the message names it, a stack trace would hide it.
            await Console.Error.WriteLineAsync(e.Message);
            return 1;
        }
    }

    /// <summary>The message of an exception without the parameter's name that .NET hangs on.</summary>
    public static string Plain(Exception e) =>
        e is ArgumentException { ParamName.Length: > 0 } && e.Message.LastIndexOf(" (Parameter '", StringComparison.Ordinal) is > 0 and var end ? e.Message[..end] : e.Message;

    private static IEnumerable<string> PathOf(SymbolResult? result)
    {
        for (; result is CommandResult command; result = command.Parent)
        {
            yield return command.Command.Name;
        }
    }

    [GeneratedRegex(" as expected type '[^']*Int32[^']*'\\.")]
    private static partial Regex TypeName();
}
