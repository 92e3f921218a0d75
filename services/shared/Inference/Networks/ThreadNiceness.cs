using System.Runtime.InteropServices;

namespace Palimpsest.Inference;

/// <summary>
/// The nice value of one thread. Networks keep every core busy for as long as there is work; the threads that accept, refuse and answer run for a moment at a time and
/// must not queue behind them. <see cref="Thread.Priority"/> does nothing on Linux.
/// </summary>
internal static partial class ThreadNiceness
{
    /// <summary>Lets other threads come before the calling one, for the rest of its life: only for threads of one's own. Never fails, it is only a courtesy.</summary>
    /// <param name="niceness">Added to the nice value, 0..19.</param>
    public static void StandBack(int niceness)
    {
        if (niceness > 0)
        {
            _ = Nice(niceness);
        }
    }

    /// <summary>Does something on a thread of its own that stands back; threads that it starts do so too.</summary>
    /// <typeparam name="T">Of the result.</typeparam>
    public static T Run<T>(int niceness, Func<T> work) => Task.Factory.StartNew(
        () =>
        {
            StandBack(niceness);
            return work();
        },
        CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).GetAwaiter().GetResult();

    // Of the calling thread on Linux, whatever POSIX says of processes: nice(2).
    [LibraryImport("libc", EntryPoint = "nice")]
    private static partial int Nice(int increment);
}
