using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Imaging;
using Palimpsest.Reporting;

namespace Palimpsest.Tests.Reporting;

/// <summary>Fusion against values worked out by hand and against brute force.</summary>
public sealed class FusionTests
{
    [Theory]
    [InlineData(0.5, 0.5)]
    [InlineData(0.9, 0.94763)] // sigmoid(1.5·ln 9 − 0.4)
    [InlineData(0.1, 0.02422)]
    public void Platt_scaling_is_the_sigmoid_of_a_logit_plus_b(double raw, double expected)
    {
        var calibration = A.Calibration with { Detectors = new Dictionary<string, PlattScaling> { ["shallowfake"] = new() { A = 1.5, B = raw == 0.5 ? 0 : -0.4 } } };
        calibration.Apply("shallowfake", raw).ShouldBe(expected, 5e-5);
        calibration.Apply("deepfake", raw).ShouldBe(raw, "no scaling is known for it");
        calibration.Apply("shallowfake", 0).ShouldBeGreaterThan(0);
        calibration.Apply("shallowfake", 1).ShouldBeLessThan(1);
    }

    [Fact]
    public void Two_scores_become_the_probability_that_at_least_one_kind_is_there()
    {
        var report = Fuse(A.Facts(faces: 1), (0.3, null), (0.6, null));
        report.Score.ShouldBe(1 - (0.7 * 0.4), 1e-12);
        report.Verdict.ShouldBe(Verdicts.Uncertain);
        report.Confidence.ShouldBe(0.72, 1e-12);
        report.Kind.ShouldBe("deepfake");
    }

    [Fact]
    public void Where_both_answered_the_calm_is_taken_off_in_log_odds_and_a_lone_answer_is_left_as_it_is()
    {
        var calibration = A.Calibration with { Detectors = new Dictionary<string, PlattScaling> { ["shallowfake"] = new() { A = 1, B = 0, Calm = Math.Log(6) } } };
        var facts = A.Facts(faces: 1);
        // Odds of 3 to 2 become 1 to 4.
        var both = Fusion.Fuse([Evidence("shallowfake", 0.6, DetectorStates.Completed), Evidence("deepfake", 0.3, DetectorStates.Completed)], facts, calibration);
        both.Score.ShouldBe(1 - (0.8 * 0.7), 1e-9);
        both.Scores["shallowfake"].ShouldBe(0.6, 1e-9, "the localizer's own score is reported as it is");
        Fusion.Fuse([Evidence("shallowfake", 0.6, DetectorStates.Completed)], facts, calibration).Score.ShouldBe(0.6, 1e-9);
    }

    [Theory]
    // shallowfake, deepfake (NaN: state not completed), faces → verdict, part of a warning
    [InlineData(0.05, double.NaN, 0, Verdicts.LikelyReal, "Wholly generated pictures without a face were not looked for")]
    [InlineData(0.05, 0.05, 1, Verdicts.LikelyReal, null)]
    [InlineData(0.05, double.NaN, 1, Verdicts.Uncertain, "The face was not checked")]
    [InlineData(0.05, double.NaN, 3, Verdicts.Uncertain, "The 3 faces were not checked")]
    [InlineData(double.NaN, 0.05, 1, Verdicts.Uncertain, "splicing")]
    [InlineData(double.NaN, 0.95, 1, Verdicts.LikelyFake, "splicing")]
    [InlineData(0.95, double.NaN, 1, Verdicts.LikelyFake, "The face was not checked")]
    [InlineData(0.5, 0.05, 1, Verdicts.Uncertain, null)]
    [InlineData(0.15, 0.15, 1, Verdicts.Uncertain, null)]
    public void Real_needs_every_kind_that_applies_to_have_been_looked_for(double shallow, double deep, int faces, string verdict, string? warning)
    {
        foreach (string state in new[] { DetectorStates.Error, DetectorStates.Timeout, DetectorStates.NotApplicable })
        {
            var report = Fusion.Fuse([Evidence("shallowfake", shallow, state), Evidence("deepfake", deep, state)], A.Facts(faces: faces), A.Calibration);
            report.Verdict.ShouldBe(verdict, state);
            if (warning is not null)
            {
                report.Warnings.ShouldContain(w => w.Contains(warning));
            }
            else if (double.IsFinite(deep) || state == DetectorStates.NotApplicable)
            {
                report.Warnings.ShouldNotContain(w => w.Contains("checked") || w.Contains("looked for"));
            }
        }
    }

