using Palimpsest.Contracts;
using Palimpsest.Imaging;

namespace Palimpsest.Routing;

/// <summary>The router model's judgement.</summary>
/// <param name="Shallowfake">Probability that a manipulation here would be a shallowfake, 0..1.</param>
/// <param name="Deepfake">Probability that it would be a deepfake, 0..1.</param>
/// <param name="Sure">Probability from which the model is believed.</param>
internal sealed record RouterOpinion(double Shallowfake, double Deepfake, double Sure);

/// <summary>What a plan is made from.</summary>
internal sealed record RoutingInput
{
    /// <summary>The client's options.</summary>
    public required AnalysisOptions Options { get; init; }

    /// <summary>Faces found.</summary>
    public required int FaceCount { get; init; }

    /// <summary>Share of the picture that faces cover, 0..1.</summary>
    public required double FaceArea { get; init; }

    /// <summary>The router model's judgement; null without one.</summary>
    public RouterOpinion? Router { get; init; }

    /// <summary>Localizers with a living, ready instance; null value, or why it is not ready.</summary>
    public required IReadOnlyDictionary<string, string?> Detectors { get; init; }

    /// <summary>What a prepared picture gives a plan. The forest is asked only where its answer changes the plan.</summary>
    public static RoutingInput Of(PreparedImage image, AnalysisOptions options, RouterModel router, IReadOnlyDictionary<string, string?> detectors)
    {
        bool ask = options.Detectors == DetectorChoices.Auto && (image.Facts.Faces.Count > 0 || !options.FaceCrop);
        double area = image.Facts.Faces.Sum(face => (double)face.Box.Width * face.Box.Height) / ((double)image.Width * image.Height);
        return new RoutingInput
        {
            Options = options, FaceCount = image.Facts.Faces.Count, FaceArea = Math.Min(1, area), Router = ask ? router.Ask(image) : null, Detectors = detectors,
        };
    }
}

/// <summary>Which localizers look, and why.</summary>
internal sealed record RoutingDecision(IReadOnlyList<DetectorPlan> Plan, IReadOnlyList<string> Reasons);

/// <summary>
/// Decides which localizers look at a picture. Pure: the same input gives the same plan. An explicit choice is obeyed. On <c>auto</c> the kind
/// of forgery that is likelier is looked for first and the other only if nothing was found: a picture is called real only after every
/// applicable localizer has looked.
/// </summary>
internal static class RoutingPlanner
{
    public static RoutingDecision Plan(RoutingInput input)
    {
        var reasons = new List<string>();
        var wanted = input.Options.Detectors switch
        {
            DetectorNames.Shallowfake => Only(DetectorNames.Shallowfake, reasons),
            DetectorNames.Deepfake => Only(DetectorNames.Deepfake, reasons),
            DetectorChoices.Both => Both(input, reasons),
            _ => Auto(input, reasons),
        };
        var plan = wanted.Select(detector => IfAlive(detector, input.Detectors, reasons)).ToList();

        // Deferred behind a localizer that will not run, a localizer would never be asked.
        if (!plan.Exists(detector => detector.Action == DetectorActions.Run))
        {
            plan = plan.ConvertAll(detector => detector.Action == DetectorActions.RunIfClean ? detector with { Action = DetectorActions.Run, Reason = null } : detector);
        }

        return new RoutingDecision(plan, reasons);
    }

    private static DetectorPlan[] Only(string chosen, List<string> reasons)
    {
        reasons.Add($"The client asked for the {chosen} localizer only.");
        return [.. DetectorNames.All.Select(name => name == chosen ? Run(name) : NotApplicable(name, "Not asked for."))];
    }

    private static DetectorPlan[] Both(RoutingInput input, List<string> reasons)
    {
        reasons.Add("The client asked for both localizers.");
        return [Run(DetectorNames.Shallowfake), SeesFaces(input, reasons) ? Run(DetectorNames.Deepfake) : NoFace()];
    }

    private static DetectorPlan[] Auto(RoutingInput input, List<string> reasons)
    {
        if (!SeesFaces(input, reasons))
        {
            return [Run(DetectorNames.Shallowfake), NoFace()];
        }

        if (input.Router is not { } router)
        {
            reasons.Add("There is no router model, so both localizers look.");
            return [Run(DetectorNames.Shallowfake), Run(DetectorNames.Deepfake)];
        }

        string? likelier = router.Shallowfake >= router.Sure ? DetectorNames.Shallowfake : router.Deepfake >= router.Sure ? DetectorNames.Deepfake : null;
        if (likelier is null)
        {
            reasons.Add($"The router is not sure of the kind ({Percent(router.Shallowfake)} shallowfake, {Percent(router.Deepfake)} deepfake), so both localizers look.");
            return [Run(DetectorNames.Shallowfake), Run(DetectorNames.Deepfake)];
        }

        double probability = likelier == DetectorNames.Shallowfake ? router.Shallowfake : router.Deepfake;
        reasons.Add($"If the picture is manipulated, it is a {likelier} with {Percent(probability)}: that localizer looks first, the other if it finds nothing.");
        return [.. DetectorNames.All.Select(name => name == likelier
            ? Run(name)
            : new DetectorPlan { Detector = name, Action = DetectorActions.RunIfClean, Reason = $"Runs if the {likelier} localizer finds nothing." })];
    }

    private static bool SeesFaces(RoutingInput input, List<string> reasons)
    {
        reasons.Add(input.FaceCount switch
        {
            0 => "No face was found.",
            1 => $"One face was found; it covers {Percent(input.FaceArea)} of the picture.",
            _ => $"{input.FaceCount} faces were found; they cover {Percent(input.FaceArea)} of the picture.",
        });
        if (!input.Options.FaceCrop)
        {
            reasons.Add("The client asked for deepfake detection on the whole picture.");
        }

        return input.FaceCount > 0 || !input.Options.FaceCrop;
    }

    private static DetectorPlan IfAlive(DetectorPlan detector, IReadOnlyDictionary<string, string?> detectors, List<string> reasons)
    {
        if (detector.Action is not (DetectorActions.Run or DetectorActions.RunIfClean))
        {
            return detector;
        }

        string? obstacle = detectors.TryGetValue(detector.Detector, out string? reason) ? reason : "No instance of it is running.";
        if (obstacle is null)
        {
            return detector;
        }

        reasons.Add($"The {detector.Detector} localizer is not available: {obstacle}");
        return detector with { Action = DetectorActions.Unavailable, Reason = obstacle };
    }

    private static DetectorPlan Run(string name) => new() { Detector = name, Action = DetectorActions.Run };

    private static DetectorPlan NotApplicable(string name, string reason) => new() { Detector = name, Action = DetectorActions.NotApplicable, Reason = reason };

    private static DetectorPlan NoFace() => NotApplicable(DetectorNames.Deepfake, "No face was found.");

    private static string Percent(double share) => share is > 0 and < 0.01 ? "less than 1 %" : $"{Math.Round(share * 100)} %";
}
