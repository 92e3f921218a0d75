namespace Palimpsest.Tests;

/// <summary>A temporary folder that goes with its test.</summary>
internal sealed class TestFolder : IDisposable
{
    public TestFolder(string prefix = "palimpsest-")
    {
        Path = Directory.CreateTempSubdirectory(prefix).FullName;
        // PostgreSQL runs as a user of its own, which must get through to its data: from a folder that is closed to it the server moves to one under /var/lib, and that stays.
        File.SetUnixFileMode(Path, (UnixFileMode)Convert.ToInt32("755", 8));
    }

    public string Path { get; }

    public string this[string name] => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
