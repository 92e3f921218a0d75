using System.Security.Cryptography;

namespace Palimpsest.Inference;

/// <summary>
/// The folder of models. A network is handed out only when its bytes have the SHA-256 that its manifest states; everything else is a
/// <see cref="DetectorUnavailableException"/> with a reason, which keeps the service from becoming ready.
/// </summary>
public sealed class ModelCatalog
{
    private readonly IDictionary<string, string> choose;

    /// <summary>The catalogue of the configured folder.</summary>
    public ModelCatalog(InferenceOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Folder = options.Models ?? DefaultFolder;
        choose = options.Choose;
    }

    /// <summary><c>models/</c> beside the program.</summary>
    public static string DefaultFolder => Path.Combine(AppContext.BaseDirectory, "models");

    /// <summary>Where manifests and networks lie.</summary>
    public string Folder { get; }

    /// <summary>The manifest and the verified bytes of the model that serves a detector.</summary>
    /// <param name="detector">shallowfake, deepfake or router.</param>
    /// <exception cref="DetectorUnavailableException">Missing, not valid, or not the file the manifest was written for.</exception>
    public LoadedModel Load(string detector)
    {
        var (path, manifest) = Find(detector);
        string file = Path.Combine(Folder, manifest.File);
        if (!File.Exists(file))
        {
            throw new DetectorUnavailableException($"The model file {manifest.File} named by {Path.GetFileName(path)} is missing.");
        }

        // The session is made from these very bytes, so that what was checked is what runs.
        byte[] network = File.ReadAllBytes(file);
        string actual = Convert.ToHexStringLower(SHA256.HashData(network));
        return actual.Equals(manifest.Sha256, StringComparison.OrdinalIgnoreCase)
            ? new LoadedModel(manifest, network)
            : throw new DetectorUnavailableException(
                $"The model file {manifest.File} is not the one its manifest describes: its SHA-256 is {actual}, expected {manifest.Sha256.ToLowerInvariant()}.");
    }

    private (string Path, ModelManifest Manifest) Find(string detector)
    {
        if (!Directory.Exists(Folder))
        {
            throw new DetectorUnavailableException($"There is no model for {detector}: the models folder does not exist.");
        }

        choose.TryGetValue(detector, out string? chosen);
        var found = new List<(string Path, ModelManifest Manifest)>();
        var broken = new List<string>();
        foreach (string path in Directory.EnumerateFiles(Folder, "*.json").Order(StringComparer.Ordinal))
        {
            byte[] json = File.ReadAllBytes(path);
            string? named = ManifestPeek.DetectorOf(json);
            if (named != detector && !(named is null && Path.GetFileNameWithoutExtension(path) == detector))
            {
                continue; // another detector's, or no manifest at all (calibration.json)
            }

            try
            {
                found.Add((path, ModelManifest.Parse(json)));
            }
            catch (InvalidDataException e)
            {
                broken.Add($"{Path.GetFileName(path)}: {e.Message}");
            }
        }

        var wanted = chosen is null ? found : found.FindAll(f => f.Manifest.Name == chosen);
        var ordinary = wanted.Find(f => Path.GetFileNameWithoutExtension(f.Path) == detector);
        return wanted.Count switch
        {
            1 => wanted[0],
            0 when broken.Count > 0 => throw new DetectorUnavailableException($"The model for {detector} cannot be used. {string.Join(' ', broken)}"),
            0 => throw new DetectorUnavailableException(chosen is null ? $"There is no model for {detector}." : $"There is no model for {detector} named '{chosen}'."),
            _ when ordinary.Manifest is not null => ordinary,
            _ => throw new DetectorUnavailableException($"Several models serve {detector}; choose one of {string.Join(", ", wanted.Select(f => f.Manifest.Name))}."),
        };
    }
}

/// <summary>A manifest and the network it describes, checked.</summary>
/// <param name="Manifest">The card.</param>
/// <param name="Network">The ONNX file.</param>
public sealed record LoadedModel(ModelManifest Manifest, byte[] Network);
