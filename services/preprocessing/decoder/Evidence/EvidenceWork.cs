using Palimpsest.Contracts;
using Palimpsest.Imaging;
using Palimpsest.Imaging.Protocol;

namespace Palimpsest.Decoder.Evidence;

/// <summary>What a method saw, in stored pixels.</summary>
internal sealed record Look
{
    public string State { get; init; } = EvidenceStates.Completed;

    public string? Finding { get; init; } = EvidenceFindings.NothingUnusual;

    public required string Summary { get; init; }

    public IReadOnlyList<EvidenceFact> Facts { get; init; } = [];

    public IReadOnlyList<PixelBox> Regions { get; init; } = [];

    public IReadOnlyList<EvidencePair> Pairs { get; init; } = [];

    public LevelMap? Map { get; init; }

    public string? Hash { get; init; }

    /// <summary>The method says nothing about such a picture.</summary>
    public static Look NotApplicable(string why) => new() { State = EvidenceStates.NotApplicable, Finding = null, Summary = why };
}

/// <summary>Decodes an upload again and looks at it by one method.</summary>
internal static class EvidenceWork
{
    /// <summary>Looks; writes the map.</summary>
    /// <exception cref="RefusalException">The picture cannot be decoded.</exception>
    public static EvidenceAnswer Do(EvidenceRequest request)
    {
        using var upload = Upload.Open(request.Upload, request.Limits);
        var look = At(upload, request);
        File.WriteAllBytes(request.Output, look.Map?.ToBytes() ?? []);
        var geometry = new ImageGeometry
        {
            StoredWidth = upload.Image.Width, StoredHeight = upload.Image.Height, AnalysedWidth = upload.Image.Width, AnalysedHeight = upload.Image.Height, Orientation = upload.Orientation,
        };
        return new EvidenceAnswer
        {
            State = look.State,
            Finding = look.Finding,
            Summary = look.Summary,
            Facts = look.Facts,
            Regions = [.. look.Regions.Select(geometry.ToDisplayed)],
            Pairs = [.. look.Pairs.Select(p => Displayed(p, geometry))],
            HasMap = look.Map is not null,
            Geometry = geometry,
            Hash = look.Hash,
        };
    }

    private static Look At(Upload upload, EvidenceRequest request)
    {
        switch (request.Kind)
        {
            case EvidenceNames.Metadata:
                return MetadataFindings.Examine(upload, request.Output);
            case EvidenceNames.C2pa:
                return ContentCredentials.Examine(upload);
            case EvidenceNames.Quantisation:
                return QuantisationTables.Examine(upload);
        }

        using var picture = EvidencePicture.Open(upload);
        return request.Kind switch
        {
            EvidenceNames.ErrorLevel => ErrorLevel.Examine(picture),
            EvidenceNames.Noise => NoiseResidual.Examine(picture),
            EvidenceNames.NoiseVariance => NoiseVariance.Examine(picture),
            EvidenceNames.Ghosts => JpegGhosts.Examine(picture),
            EvidenceNames.DoubleQuantisation => DoubleQuantisation.Examine(picture),
            EvidenceNames.Grid => BlockingGrid.Examine(picture),
            EvidenceNames.CopyMove => CopyMove.Examine(picture),
            EvidenceNames.Hash => Fingerprint(picture),
            _ => throw new InvalidDataException($"'{request.Kind}' is no kind of evidence."),
        };
    }

    private static Look Fingerprint(EvidencePicture picture)
    {
        ulong hash = PerceptualHash.Of(picture.Rgb.Span, picture.Width, picture.Height, picture.Upload.Orientation);
        return new Look { Summary = "", Hash = PerceptualHash.ToText(hash) };
    }

    private static EvidencePair Displayed(EvidencePair pair, ImageGeometry geometry)
    {
        // A mirrored orientation turns the sense of rotation round.
        bool mirrored = geometry.Orientation is 2 or 4 or 5 or 7;
        return pair with
        {
            From = geometry.ToDisplayed(pair.From),
            To = geometry.ToDisplayed(pair.To),
            Rotation = mirrored ? -pair.Rotation : pair.Rotation,
            Points = [.. pair.Points.Select(p =>
            {
                var (x0, y0) = geometry.ToDisplayed(p[0], p[1]);
                var (x1, y1) = geometry.ToDisplayed(p[2], p[3]);
                return (IReadOnlyList<double>)[Math.Round(x0, 1), Math.Round(y0, 1), Math.Round(x1, 1), Math.Round(y1, 1)];
            })],
        };
    }
}
