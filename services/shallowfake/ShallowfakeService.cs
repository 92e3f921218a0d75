using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Inference;

namespace Palimpsest.Shallowfake;

/// <summary>Edits of photographs: splicing, copy-move, removal. Looks at the whole picture, at native resolution.</summary>
public static class ShallowfakeService
{
    /// <summary>Adds the shallowfake localizer to a host.</summary>
    public static PlatformBuilder AddShallowfake(this PlatformBuilder platform) => platform.AddLocalizer<ShallowfakeLocalizer>();
}

/// <summary>Names the localizer for consumers and endpoints.</summary>
public sealed class ShallowfakeLocalizer : ILocalizerKind
{
    /// <inheritdoc/>
    public static string Name => DetectorNames.Shallowfake;
}
