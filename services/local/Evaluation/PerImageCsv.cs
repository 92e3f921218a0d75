using System.Globalization;
using CsvHelper;
using Palimpsest.Contracts;

namespace Palimpsest.Local.Evaluation;

/// <summary><c>per-image.csv</c>: what calibration is fitted on and what to look at by hand.</summary>
internal static class PerImageCsv
{
    private static readonly string[] Columns =
    [
        "image", "dataset", "label", "kind", "verdict", "score", "found_kind", "routed_to", "shallowfake_raw", "shallowfake_score", "deepfake_raw", "deepfake_score",
        "pixel_f1", "pixel_f1_best", "pixel_iou", "pixel_auc", "manipulated_area", "duration_ms", "error",
    ];

    public static void Write(string path, IEnumerable<ImageOutcome> outcomes)
    {
        using var csv = new CsvWriter(new StreamWriter(path), CultureInfo.InvariantCulture);
        Row(csv, Columns);
        foreach (var o in outcomes)
        {
            var shallow = o.Scores.GetValueOrDefault(DetectorNames.Shallowfake);
            var deep = o.Scores.GetValueOrDefault(DetectorNames.Deepfake);
            Row(
                csv, o.Item.Name, o.Item.Dataset, o.Item.Forged ? "1" : "0", o.Item.Kind, o.Verdict, Number(o.Score), o.FoundKind, string.Join('+', o.RoutedTo),
                Number(shallow.Raw), Number(shallow.Calibrated), Number(deep.Raw), Number(deep.Calibrated),
                Number(o.Pixel?.F1), Number(o.Pixel?.BestF1), Number(o.Pixel?.Iou), Number(o.Pixel?.Auc), Number(o.ManipulatedArea),
                o.DurationMs.ToString("F1", CultureInfo.InvariantCulture), o.Error);
        }
    }

    private static void Row(CsvWriter csv, params ReadOnlySpan<string?> fields)
    {
        foreach (string? field in fields)
        {
            csv.WriteField(field);
        }

        csv.NextRecord();
    }

    private static string? Number(double? value) => value?.ToString("0.######", CultureInfo.InvariantCulture);
}
