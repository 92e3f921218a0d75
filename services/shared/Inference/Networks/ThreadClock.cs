using System.Runtime.InteropServices;

namespace Palimpsest.Inference;

/// <summary>Processor time of the calling thread: what a run costs, however busy the machine is.</summary>
internal static partial class ThreadClock
{
    // linux/time.h
    private const int ThreadCpuTime = 3;

    public static double Seconds() => Read(ThreadCpuTime, out var now) == 0 ? now.Seconds + (now.Nanoseconds * 1e-9) : 0;

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int Read(int clock, out Timespec time);

    [StructLayout(LayoutKind.Sequential)]
    private struct Timespec
    {
        public nint Seconds;
        public nint Nanoseconds;
    }
}
