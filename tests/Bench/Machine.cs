using System.Runtime.InteropServices;

namespace Palimpsest.Bench;

/// <summary>Where the figures come from. A busy machine gives other ones: the load is recorded.</summary>
internal static class Machine
{
    public static object Describe() => new
    {
        cores = Environment.ProcessorCount,
        cpu = First("/proc/cpuinfo", "model name")?.Split(':')[^1].Trim(),
        memory_kb = First("/proc/meminfo", "MemTotal")?.Split(':')[^1].Trim(),
        os = RuntimeInformation.OSDescription,
        dotnet = RuntimeInformation.FrameworkDescription,
        load_average = File.Exists("/proc/loadavg") ? File.ReadAllText("/proc/loadavg").Split(' ')[0] : null,
    };

    private static string? First(string path, string start) => File.Exists(path) ? File.ReadLines(path).FirstOrDefault(line => line.StartsWith(start, StringComparison.Ordinal)) : null;
}
