using System.Globalization;
using System.Text;

namespace Palimpsest.Gateway;

/// <summary>A client's file name, made harmless: shown in reports and CSV files, never used as a path.</summary>
internal static class FileNames
{
    private const int Longest = 255;

    /// <summary>Without folders, control and formatting characters (which can reverse text); null when nothing is left.</summary>
    public static string? Clean(string? name)
    {
        if (string.IsNullOrEmpty(name))
        {
            return null;
        }

        string last = name[(name.LastIndexOfAny(['/', '\\']) + 1)..];
        var clean = new StringBuilder(last.Length);
        foreach (var rune in last.EnumerateRunes())
        {
            if (Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator)
                && rune != Rune.ReplacementChar && clean.Length + rune.Utf16SequenceLength <= Longest)
            {
                clean.Append(rune);
            }
        }

        string result = clean.ToString().Trim().Trim('"');
        return result.Length == 0 || result.All(c => c == '.') ? null : result;
    }
}
