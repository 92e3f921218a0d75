using System.IO.MemoryMappedFiles;
using Palimpsest.Decoding;
using Palimpsest.Hosting;
using Palimpsest.Imaging;
using Palimpsest.Imaging.Protocol;
using Palimpsest.Inference;

namespace Palimpsest.Preprocessing;

/// <summary>What became of an upload: facts and a prepared image, or the reason why not.</summary>
/// <param name="Facts">What was learned; null when refused.</param>
/// <param name="Refusal">Why the picture cannot be analysed; null when prepared.</param>
public sealed record Preparation(ImageFacts? Facts, Refusal? Refusal);

/// <summary>Upload → prepared image: decoded in a child process, faces found here. Knows files, not messages; the command line uses it too.</summary>
public sealed class Preprocessor(DecoderPool decoders, IFaceFinder faces)
{
    /// <summary>Writes the prepared image to <paramref name="outputPath"/>; after a refusal the file there means nothing.</summary>
    /// <exception cref="IOException">A file could not be read or written.</exception>
    /// <exception cref="DetectorUnavailableException">The face model is not there: without it no picture may pass as free of faces.</exception>
    public async Task<Preparation> PrepareAsync(string uploadPath, string outputPath, CancellationToken cancellationToken)
    {
        PreparedLayout? layout;
        Refusal? refusal;
        using (PlatformTelemetry.Source.StartActivity("decode"))
        {
            (layout, refusal) = await decoders.PrepareAsync(uploadPath, outputPath, cancellationToken);
        }

        if (layout is null)
        {
            return new Preparation(null, refusal ?? throw new InvalidDataException("The decoder answered neither a layout nor a refusal."));
        }

        using var file = new FileStream(outputPath, FileMode.Open, FileAccess.ReadWrite, FileShare.Read, bufferSize: 0);
        var (found, hash) = Look(file, layout.Facts.Geometry, cancellationToken);
        var facts = layout.Facts with { Faces = found, LooksLike = hash };
        PreparedImage.Finish(
            file, facts.Geometry.AnalysedWidth, facts.Geometry.AnalysedHeight, layout.BlocksWide, layout.BlocksHigh, layout.CoefficientOffset, facts);
        return new Preparation(facts, null);
    }

    /// <summary>Faces, and the hash while the pixels are in the caches: reporting would map the file again for it.</summary>
    private unsafe (IReadOnlyList<Face> Faces, string Hash) Look(FileStream file, ImageGeometry geometry, CancellationToken cancellationToken)
    {
        using var activity = PlatformTelemetry.Source.StartActivity("faces");
        int bytes = checked(geometry.AnalysedWidth * geometry.AnalysedHeight * 3);
        if (file.Length < PreparedImage.HeaderBytes + (long)bytes)
        {
            throw new InvalidDataException("The decoder wrote fewer pixels than it says.");
        }

        using var map = MemoryMappedFile.CreateFromFile(file, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        using var view = map.CreateViewAccessor(0, PreparedImage.HeaderBytes + bytes, MemoryMappedFileAccess.Read);
        byte* start = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        try
        {
            var rgb = new ReadOnlySpan<byte>(start + view.PointerOffset + PreparedImage.HeaderBytes, bytes);
            var found = faces.FindUpright(rgb, geometry, cancellationToken);
            activity?.SetTag("palimpsest.faces", found.Count);
            return (found, PerceptualHash.ToText(PerceptualHash.Of(rgb, geometry.AnalysedWidth, geometry.AnalysedHeight, geometry.Orientation)));
        }
        finally
        {
            view.SafeMemoryMappedViewHandle.ReleasePointer();
        }
    }
}
