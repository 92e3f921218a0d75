using Palimpsest.Local.Commands;

namespace Palimpsest.Tests.Local;

/// <summary>A command with what it says. The console is one for all: classes that use it are in <see cref="Console"/>'s collection.</summary>
internal sealed record CommandRun(int Exit, string Output, string Errors)
{
    public const string Console = "console";

    public static async Task<CommandRun> Of(params string[] args)
    {
        var (output, errors) = (System.Console.Out, System.Console.Error);
        using var said = new StringWriter();
        using var complained = new StringWriter();
        System.Console.SetOut(said);
        System.Console.SetError(complained);
        try
        {
            int exit = await CommandLine.RunAsync(args);
            return new CommandRun(exit, said.ToString(), complained.ToString());
        }
        finally
        {
            System.Console.SetOut(output);
            System.Console.SetError(errors);
        }
    }
}
