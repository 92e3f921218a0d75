using Spectre.Console;

namespace Palimpsest.Local.Commands;

/// <summary>A progress bar on a terminal, silence in a pipe.</summary>
internal static class ProgressLine
{
    /// <summary>Runs work that reports how many of <paramref name="total"/> are done.</summary>
    public static async Task<T> RunAsync<T>(string title, int total, Func<Action<int>, Task<T>> work)
    {
        if (Console.IsErrorRedirected || Console.IsOutputRedirected)
        {
            return await work(_ => { });
        }

        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        return await console.Progress()
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .StartAsync(async progress =>
            {
                var task = progress.AddTask(title, maxValue: total);
                return await work(done => task.Value = done);
            });
    }
}
