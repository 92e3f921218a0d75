using System.Runtime.InteropServices;

namespace Palimpsest.Decoder.Sandbox;

/// <summary>Resource limits of this process (setrlimit(2)), taken at start and never given back.</summary>
internal static partial class ProcessLimits
{
    // sys/resource.h, Linux on x86-64 and arm64.
    private const int Cpu = 0, FileSize = 1, Data = 2, Core = 4, OpenFiles = 7;

    private const ulong MaxOutputBytes = 512UL << 20;
    private const ulong MaxOpenFiles = 128;

    /// <summary>Limits memory, written files and descriptors; no core dumps, which would hold the client's picture.</summary>
    /// <param name="memoryBytes">
    /// Private writable memory (RLIMIT_DATA), native and managed together. Not RLIMIT_AS: the runtime reserves far more address space than it uses.
    /// </param>
    public static void Apply(ulong memoryBytes)
    {
        Set(Data, memoryBytes, memoryBytes);
        Set(FileSize, MaxOutputBytes, MaxOutputBytes);
        Set(Core, 0, 0);
        Set(OpenFiles, MaxOpenFiles, MaxOpenFiles);
    }

    /// <summary>Lets other processes come first (nice(2)); never fails, it is only a courtesy.</summary>
    /// <param name="niceness">Added to the nice value, 0..19.</param>
    public static void StandBack(int niceness)
    {
        if (niceness > 0)
        {
            _ = Nice(niceness);
        }
    }

    /// <summary>
    /// Lets the next picture use so much processor time, then SIGXCPU ends the process. The parent's wall clock is shorter: this one is for the
    /// case that the parent is gone.
    /// </summary>
    public static void AllowCpu(TimeSpan time)
    {
        double used = Environment.CpuUsage.TotalTime.TotalSeconds;
        Set(Cpu, (ulong)Math.Ceiling(used + time.TotalSeconds), ulong.MaxValue);
    }

    private static void Set(int resource, ulong soft, ulong hard)
    {
        var limit = new Limit { Soft = soft, Hard = hard };
        if (SetLimit(resource, in limit) != 0)
        {
            throw new InvalidOperationException($"setrlimit({resource}) failed: {Marshal.GetLastPInvokeErrorMessage()}");
        }
    }

    [LibraryImport("libc", EntryPoint = "nice")]
    private static partial int Nice(int increment);

    [LibraryImport("libc", EntryPoint = "setrlimit", SetLastError = true)]
    private static partial int SetLimit(int resource, in Limit limit);

    [StructLayout(LayoutKind.Sequential)]
    private struct Limit
    {
        public ulong Soft;
        public ulong Hard;
    }
}
