namespace Palimpsest.Contracts;

/// <summary>Claim check: where the bytes of a message lie in the blob store. Messages never carry pixels.</summary>
public sealed record BlobReference
{
    /// <summary>Key in the blob store, <c>{analysisId}/{name}</c>.</summary>
    public required string Key { get; init; }

    /// <summary>Length in bytes.</summary>
    public required long Bytes { get; init; }
}

/// <summary>What the client asked for; travels with the analysis.</summary>
public sealed record AnalysisOptions
{
    /// <summary>One of <see cref="DetectorChoices"/>.</summary>
    public string Detectors { get; init; } = DetectorChoices.Auto;

    /// <summary>Deepfake detection on face crops (default); false: on the whole picture.</summary>
    public bool FaceCrop { get; init; } = true;
}

/// <summary>Which model answered.</summary>
public sealed record ModelIdentity
{
    /// <summary>Name on the model card.</summary>
    public required string Name { get; init; }

    /// <summary>Version on the model card.</summary>
    public required string Version { get; init; }

    /// <summary>SHA-256 of the ONNX file, lower-case hex.</summary>
    public required string Sha256 { get; init; }
}

/// <summary>A rectangle in pixels; origin top left.</summary>
public sealed record PixelBox
{
    /// <summary>Left edge, pixels.</summary>
    public required int X { get; init; }

    /// <summary>Top edge, pixels.</summary>
    public required int Y { get; init; }

    /// <summary>Width, pixels.</summary>
    public required int Width { get; init; }

    /// <summary>Height, pixels.</summary>
    public required int Height { get; init; }
}