    [Fact]
    public void Without_any_answer_there_is_nothing_to_fuse() =>
        Should.Throw<ArgumentException>(() => Fusion.Fuse([Evidence("shallowfake", double.NaN, DetectorStates.Error)], A.Facts(), A.Calibration));

    [Fact]
    public void A_localizer_that_says_clean_does_not_spray_its_mask()
    {
        var facts = A.Facts(faces: 1);
        var report = Fuse(facts, (0.05, A.Map(facts, (0, 0, 16, 12, 250))), (0.9, A.Map(facts, (4, 4, 3, 3, 220))));
        report.Map.Values.Max().ShouldBe((byte)220);
        report.Map.Values.Count(v => v >= 128).ShouldBe(9);
        report.Regions.ShouldHaveSingleItem().Detector.ShouldBe("deepfake");
        report.Warnings.ShouldContain(w => w.Contains("weakened"));
        // Just above its clean threshold it is heard in full: no cliff at which a mask is switched off.
        Fuse(facts, (0.2, A.Map(facts, (0, 0, 2, 2, 250)))).Map.Values.Max().ShouldBe((byte)250);
    }

    [Fact]
    public void A_region_with_a_border_outlives_a_mildly_clean_score_that_takes_haze_away()
    {
        // 0.15 lies a third of a unit of log-odds below clean: shown at nine tenths. Both regions peak at 230; the haze fades by a quarter of a unit a cell.
        var facts = A.Facts(160, 160);
        var firm = A.Map(facts, (10, 10, 16, 16, 230));
        var shown = Fuse(facts, (0.15, firm));
        shown.Regions.ShouldHaveSingleItem().Area.ShouldBe(0.16, 1e-9, "in full, to its border");
        var haze = Cone(facts, 20, 20, 230, 0.25);
        haze.Values.Count(v => v >= 128).ShouldBeGreaterThan(150, "the localizer marks a disc");
        var faded = Fuse(facts, (0.15, haze));
        faded.Regions.ShouldBeEmpty();
        faded.Warnings.ShouldContain(w => w.Contains("without a clear border"));
    }

    [Theory]
    [InlineData(0.2, 0.25, 0)] // just not clean: haze goes,
    [InlineData(0.2, 0.6, 1)] // a border stays
    [InlineData(0.5, 0.25, 1)] // suspicion speaks for haze too
    [InlineData(0.005, 0.6, 0)] // nothing outlives a score far below clean
    public void Score_and_border_are_weighed_against_each_other(double score, double steepness, int regions)
    {
        var facts = A.Facts(160, 160);
        Fuse(facts, (score, Cone(facts, 20, 20, 240, steepness))).Regions.Count.ShouldBe(regions);
    }

    [Fact]
    public void Each_region_is_judged_by_its_own_border()
    {
        var facts = A.Facts(320, 160);
        var map = Cone(facts, 20, 20, 230, 0.25);
        A.Map(facts, (60, 10, 10, 10, 230)).Values.Select((v, i) => map.Values[i] = Math.Max(v, map.Values[i])).Count().ShouldBe(map.Values.Length);
        var region = Fuse(facts, (0.2, map)).Regions.ShouldHaveSingleItem();
        (region.Box.X, region.Box.Width).ShouldBe((240, 40));
    }

