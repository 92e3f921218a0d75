using Palimpsest.Contracts;
using Palimpsest.Routing;

namespace Palimpsest.Tests.Routing;

public sealed class RoutingPlannerTests
{
    private const string Alive = "alive", Gone = "gone";

    // choice, face crop, faces, P(shallowfake) or −1 without a router, shallowfake alive, deepfake alive → action of shallowfake, of deepfake
    [Theory]
    // An explicit choice is obeyed.
    [InlineData("shallowfake", true, 3, 0.1, Alive, Alive, "run", "not_applicable")]
    [InlineData("deepfake", true, 1, 0.9, Alive, Alive, "not_applicable", "run")]
    [InlineData("deepfake", true, 0, -1, Alive, Alive, "not_applicable", "run")]
    [InlineData("both", true, 1, 0.9, Alive, Alive, "run", "run")]
    [InlineData("both", true, 0, 0.9, Alive, Alive, "run", "not_applicable")]
    [InlineData("both", false, 0, 0.9, Alive, Alive, "run", "run")]
    // auto without a face.
    [InlineData("auto", true, 0, -1, Alive, Alive, "run", "not_applicable")]
    [InlineData("auto", true, 0, 0.1, Alive, Alive, "run", "not_applicable")]
    // auto with a face: the likelier first.
    [InlineData("auto", true, 1, 0.60, Alive, Alive, "run", "run_if_clean")]
    [InlineData("auto", true, 2, 0.95, Alive, Alive, "run", "run_if_clean")]
    [InlineData("auto", true, 1, 0.40, Alive, Alive, "run_if_clean", "run")]
    [InlineData("auto", true, 1, 0.59, Alive, Alive, "run", "run")]
    [InlineData("auto", true, 1, 0.41, Alive, Alive, "run", "run")]
    [InlineData("auto", false, 0, 0.2, Alive, Alive, "run_if_clean", "run")]
    // No router model: both.
    [InlineData("auto", true, 1, -1, Alive, Alive, "run", "run")]
    // A wanted localizer that is not there is said to be so; a deferred one is not kept waiting for it.
    [InlineData("auto", true, 1, 0.9, Gone, Alive, "unavailable", "run")]
    [InlineData("auto", true, 1, 0.1, Alive, Gone, "run", "unavailable")]
    [InlineData("auto", true, 1, 0.9, Alive, Gone, "run", "unavailable")]
    [InlineData("auto", true, 0, -1, Gone, Alive, "unavailable", "not_applicable")]
    [InlineData("auto", true, 1, 0.5, Gone, Gone, "unavailable", "unavailable")]
    [InlineData("shallowfake", true, 0, -1, Gone, Alive, "unavailable", "not_applicable")]
    public void Plans(string choice, bool faceCrop, int faces, double shallowfake, string first, string second, string expectedShallowfake, string expectedDeepfake)
    {
        var decision = RoutingPlanner.Plan(new RoutingInput
        {
            Options = new AnalysisOptions { Detectors = choice, FaceCrop = faceCrop },
            FaceCount = faces,
            FaceArea = faces * 0.05,
            Router = shallowfake < 0 ? null : new RouterOpinion(shallowfake, 1 - shallowfake, 0.6),
            Detectors = new Dictionary<string, string?>
            {
                [DetectorNames.Shallowfake] = first == Alive ? null : "No heartbeat.",
                [DetectorNames.Deepfake] = second == Alive ? null : "No heartbeat.",
            },
        });

        decision.Plan.Select(detector => detector.Detector).ShouldBe(DetectorNames.All);
        decision.Plan.Select(detector => detector.Action).ShouldBe([expectedShallowfake, expectedDeepfake]);
        decision.Reasons.ShouldNotBeEmpty();
        decision.Plan.ShouldAllBe(detector => (detector.Action == DetectorActions.Run) == (detector.Reason == null));
        decision.Reasons.Any(reason => reason.Contains("no router model", StringComparison.Ordinal)).ShouldBe(choice == "auto" && shallowfake < 0 && faces > 0);
    }

    [Fact]
    public void A_localizer_that_was_never_heard_of_is_unavailable()
    {
        var decision = RoutingPlanner.Plan(new RoutingInput
        {
            Options = new AnalysisOptions(), FaceCount = 0, FaceArea = 0, Detectors = new Dictionary<string, string?>(),
        });
        decision.Plan[0].Action.ShouldBe(DetectorActions.Unavailable);
        decision.Plan[0].Reason.ShouldBe("No instance of it is running.");
    }
}
