using Palimpsest.Contracts;
using Palimpsest.Local.Direct;
using Palimpsest.Reporting;

namespace Palimpsest.Local.Commands;

/// <summary>The rows of a scan in the order of its pictures; each is on disk as soon as it and all before it are known.</summary>
internal sealed class ScanCsv : IDisposable
{
    private readonly SortedDictionary<int, DirectResult> waiting = [];
    private readonly StreamWriter file;
    private int next;

    /// <summary>Replaces the file.</summary>
    public ScanCsv(string path)
    {
        file = new StreamWriter(path);
        file.Write(Csv.Row("image_path", "prediction", "confidence", "score", "kind", "model", "error"));
    }

    /// <summary>The picture at this index is done; from any thread.</summary>
    public void Add(int index, DirectResult result)
    {
        lock (waiting)
        {
            waiting.Add(index, result);
            for (; waiting.Remove(next, out var row); next++)
            {
                Write(row);
            }

            file.Flush();
        }
    }

    /// <summary>Writes what an interruption left waiting for a picture before it.</summary>
    public void Dispose()
    {
        foreach (var row in waiting.Values)
        {
            Write(row);
        }

        file.Dispose();
    }

    private void Write(DirectResult r)
    {
        string models = string.Join(';', r.Detectors.Where(d => d.State == DetectorStates.Completed && d.Model is not null).Select(d => $"{d.Model!.Name} {d.Model.Version}"));
        file.Write(Csv.Row(
            Csv.Path(r.Path), ScanOutput.Prediction(r), Rounded(r.Result?.Confidence), Rounded(r.Result?.Score), r.Result?.Kind, models, r.Error is null ? null : $"{r.ErrorCode}: {r.Error}"));
    }

    private static double? Rounded(double? value) => value is { } number ? Math.Round(number, 4) : null;
}
