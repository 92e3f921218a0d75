using Palimpsest.Contracts;
using Palimpsest.Imaging;

namespace Palimpsest.Inference;

/// <summary>
/// Shows a network the whole picture: at native resolution, in overlapping tiles above the manifest's limit, or resized when the network's
/// input has a fixed size.
/// </summary>
internal sealed class WholeImageLocalizer(LocalizerNetwork network) : ILocalizer
{
    public async Task<Detection> DetectAsync(PreparedImage image, AnalysisOptions options, CancellationToken cancellationToken)
    {
        var size = network.Manifest.Size;
        var requests = size.Fixed
            ? [new NetworkRequest(image, new Region(0, 0, image.Width, image.Height), size.Width, size.Height)]
            : TileGrid.Cover(image.Width, image.Height, network.Manifest).Select(tile => NetworkRequest.AtOwnSize(image, tile)).ToList();

        // WhenAll returns only after every tile has: the picture must stay mapped until then.
        var answers = await Task.WhenAll(requests.Select(request => network.RunAsync(request, cancellationToken)));
        var found = new Detection
        {
            State = DetectorStates.Completed,
            Score = requests.Count == 1 ? answers[0].Score : Odds.Mean(answers.Select(answer => answer.Score)),
            Map = Draw(answer => answer.Mask, relative: false),
            Activation = Draw(answer => answer.Activation, relative: true),
        };
        foreach (var answer in answers)
        {
            answer.Return();
        }

        return found;

        ProbabilityMap? Draw(Func<NetworkAnswer, Plane?> plane, bool relative)
        {
            if (plane(answers[0]) is null)
            {
                return null;
            }

            var canvas = new MapCanvas(image.Width, image.Height);
            if (requests.Count == 1)
            {
                canvas.Only(plane(answers[0])!, requests[0].Source);
                return canvas.ToMap(relative);
            }

            foreach (var (request, answer) in requests.Zip(answers))
            {
                canvas.Blend(plane(answer)!, request.Source, network.Manifest.Tiling.Overlap);
            }

            return canvas.ToMap(relative);
        }
    }
}