    [Fact]
    public void A_mask_over_the_whole_picture_marks_nothing_off_and_needs_the_score()
    {
        var facts = A.Facts();
        Fuse(facts, (0.2, A.Map(facts, (0, 0, 16, 12, 250)))).ManipulatedArea.ShouldBe(0);
        Fuse(facts, (0.7, A.Map(facts, (0, 0, 16, 12, 250)))).ManipulatedArea.ShouldBe(1);
    }

    [Fact]
    public void Neither_score_nor_border_has_a_cliff()
    {
        var facts = A.Facts(160, 160);
        int Peak(double score, double steepness) => Fuse(facts, (score, Cone(facts, 20, 20, 240, steepness))).Map.Values.Max();
        for (double x = 0.01; x < 0.6; x += 0.001)
        {
            (Peak(x + 0.001, 0.35) - Peak(x, 0.35)).ShouldBeInRange(0, 12, $"score {x}");
            Math.Abs(Peak(0.2, x + 0.001) - Peak(0.2, x)).ShouldBeLessThan(12, $"steepness {x}");
        }
    }

    [Fact]
    public void A_high_score_without_a_region_is_said_plainly()
    {
        var facts = A.Facts();
        var report = Fuse(facts, (0.95, A.Map(facts, (0, 0, 4, 4, 90))));
        report.Verdict.ShouldBe(Verdicts.LikelyFake);
        report.Regions.ShouldBeEmpty();
        report.ManipulatedArea.ShouldBe(0);
        report.Warnings.ShouldContain(w => w.Contains("does not locate"));
    }

    [Fact]
    public void Regions_and_area_agree_with_brute_force_on_random_maps()
    {
        var random = new Random(7);
        for (int round = 0; round < 60; round++)
        {
            var facts = A.Facts(random.Next(17, 90), random.Next(17, 90), faces: 1);
            var shallow = A.Map(facts);
            var deep = A.Map(facts);
            random.NextBytes(shallow.Values);
            random.NextBytes(deep.Values);
            for (int i = 0; i < deep.Values.Length; i++)
            {
                // Sparse, so that there are several regions.
                (shallow.Values[i], deep.Values[i]) = ((byte)(shallow.Values[i] * 3 / 5), (byte)(deep.Values[i] * 3 / 5));
            }

            var report = Fuse(facts, (0.6, shallow), (0.7, deep));
            byte[] expected = [.. shallow.Values.Zip(deep.Values, Math.Max)];
            report.Map.Values.ShouldBe(expected);
            var (area, boxes) = BruteForce(expected, shallow.Width, shallow.Height, facts.Geometry);
            report.ManipulatedArea.ShouldBe(area, 1e-12);
            report.Regions.Select(r => (r.Box.X, r.Box.Y, r.Box.Width, r.Box.Height)).Order().ShouldBe(boxes.Order());
            report.Regions.Select(r => r.Area).ShouldBe(report.Regions.Select(r => r.Area).OrderDescending());
        }
    }

    [Fact]
    public void At_most_twenty_regions_the_largest()
    {
        var facts = A.Facts(400, 400);
        var boxes = Enumerable.Range(0, 25).Select(i => (X: i % 5 * 20, Y: i / 5 * 20, W: 3 + (i % 7), H: 4, Value: (byte)200)).ToArray();
        var report = Fuse(facts, (0.9, A.Map(facts, boxes)));
        report.Regions.Count.ShouldBe(20);
        report.Regions.Min(r => r.Box.Width).ShouldBe(16, "the five narrowest went");
    }

    [Theory]
    [InlineData(1, 8, 12, 16, 12)]
    [InlineData(3, 40, 24, 16, 12)]
    [InlineData(6, 24, 8, 12, 16)]
    [InlineData(8, 12, 40, 12, 16)]
    public void Boxes_are_in_displayed_orientation(int orientation, int x, int y, int width, int height)
    {
        var facts = A.Facts(64, 48, orientation: orientation);
        var box = Fuse(facts, (0.9, A.Map(facts, (2, 3, 4, 3, 255)))).Regions.ShouldHaveSingleItem().Box;
        (box.X, box.Y, box.Width, box.Height).ShouldBe((x, y, width, height));
    }

