using Palimpsest.Local.Servers;

namespace Palimpsest.Local.Distributed;

/// <summary>Where the services' programs lie: in their own build folders beside ours, or in ours.</summary>
internal static class ServiceFiles
{
    /// <summary>The program of a service.</summary>
    /// <exception cref="LocalServerException">Not built.</exception>
    public static string Find(string assembly)
    {
        string here = AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar), configuration = Path.GetFileName(here);
        string[] candidates = [Path.GetFullPath(Path.Combine(here, "..", "..", assembly, configuration, assembly + ".dll")), Path.Combine(here, assembly + ".dll")];
        return candidates.FirstOrDefault(File.Exists) ?? throw new LocalServerException($"{assembly} is not built: run './palimpsest build'.");
    }
}
