using System.Globalization;

namespace Palimpsest.Bench;

/// <summary>What the processes below a given one have used, from /proc: the platform, its decoders and the servers it started, without the client that measures.</summary>
internal static class ProcessTree
{
    private const double TicksASecond = 100; // USER_HZ, the same on every Linux

    /// <summary>Everything started by this process and by those it started.</summary>
    public static IReadOnlyList<int> Descendants()
    {
        var children = Directory.EnumerateDirectories("/proc").Select(d => Path.GetFileName(d)).Where(n => int.TryParse(n, CultureInfo.InvariantCulture, out _))
            .Select(n => (Id: int.Parse(n, CultureInfo.InvariantCulture), Parent: Field(n, 1))).Where(p => p.Parent is not null).ToLookup(p => (int)p.Parent!.Value, p => p.Id);
        var found = new List<int>();
        var open = new Stack<int>([Environment.ProcessId]);
        while (open.TryPop(out int id))
        {
            foreach (int child in children[id])
            {
                found.Add(child);
                open.Push(child);
            }
        }

        return found;
    }

    /// <summary>Processor time, user and system, of all descendants, those that ended included once their parent has noticed; seconds.</summary>
    public static double CpuSeconds() => Descendants().Sum(id => (Field($"{id}", 11) ?? 0) + (Field($"{id}", 12) ?? 0) + (Field($"{id}", 13) ?? 0) + (Field($"{id}", 14) ?? 0)) / TicksASecond;

    /// <summary>Memory in use, bytes; a page shared by several processes counts in each.</summary>
    public static long ResidentBytes() => Descendants().Sum(id => (Field($"{id}", 21) ?? 0) * Environment.SystemPageSize);

    /// <summary>Open file descriptors.</summary>
    public static int Handles() => Descendants().Sum(id =>
    {
        try
        {
            return Directory.GetFileSystemEntries($"/proc/{id}/fd").Length;
        }
        catch (IOException)
        {
            return 0;
        }
    });

    /// <summary>Descendants whose command line contains a text.</summary>
    public static IReadOnlyList<int> Named(string text) => [.. Descendants().Where(id => Read($"/proc/{id}/cmdline")?.Contains(text, StringComparison.Ordinal) == true)];

    /// <summary>A field of /proc/ID/stat, counted from the state behind the name (0); null when the process is gone.</summary>
    private static long? Field(string id, int index) =>
        Read($"/proc/{id}/stat") is { } stat ? long.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[index], CultureInfo.InvariantCulture) : null;

    private static string? Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (IOException)
        {
            return null;
        }
    }
}
