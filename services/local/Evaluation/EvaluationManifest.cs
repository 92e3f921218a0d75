using System.Globalization;
using CsvHelper;
using Palimpsest.Local.Commands;

namespace Palimpsest.Local.Evaluation;

/// <summary>A labelled picture.</summary>
internal sealed record EvaluationItem
{
    /// <summary>Absolute path.</summary>
    public required string Image { get; init; }

    /// <summary>As the manifest writes it.</summary>
    public required string Name { get; init; }

    /// <summary>Absolute path of the truth; null when there is none. Only ever set for manipulated pictures.</summary>
    public string? Mask { get; init; }

    /// <summary>Manipulated.</summary>
    public required bool Forged { get; init; }

    /// <summary>Data set; "default" when the manifest has no such column.</summary>
    public required string Dataset { get; init; }

    /// <summary>shallowfake or deepfake, when stated.</summary>
    public string? Kind { get; init; }
}

/// <summary>The list to evaluate is not usable; the message says where and why.</summary>
internal sealed class ManifestException(string message) : Exception(message);

/// <summary>
/// Reads <c>image,mask,label[,dataset][,kind][,…]</c>, paths relative to the manifest or absolute; or a folder with <c>manifest.csv</c>, or one with
/// <c>authentic/</c>, <c>forged/</c> and <c>masks/</c> (same name without extension, .png).
/// </summary>
internal static class EvaluationManifest
{
    /// <summary>Reads and filters.</summary>
    /// <param name="path">CSV file or folder.</param>
    /// <param name="where">E.g. <c>split=val,dataset=casia1|coco</c>: every condition must hold; values separated by '|' are alternatives. Null: all.</param>
    /// <exception cref="ManifestException">Not usable.</exception>
    public static IReadOnlyList<EvaluationItem> Read(string path, string? where)
    {
        string full = Path.GetFullPath(path);
        if (Directory.Exists(full))
        {
            string inside = Path.Combine(full, "manifest.csv");
            return File.Exists(inside) ? ReadCsv(inside, Conditions(where)) : ReadFolder(full, where);
        }

        return File.Exists(full) ? ReadCsv(full, Conditions(where)) : throw new ManifestException($"{path} does not exist.");
    }

    private static List<EvaluationItem> ReadCsv(string path, IReadOnlyDictionary<string, string[]> where)
    {
        using var csv = new CsvReader(new StreamReader(path), CultureInfo.InvariantCulture);
        try
        {
            return ReadRows(csv, path, where);
        }
        catch (CsvHelperException e)
        {
            // A quote that is never closed takes the line ends behind it into its field.
            bool open = e is CsvHelper.MissingFieldException && csv.Parser.RawRecord.Count('"') % 2 == 1;
            throw new ManifestException($"{path}, line {Line(csv, open)}: " + e switch
            {
                BadDataException => "a quote within a field; put the whole field in quotes and write each quote in it twice.",
                _ when open => "a quote that is never closed; close it behind the field.",
                CsvHelper.MissingFieldException => $"{csv.Parser.Count} fields where the first line names {csv.HeaderRecord!.Length} columns; add a comma for each field that is empty.",
                _ => "it cannot be read as CSV; the first line names the columns: image,mask,label[,dataset][,kind].",
            });
        }
    }

    private static List<EvaluationItem> ReadRows(CsvReader csv, string path, IReadOnlyDictionary<string, string[]> where)
    {
        string folder = Path.GetDirectoryName(path)!;
        if (!csv.Read())
        {
            throw new ManifestException($"{path} is empty; its first line names the columns: image,mask,label[,dataset][,kind].");
        }

        csv.ReadHeader();
        string[] columns = csv.HeaderRecord ?? [];
        foreach (string needed in (string[])["image", "label", .. where.Keys])
        {
            if (!columns.Contains(needed))
            {
                throw new ManifestException($"{path} has no column '{needed}'; it has {string.Join(", ", columns)}.");
            }
        }

        var items = new List<EvaluationItem>();
        while (csv.Read())
        {
            string Value(string column) => columns.Contains(column) ? csv.GetField(column)?.Trim() ?? "" : "";
            if (where.Any(condition => !condition.Value.Contains(Value(condition.Key))))
            {
                continue;
            }

            bool forged = Value("label") switch
            {
                "1" => true,
                "0" => false,
                var other => throw new ManifestException($"{path}, line {Line(csv)}: the label is '{other}', expected 0 or 1."),
            };
            string mask = Value("mask"), kind = Value("kind"), dataset = Value("dataset");
            items.Add(new EvaluationItem
            {
                Name = Value("image"), Image = Path.Combine(folder, Value("image")), Forged = forged,
                // Authentic rows may carry an object's outline there, which is no truth about forgery.
                Mask = forged && mask.Length > 0 ? Path.Combine(folder, mask) : null,
                Dataset = dataset.Length > 0 ? dataset : "default", Kind = kind is "shallowfake" or "deepfake" ? kind : null,
            });
        }

        return items;
    }

    /// <summary>Where the row at hand begins.</summary>
    private static int Line(CsvReader csv, bool open = false) => csv.Parser.RawRow - (open ? csv.Parser.RawRecord : csv.Parser.RawRecord.TrimEnd('\r', '\n')).Count('\n');

    private static List<EvaluationItem> ReadFolder(string folder, string? where)
    {
        string authentic = Path.Combine(folder, "authentic"), forged = Path.Combine(folder, "forged");
        if (where is not null || (!Directory.Exists(authentic) && !Directory.Exists(forged)))
        {
            throw new ManifestException($"{folder} has neither manifest.csv nor the folders authentic/ and forged/{(where is null ? "" : "; --where needs a manifest")}.");
        }

        return [.. Pictures(authentic).Select(p => Item(folder, p, isForged: false)), .. Pictures(forged).Select(p => Item(folder, p, isForged: true))];
    }

    private static IEnumerable<string> Pictures(string folder) => Directory.Exists(folder)
        ? Directory.EnumerateFiles(folder).Where(f => ScanOutput.PictureExtensions.Contains(Path.GetExtension(f).ToLowerInvariant())).Order(StringComparer.Ordinal)
        : [];

    private static EvaluationItem Item(string folder, string picture, bool isForged)
    {
        string mask = Path.Combine(folder, "masks", Path.GetFileNameWithoutExtension(picture) + ".png");
        return new EvaluationItem
        {
            Image = picture, Name = Path.GetRelativePath(folder, picture), Forged = isForged, Mask = isForged && File.Exists(mask) ? mask : null, Dataset = Path.GetFileName(folder),
        };
    }

    private static Dictionary<string, string[]> Conditions(string? where)
    {
        var conditions = new Dictionary<string, string[]>(StringComparer.Ordinal);
        foreach (string part in (where ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (part.Split('=', 2) is not [{ Length: > 0 } column, var value])
            {
                throw new ManifestException($"--where: '{part}' is not of the form column=value.");
            }

            conditions[column] = value.Split('|');
        }

        return conditions;
    }
}
