using Palimpsest.Imaging.Rendering;
using Palimpsest.Local.Direct;

namespace Palimpsest.Local.Evaluation;

/// <summary>Runs a labelled set through the pipeline that serves. One picture's pixels at a time for each worker; only figures are kept.</summary>
internal sealed class Evaluator(Func<string, CancellationToken, Task<DirectResult>> analyse, Degradation? degradation, string temporary, TimeProvider time)
{
    /// <summary>Analyses everything; outcomes come in the order of the items.</summary>
    public async Task<(IReadOnlyList<ImageOutcome> Outcomes, TimeSpan Elapsed)> RunAsync(
        IReadOnlyList<EvaluationItem> items, int parallel, Action<int> progress, CancellationToken cancellationToken)
    {
        var outcomes = new ImageOutcome[items.Count];
        long started = time.GetTimestamp();
        int done = 0;
        await Parallel.ForAsync(0, items.Count, new ParallelOptions { MaxDegreeOfParallelism = parallel, CancellationToken = cancellationToken }, async (i, token) =>
        {
            long begun = time.GetTimestamp();
            outcomes[i] = await OneAsync(items[i], token) with { Took = time.GetElapsedTime(begun) };
            progress(Interlocked.Increment(ref done));
        });
        return (outcomes, time.GetElapsedTime(started));
    }

    /// <summary>Picture, truth and predicted mask, for the gallery; null when they cannot be shown: decoder processes read files that this one does not.</summary>
    public async Task<GalleryEntry?> PictureAsync(ImageOutcome outcome, int longSide, CancellationToken cancellationToken)
    {
        string path = outcome.Item.Image;
        try
        {
            path = Degraded(outcome.Item.Image);
            var result = await analyse(path, cancellationToken);
            if (result is not { Map: { } map, Geometry: { } geometry })
            {
                return null;
            }

            using var pixels = Pictures.Decode(path);
            byte[] prediction = MaskRenderer.RenderValues(map, geometry);
            int width = geometry.DisplayedWidth, height = geometry.DisplayedHeight;
            byte[] truth = outcome.Item.Mask is { } mask ? Pictures.DecodeMask(mask, width, height) : new byte[width * height];
            return new GalleryEntry(
                outcome, Pictures.Thumbnail(pixels, longSide), Pictures.Thumbnail(truth, width, height, longSide), Pictures.Thumbnail(prediction, width, height, longSide));
        }
        catch (Exception e) when (DirectPipeline.IsOfPicture(e))
        {
            return null;
        }
        finally
        {
            Forget(path, outcome.Item.Image);
        }
    }

    private async Task<ImageOutcome> OneAsync(EvaluationItem item, CancellationToken cancellationToken)
    {
        string path = item.Image;
        try
        {
            path = Degraded(item.Image);
            var result = await analyse(path, cancellationToken);
            return result.Error is null ? Measure(item, result) : Failed(item, $"{result.ErrorCode}: {result.Error}");
        }
        catch (Exception e) when (DirectPipeline.IsOfPicture(e))
        {
            return Failed(item, e.Message);
        }
        finally
        {
            Forget(path, item.Image);
        }
    }

    private static ImageOutcome Failed(EvaluationItem item, string error) => new() { Item = item, Error = error };

    private static ImageOutcome Measure(EvaluationItem item, DirectResult result)
    {
        PixelMetrics? pixel = null;
        bool empty = true;
        if (result is { Map: { } map, Geometry: { } geometry })
        {
            byte[] prediction = MaskRenderer.RenderValues(map, geometry);
            empty = PixelMetrics.IsEmpty(prediction);
            pixel = item.Mask is null ? null : PixelMetrics.Of(prediction, Pictures.DecodeMask(item.Mask, geometry.DisplayedWidth, geometry.DisplayedHeight));
        }

        return new ImageOutcome
        {
            Item = item, Verdict = result.Result?.Verdict, Score = result.Result?.Score, FoundKind = result.Result?.Kind, Pixel = pixel, EmptyMask = empty,
            ManipulatedArea = result.Result?.ManipulatedArea, RoutedTo = result.RoutedTo, DurationMs = result.DurationMs,
            Scores = result.Detectors.Where(d => d.RawScore is not null).ToDictionary(d => d.Name, d => (d.RawScore, d.Score), StringComparer.Ordinal),
        };
    }

    private string Degraded(string path) => degradation is null ? path : degradation.Apply(path, temporary);

    private static void Forget(string path, string original)
    {
        if (path != original)
        {
            File.Delete(path);
        }
    }
}

/// <summary>A picture in the report, each part a small JPEG.</summary>
internal sealed record GalleryEntry(ImageOutcome Outcome, byte[] Picture, byte[] Truth, byte[] Prediction);
