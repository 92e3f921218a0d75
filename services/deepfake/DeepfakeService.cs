using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Inference;

namespace Palimpsest.Deepfake;

/// <summary>Swapped and generated faces. Looks at each face, or at the whole picture when asked to.</summary>
public static class DeepfakeService
{
    /// <summary>Adds the deepfake localizer to a host.</summary>
    public static PlatformBuilder AddDeepfake(this PlatformBuilder platform) => platform.AddLocalizer<DeepfakeLocalizer>();
}

/// <summary>Names the localizer for consumers and endpoints.</summary>
public sealed class DeepfakeLocalizer : ILocalizerKind
{
    /// <inheritdoc/>
    public static string Name => DetectorNames.Deepfake;
}
