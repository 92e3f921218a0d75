using Palimpsest.Hosting;
using Palimpsest.Local.Distributed;

namespace Palimpsest.Tests.Hosting;

public sealed class CalibrationTests
{
    [Theory]
    [InlineData("Palimpsest.Gateway")]
    [InlineData("Palimpsest.Reporting")]
    [InlineData("Palimpsest.Routing")]
    [InlineData("Palimpsest.Preprocessing")]
    [InlineData("Palimpsest.Shallowfake")]
    [InlineData("Palimpsest.Deepfake")]
    public void Every_program_judges_by_the_calibration_that_is_shipped(string program)
    {
        // Gateway and reporting run no network, so nothing else puts a models folder beside them: distributed, verdicts and masks once came out uncalibrated.
        var shipped = Calibration.Load(Path.Combine(NodeScript.Root, "models"));
        shipped.Version.ShouldNotBe(Calibration.Uncalibrated.Version);

        var used = Calibration.Load(Path.Combine(Path.GetDirectoryName(ServiceFiles.Find(program))!, "models"));

        used.Version.ShouldBe(shipped.Version);
        used.LikelyFake.ShouldBe(shipped.LikelyFake);
        used.Detectors.ShouldBe(shipped.Detectors, ignoreOrder: true);
    }
}
