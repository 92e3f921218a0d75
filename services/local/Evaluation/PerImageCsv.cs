using Palimpsest.Contracts;
using Palimpsest.Reporting;

namespace Palimpsest.Local.Evaluation;

/// <summary><c>per-image.csv</c>: what calibration is fitted on and what to look at by hand.</summary>
internal static class PerImageCsv
{
    private static readonly object[] Columns =
    [
        "image", "dataset", "label", "kind", "verdict", "score", "found_kind", "routed_to", "shallowfake_raw", "shallowfake_score", "deepfake_raw", "deepfake_score",
        "pixel_f1", "pixel_f1_best", "pixel_iou", "pixel_auc", "manipulated_area", "duration_ms", "error",
    ];

    public static void Write(string path, IEnumerable<ImageOutcome> outcomes)
    {
        using var csv = new StreamWriter(path);
        csv.Write(Csv.Row(Columns));
        foreach (var o in outcomes)
        {
            var shallow = o.Scores.GetValueOrDefault(DetectorNames.Shallowfake);
            var deep = o.Scores.GetValueOrDefault(DetectorNames.Deepfake);
            csv.Write(Csv.Row(
                Csv.Path(o.Item.Name), o.Item.Dataset, o.Item.Forged ? "1" : "0", o.Item.Kind, o.Verdict, o.Score, o.FoundKind, string.Join('+', o.RoutedTo),
                shallow.Raw, shallow.Calibrated, deep.Raw, deep.Calibrated, o.Pixel?.F1, o.Pixel?.BestF1, o.Pixel?.Iou, o.Pixel?.Auc, o.ManipulatedArea, Math.Round(o.DurationMs, 1), o.Error));
        }
    }
}
