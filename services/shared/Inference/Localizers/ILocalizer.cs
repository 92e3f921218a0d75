using Palimpsest.Contracts;
using Palimpsest.Imaging;

namespace Palimpsest.Inference;

/// <summary>How a network is shown a picture, and how its answers become a map.</summary>
internal interface ILocalizer
{
    Task<Detection> DetectAsync(PreparedImage image, AnalysisOptions options, CancellationToken cancellationToken);
}
