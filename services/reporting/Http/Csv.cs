using System.Text;

namespace Palimpsest.Reporting;

/// <summary>CSV by RFC 4180. A text that a spreadsheet would take for a formula is defused with a leading apostrophe: file names come from clients.</summary>
internal static class Csv
{
    public const string ContentType = "text/csv; charset=utf-8";

    // The full-width ones too: spreadsheets of East Asian locales take them for the others.
    private const string Formula = "=+-@\t\r\n＝＋－＠";

    /// <summary>One row with its line end.</summary>
    public static string Row(params object?[] cells) => string.Join(',', cells.Select(Cell)) + "\r\n";

    /// <summary>A path, to be opened again: a relative one that would be a formula is defused with a leading <c>./</c>, which leads to the same file.</summary>
    public static string Path(string path) => path.Length > 0 && Formula.Contains(path[0]) ? "./" + path : path;

    private static string Cell(object? value)
    {
        string text = value switch
        {
            null => "",
            double number => number.ToString("0.######"),
            DateTimeOffset time => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'"),
            string s => s.Length > 0 && Formula.Contains(s[0]) ? "'" + s : s,
            _ => value.ToString() ?? "",
        };
        return text.AsSpan().IndexOfAny("\",\r\n") < 0 ? text : new StringBuilder(text.Length + 8).Append('"').Append(text).Replace("\"", "\"\"", 1, text.Length).Append('"').ToString();
    }
}
