using System.Text.Json;
using Palimpsest.Contracts;
using Palimpsest.Local.Direct;

namespace Palimpsest.Local.Commands;

/// <summary>What a scan leaves behind: the same columns and words as the model server for RescueBox.</summary>
internal static class ScanOutput
{
    /// <summary>Extensions that are looked at in folders; the bytes decide afterwards. Also of formats that are not read: such a picture gets a row that says so, where silence would pass for a clean one.</summary>
    public static readonly IReadOnlySet<string> PictureExtensions = new HashSet<string>(StringComparer.Ordinal)
    {
        ".jpg", ".jpeg", ".jpe", ".jif", ".jfif", ".png", ".apng", ".webp", ".tif", ".tiff", ".gif", ".avif", ".heic", ".heif", ".hif", ".jxl", ".jp2", ".j2k", ".jpf", ".jpx",
        ".bmp", ".dib", ".tga", ".psd", ".psb", ".ico", ".pcx", ".pbm", ".pgm", ".ppm", ".pnm", ".exr", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2",
    };

    /// <summary>likely real, likely fake, uncertain or error.</summary>
    public static string Prediction(DirectResult result) => result.Result?.Verdict.Replace('_', ' ') ?? "error";

    /// <summary>Makes the folder and opens the file.</summary>
    /// <exception cref="IOException">It cannot be written; the message names it.</exception>
    public static void EnsureWritable(string path)
    {
        if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder)
        {
            Directory.CreateDirectory(folder);
        }

        using var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write);
    }

    public static void WriteCsv(string path, IEnumerable<DirectResult> results)
    {
        using var csv = new ScanCsv(path);
        foreach (var (i, result) in results.Index())
        {
            csv.Add(i, result);
        }
    }

    public static void WriteJson(string path, IEnumerable<DirectResult> results)
    {
        var documents = results.Select(r => new
        {
            image_path = r.Path, prediction = Prediction(r), r.ErrorCode, r.Error, width = r.Geometry?.DisplayedWidth, height = r.Geometry?.DisplayedHeight, r.Result, r.Routing,
            detectors = r.Detectors.Select(d => new { d.Name, d.State, d.RawScore, d.Score, d.Model, d.Provider, d.DurationMs, d.Reason, d.FaceScores }), r.Warnings, r.DurationMs,
        });
        File.WriteAllText(path, JsonSerializer.Serialize(documents, PlatformJson.Options));
    }
}