    [Fact]
    public void Faces_carry_their_calibrated_scores()
    {
        var facts = A.Facts(faces: 2);
        var deep = Evidence("deepfake", 0.6, "") with { FaceScores = [0.25, 0.6] };
        Fusion.Fuse([Evidence("shallowfake", 0.3, ""), deep], facts, A.Calibration).Faces.Select(f => f.Score).ShouldBe([0.25, 0.6]);
        Fusion.Fuse([Evidence("shallowfake", 0.3, "")], facts, A.Calibration).Faces.ShouldAllBe(f => f.Score == null);
    }

    private static FusedReport Fuse(ImageFacts facts, (double Score, ProbabilityMap? Map) shallow, (double Score, ProbabilityMap? Map)? deep = null)
    {
        var detectors = new List<DetectorEvidence> { Evidence("shallowfake", shallow.Score, "") with { Map = shallow.Map } };
        if (deep is { } d)
        {
            detectors.Add(Evidence("deepfake", d.Score, "") with { Map = d.Map });
        }

        return Fusion.Fuse(detectors, facts, A.Calibration);
    }

    /// <summary>A map whose log-odds fall from a peak by <paramref name="steepness"/> a cell.</summary>
    private static ProbabilityMap Cone(ImageFacts facts, int x, int y, byte peak, double steepness)
    {
        var map = A.Map(facts);
        double top = Math.Log(peak / (255.0 - peak));
        for (int i = 0; i < map.Values.Length; i++)
        {
            double away = Math.Sqrt(Math.Pow((i % map.Width) - x, 2) + Math.Pow((i / map.Width) - y, 2));
            map.Values[i] = (byte)Math.Round(255 / (1 + Math.Exp((steepness * away) - top)));
        }

        return map;
    }

    private static DetectorEvidence Evidence(string name, double score, string stateIfNone) =>
        double.IsNaN(score) ? new() { Name = name, State = stateIfNone, Reason = "It did not." } : new() { Name = name, State = DetectorStates.Completed, RawScore = score };

    /// <summary>Labels by repeated relabelling to the smallest neighbour, pixels counted one by one.</summary>
    private static (double Area, List<(int, int, int, int)> Boxes) BruteForce(byte[] values, int width, int height, ImageGeometry g)
    {
        int[] label = [.. values.Select((v, i) => v > 127 ? i : -1)];
        for (bool changed = true; changed;)
        {
            changed = false;
            for (int i = 0; i < label.Length; i++)
            {
                for (int j = 0; j < label.Length; j++)
                {
                    if (label[i] >= 0 && label[j] >= 0 && Math.Abs((i % width) - (j % width)) <= 1 && Math.Abs((i / width) - (j / width)) <= 1 && label[j] < label[i])
                    {
                        (label[i], changed) = (label[j], true);
                    }
                }
            }
        }

        var pixels = new List<(int X, int Y, int Label)>();
        for (int y = 0; y < g.AnalysedHeight; y++)
        {
            for (int x = 0; x < g.AnalysedWidth; x++)
            {
                int l = label[(y / 4 * width) + (x / 4)];
                if (l >= 0)
                {
                    pixels.Add((x, y, l));
                }
            }
        }

        double total = g.AnalysedWidth * g.AnalysedHeight;
        var boxes = pixels.GroupBy(p => p.Label)
            .Where(r => label.Count(l => l == r.Key) >= 4 && r.Count() >= 0.0002 * total)
            .Select(r => (r.Min(p => p.X), r.Min(p => p.Y), r.Max(p => p.X) - r.Min(p => p.X) + 1, r.Max(p => p.Y) - r.Min(p => p.Y) + 1)).ToList();
        return (pixels.Count / total, boxes);
    }
}
