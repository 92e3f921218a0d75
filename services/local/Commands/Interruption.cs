using System.Runtime.InteropServices;

namespace Palimpsest.Local.Commands;

/// <summary>Ctrl-C and SIGTERM for commands that have something to put in order before they end.</summary>
internal static class Interruption
{
    /// <summary>What shells report of a program that Ctrl-C ended.</summary>
    public const int ExitCode = 130;

    /// <summary>Cancels the work at the first signal; the second ends the process at once.</summary>
    public static async Task<int> RunAsync(Func<CancellationToken, Task<int>> work, CancellationToken cancellationToken)
    {
        using var source = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        try
        {
            return await work(source.Token);
        }
        catch (OperationCanceledException) when (source.IsCancellationRequested)
        {
            await Console.Error.WriteLineAsync("Interrupted.");
            return ExitCode;
        }

        void Stop(PosixSignalContext signal)
        {
            signal.Cancel = !source.IsCancellationRequested;
            source.Cancel();
        }
    }
}
