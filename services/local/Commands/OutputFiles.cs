namespace Palimpsest.Local.Commands;

/// <summary>Files that a command writes beside pictures of the person at the keyboard.</summary>
internal static class OutputFiles
{
    /// <summary>The pictures' names without extension, in their order; a number where two would be the same.</summary>
    public static string[] Stems(IEnumerable<string> pictures)
    {
        var used = new HashSet<string>(StringComparer.Ordinal);
        return [.. pictures.Select(picture =>
        {
            string stem = Path.GetFileNameWithoutExtension(picture), name = stem;
            for (int i = 2; !used.Add(name); i++)
            {
                name = $"{stem}-{i}";
            }

            return name;
        })];
    }

    /// <summary>Says which option would write over which picture; null when none would.</summary>
    public static string? Clash(IEnumerable<string> pictures, IEnumerable<(string Option, string? Path)> outputs)
    {
        // What is not there yet replaces nothing: the pictures need a look only when there is something from an earlier run.
        var present = outputs.Where(o => File.Exists(o.Path)).ToList();
        if (present.Count == 0)
        {
            return null;
        }

        var real = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (string picture in pictures)
        {
            real.TryAdd(Real(picture), picture);
        }

        foreach (var (option, path) in present)
        {
            if (real.TryGetValue(Real(path!), out string? picture))
            {
                return $"{option} would write over {picture}, one of the pictures to look at: choose another place.";
            }
        }

        return null;
    }

    /// <summary>Writes a file; leaves no part of one.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static async Task WriteAsync(string path, byte[] bytes, CancellationToken cancellationToken)
    {
        // No buffer: the disk refuses here, not when the file is closed.
        await using var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        try
        {
            await file.WriteAsync(bytes, cancellationToken);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            File.Delete(path);
            throw;
        }
    }

    /// <summary>Full path without symbolic links.</summary>
    private static string Real(string path)
    {
        string full = Path.GetFullPath(path);
        if (Path.GetDirectoryName(full) is not { } folder)
        {
            return full;
        }

        string here = Path.Combine(Real(folder), Path.GetFileName(full));
        return File.ResolveLinkTarget(here, returnFinalTarget: true) is { } target ? Real(target.FullName) : here;
    }
}
