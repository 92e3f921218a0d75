using System.Runtime.InteropServices;

namespace Palimpsest.Local;

/// <summary>SIGHUP, the terminal's end: .NET would end us at once and leave what we started.</summary>
internal static class Hangup
{
    /// <summary>Stops in order then; null where we were started to outlive the terminal (<c>nohup</c>).</summary>
    public static PosixSignalRegistration? Register(Action stop) => IsIgnored() ? null : PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
    {
        signal.Cancel = true;
        // Nobody reads any more, and writing to a terminal that is gone throws.
        Console.SetOut(TextWriter.Null);
        Console.SetError(TextWriter.Null);
        stop();
    });

    private static bool IsIgnored() =>
        File.ReadLines("/proc/self/status").FirstOrDefault(l => l.StartsWith("SigIgn:", StringComparison.Ordinal)) is { } line && (Convert.ToUInt64(line["SigIgn:".Length..].Trim(), 16) & 1) != 0;
}
