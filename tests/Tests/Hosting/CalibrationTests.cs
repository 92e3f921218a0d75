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

    [Theory]
    [InlineData("""{"a":1,"b":0}""", 0.0, 4.0)]
    [InlineData("""{"a":1,"b":0,"calm":1.5,"silence":8}""", 1.5, 8.0)]
    public void Calm_and_silence_may_be_left_out(string shallowfake, double calm, double silence)
    {
        var calibration = Read(shallowfake);
        calibration.Detectors["shallowfake"].Calm.ShouldBe(calm);
        calibration.Silence("shallowfake").ShouldBe(silence);
        calibration.Silence("deepfake").ShouldBe(4, "nothing is said of it");
    }

    [Theory]
    [InlineData("""{"a":0,"b":0}""")]
    [InlineData("""{"a":1,"b":0,"calm":-1}""")]
    [InlineData("""{"a":1,"b":0,"silence":0}""")]
    public void A_calibration_that_makes_no_sense_is_refused_with_what_it_needs(string shallowfake) =>
        Should.Throw<InvalidDataException>(() => Read(shallowfake)).Message.ShouldContain("calm >= 0, silence > 0");

    private static Calibration Read(string shallowfake)
    {
        var folder = Directory.CreateTempSubdirectory("palimpsest-calibration-");
        try
        {
            File.WriteAllText(Path.Combine(folder.FullName, "calibration.json"), """{"version":"1","likely_real":0.2,"likely_fake":0.8,"detectors":{"shallowfake":""" + shallowfake + "}}");
            return Calibration.Load(folder.FullName);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
