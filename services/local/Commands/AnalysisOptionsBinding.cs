using System.CommandLine;
using Palimpsest.Contracts;

namespace Palimpsest.Local.Commands;

/// <summary>Options that <c>scan</c>, <c>eval</c> and <c>submit</c> share.</summary>
internal sealed class AnalysisOptionsBinding
{
    public Option<string> Detectors { get; } = Choice();

    public Option<bool> NoFaceCrop { get; } = new("--no-face-crop") { Description = "Deepfake detection on the whole picture instead of on each face." };

    public AnalysisOptions Read(ParseResult parsed) => new() { Detectors = parsed.GetValue(Detectors)!, FaceCrop = !parsed.GetValue(NoFaceCrop) };

    private static Option<string> Choice()
    {
        var option = new Option<string>("--detectors") { Description = "auto, shallowfake, deepfake or both.", DefaultValueFactory = _ => DetectorChoices.Auto };
        option.AcceptOnlyFromAmong([.. DetectorChoices.All]);
        return option;
    }
}
