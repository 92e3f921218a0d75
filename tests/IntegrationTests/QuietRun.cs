using System.Text.Json;
using Palimpsest.Contracts;
using Palimpsest.Imaging.Rendering;
using Palimpsest.Local.Direct;

namespace Palimpsest.IntegrationTests;

/// <summary>What the services' own code says of a picture when nothing disturbs it: no server, no broker, one picture at a time.</summary>
internal sealed record QuietRun(DirectResult Result, byte[] Mask)
{
    /// <summary>One for each picture, in order.</summary>
    public static Task<QuietRun[]> OfAsync(IReadOnlyList<byte[]> pictures) => OfAsync([.. pictures.Select(p => (p, new AnalysisOptions()))]);

    /// <summary>One for each picture and its options, in order.</summary>
    public static async Task<QuietRun[]> OfAsync(IReadOnlyList<(byte[] Picture, AnalysisOptions Options)> pictures)
    {
        await using var pipeline = DirectPipeline.Create(models: null);
        var runs = new QuietRun[pictures.Count];
        for (int i = 0; i < runs.Length; i++)
        {
            string path = Path.Combine(pipeline.TemporaryFolder, $"{i}.jpg");
            await File.WriteAllBytesAsync(path, pictures[i].Picture);
            var result = await pipeline.AnalyseAsync(path, pictures[i].Options, CancellationToken.None);
            File.Delete(path);
            runs[i] = new QuietRun(result, MaskRenderer.RenderPng(result.Map!, result.Geometry!));
        }

        return runs;
    }

    /// <summary>Both accounts of one picture, for the message of a failed assertion.</summary>
    public string Beside(AnalysisDocument document) =>
        $"{document.Id} is {JsonSerializer.Serialize(document, PlatformJson.Options)}\nin quiet it was {JsonSerializer.Serialize(new { Result.Detectors, Result.Routing, Result.Result, Result.Warnings }, PlatformJson.Options)}";
}
