using Palimpsest.Contracts;
using Palimpsest.Imaging;

namespace Palimpsest.Inference;

/// <summary>
/// Shows a network every face: the picture's own pixels around it where the manifest asks for that and the face fits, else the face's box made
/// square, enlarged by the manifest's margin, resized to the network's input. Masks are drawn back where the faces are; where crops overlap the higher value stays. All faces of a picture may share a batch.
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
        var how = network.Manifest.Face!;
        var window = image.Facts.Geometry.SwapsAxes ? size with { Width = size.Height, Height = size.Width } : size;
        var crops = faces.Select(face => Native(face.Box, how.Native, window, image.Width, image.Height) ?? Crop(face.Box, how.Margin)).ToList();
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

    /// <summary>
    /// The window of the picture's own pixels that training cuts (training/faces.py, <c>window</c>): centred on the box, its corner on the 8×8 grid,
    /// within the picture where it fits; null when the face is too large for it.
    /// </summary>
    internal static Region? Native(PixelBox box, double native, ModelSize size, int width, int height)
    {
        if (native == 0 || Math.Max(box.Width, box.Height) * native > Math.Min(size.Width, size.Height))
        {
            return null;
        }

        return new Region(Corner(box.X + (box.Width / 2.0), size.Width, width), Corner(box.Y + (box.Height / 2.0), size.Height, height), size.Width, size.Height);

        static int Corner(double centre, int window, int picture)
        {
            int nearest = (int)Math.Floor(((centre - (window / 2.0)) / 8) + 0.5) * 8;
            return Math.Max(0, Math.Min(nearest, Math.Max(0, picture - window) / 8 * 8));
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
