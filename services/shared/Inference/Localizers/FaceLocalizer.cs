using Palimpsest.Contracts;
using Palimpsest.Imaging;

namespace Palimpsest.Inference;

/// <summary>
/// Shows a network every face: the face's box made square, enlarged by the manifest's margin, resized to the network's input. Masks are drawn
/// back where the faces are; where crops overlap the higher value stays. All faces of a picture may share a batch.
/// </summary>
internal sealed class FaceLocalizer(LocalizerNetwork network) : ILocalizer
{
    private readonly WholeImageLocalizer whole = new(network);

    public async Task<Detection> DetectAsync(PreparedImage image, AnalysisOptions options, CancellationToken cancellationToken)
    {
        if (!options.FaceCrop)
        {
            return await whole.DetectAsync(image, options, cancellationToken);
        }

        var faces = image.Facts.Faces;
        if (faces.Count == 0)
        {
            return new Detection { State = DetectorStates.NotApplicable, Reason = "No face was found." };
        }

        var size = network.Manifest.Size;
        var crops = faces.Select(face => Crop(face.Box, network.Manifest.Face!.Margin)).ToList();
        var answers = await Task.WhenAll(crops.Select(crop => network.RunAsync(new NetworkRequest(image, crop, size.Width, size.Height), cancellationToken)));
        var found = new Detection
        {
            State = DetectorStates.Completed,
            Score = Odds.Mean(answers.Select(answer => answer.Score)),
            FaceScores = [.. answers.Select(answer => answer.Score)],
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
            foreach (var (crop, answer) in crops.Zip(answers))
            {
                canvas.Highest(plane(answer)!, crop);
            }

            return canvas.ToMap(relative);
        }
    }

    /// <summary>The square that training cuts (training/faces.py, <c>crop</c>): centred on the box, side = longer side × margin, at least 8 pixels.</summary>
    internal static Region Crop(PixelBox box, double margin)
    {
        double side = Math.Max(box.Width, box.Height) * margin, x = box.X + (box.Width / 2.0), y = box.Y + (box.Height / 2.0);
        int pixels = Math.Max(8, (int)Math.Round(side));
        return new Region((int)Math.Round(x - (side / 2)), (int)Math.Round(y - (side / 2)), pixels, pixels);
    }
}
