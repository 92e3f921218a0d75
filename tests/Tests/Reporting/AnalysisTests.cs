using System.Text.Json;
using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Reporting;

namespace Palimpsest.Tests.Reporting;

/// <summary>The aggregate, event by event.</summary>
public sealed class AnalysisTests
{
    private readonly Analysis analysis = new(A.Calibration, new ReportingOptions());

    public static TheoryData<int> Orders()
    {
        var data = new TheoryData<int>();
        for (int i = 0; i < 24; i++)
        {
            data.Add(i);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Orders))]
    public void Every_order_of_events_each_delivered_twice_ends_in_the_same_findings(int order)
    {
        object[] events = [A.Preprocessed(), A.Routed(), A.Localized(DetectorNames.Shallowfake, 0.4), A.Localized(DetectorNames.Deepfake, 0.6)];
        var reference = Play(events);
        reference.Ready.ShouldBe(1);
        var permuted = Permutation(events, order);

        // Doubled at once, and the whole sequence a second time.
        var doubled = Play(permuted.SelectMany(e => new[] { e, e }));
        var again = Play(permuted.Concat(permuted));

        foreach (var played in new[] { doubled, again })
        {
            played.Ready.ShouldBe(1, "the report is asked for once");
            Deterministic(played.Record).ShouldBe(Deterministic(reference.Record));
        }
    }

    [Theory]
    [MemberData(nameof(Orders))]
    public void A_deferred_localizer_runs_once_when_the_first_finds_nothing_in_every_order(int order)
    {
        object[] first = [A.Preprocessed(), A.Routed(deep: DetectorActions.RunIfClean), A.Localized(DetectorNames.Shallowfake, 0.3), new StepOverdue(Counted: false)];
        var played = Play(Permutation(first, order).Where(e => e is not StepOverdue).SelectMany(e => new[] { e, e }));
        played.Ready.ShouldBe(0);
        var command = played.Sent.ShouldHaveSingleItem();
        command.Queue.ShouldBe("localize-deepfake");
        command.Message.ShouldBeOfType<LocalizeManipulation>().Prepared.ShouldBe(A.Prepared);
        State(played.Record, DetectorNames.Deepfake).ShouldBe(DetectorStates.Pending);

        var ended = Apply(played.Record, A.Localized(DetectorNames.Deepfake, 0.1));
        ended!.NeedsReport.ShouldBeTrue();
    }

    [Fact]
    public void What_preprocessing_said_comes_with_the_plan_or_before_it()
    {
        var whole = A.Routed() with { Preprocessed = A.Preprocessed(faces: 2) };
        var findings = Play([whole]).Record.Findings;
        (findings.Width, findings.Height, findings.Format, findings.FaceCount).ShouldBe((A.Preprocessed().Width, A.Preprocessed().Height, A.Preprocessed().Format, 2));
        Json(Play([A.Preprocessed(faces: 2), whole]).Record.Findings).ShouldBe(Json(findings));
        Json(Play([A.Preprocessed(faces: 2), A.Routed()]).Record.Findings).ShouldBe(Json(findings), "from a router of an earlier version");

        static string Json(AnalysisFindings findings) => JsonSerializer.Serialize(findings, PlatformJson.Options);
    }

    [Fact]
    public void A_deferred_localizer_is_spared_when_the_first_is_sure()
    {
        var played = Play([A.Preprocessed(), A.Routed(deep: DetectorActions.RunIfClean), A.Localized(DetectorNames.Shallowfake, 0.9)]);
        played.Ready.ShouldBe(1);
        played.Sent.ShouldBeEmpty();
        var deepfake = played.Record.Findings.Detectors.Single(d => d.Name == DetectorNames.Deepfake);
        deepfake.State.ShouldBe(DetectorStates.NotApplicable);
        deepfake.Reason!.ShouldStartWith("not needed: ");
        deepfake.Score.ShouldBeNull();
    }

    [Fact]
    public void A_deferred_localizer_runs_when_the_first_fails()
    {
        var played = Play([A.Preprocessed(), A.Routed(deep: DetectorActions.RunIfClean), new StepFailed(Steps.Localize, DetectorNames.Shallowfake, Passing: false, "It died.")]);
        played.Ready.ShouldBe(0);
        played.Sent.ShouldHaveSingleItem().Queue.ShouldBe("localize-deepfake");
    }

    [Fact]
    public void One_failed_localizer_leaves_a_report_two_leave_a_failure()
    {
        var one = Play([A.Preprocessed(), A.Routed(), A.Localized(DetectorNames.Shallowfake), new StepFailed(Steps.Localize, DetectorNames.Deepfake, false, "It died.")]);
        one.Ready.ShouldBe(1);
        State(one.Record, DetectorNames.Deepfake).ShouldBe(DetectorStates.Error);

        var two = Play([A.Preprocessed(), A.Routed(), new StepFailed(Steps.Localize, DetectorNames.Shallowfake, false, "A."), new StepFailed(Steps.Localize, DetectorNames.Deepfake, false, "B.")]);
        two.Record.Status.ShouldBe(AnalysisStatuses.Failed);
        two.Record.Findings.Error!.Code.ShouldBe(ErrorCodes.NoDetectorRan);
        two.Record.Findings.Error.Detail.ShouldContain("shallowfake: A; deepfake: B");
        two.Record.Findings.Result.ShouldBeNull();
    }

    [Fact]
    public void An_unavailable_localizer_has_the_state_error_and_no_score()
    {
        var played = Play([A.Preprocessed(), A.Routed(deep: DetectorActions.Unavailable), A.Localized(DetectorNames.Shallowfake, 0.1)]);
        played.Ready.ShouldBe(1);
        State(played.Record, DetectorNames.Deepfake).ShouldBe(DetectorStates.Error);
        played.Record.Findings.Detectors[1].Score.ShouldBeNull();
    }

    [Fact]
    public void A_refused_picture_fails_with_its_code_and_nothing_moves_it_afterwards()
    {
        var played = Play([new ImageRejected { AnalysisId = "an_1", Code = ErrorCodes.ImageTruncated, Detail = "Cut." }]);
        played.Record.Status.ShouldBe(AnalysisStatuses.Failed);
        played.Record.Findings.Error!.Code.ShouldBe(ErrorCodes.ImageTruncated);
        played.Record.StageDue.ShouldBeNull();
        foreach (object late in new object[] { A.Preprocessed(), A.Routed(), A.Localized(DetectorNames.Deepfake), new StepOverdue(true), new StepAbandoned(null, "x") })
        {
            Apply(played.Record, late).ShouldBeNull();
        }
    }

    [Fact]
    public void A_passing_failure_is_tried_again_later_each_time_after_twice_the_wait_then_given_up()
    {
        var options = new ReportingOptions();
        var record = Play([A.Preprocessed(), A.Routed()]).Record;
        var waits = new List<double>();
        for (int i = 0; i < options.MaxResends; i++)
        {
            var change = Apply(record, new StepFailed(Steps.Localize, DetectorNames.Deepfake, Passing: true, "The database was away."))!;
            var sent = change.Outgoing.ShouldHaveSingleItem();
            sent.Queue.ShouldBe("localize-deepfake");
            waits.Add((sent.NotBefore!.Value - A.Start).TotalSeconds);
            change.Record.StageDue!.Value.ShouldBeGreaterThan(sent.NotBefore.Value);
            record = change.Record;
        }

        waits.ShouldBe([5, 10, 20, 40]);
        State(Apply(record, new StepFailed(Steps.Localize, DetectorNames.Deepfake, Passing: true, "Still."))!.Record, DetectorNames.Deepfake).ShouldBe(DetectorStates.Error);
    }

    [Fact]
    public void A_full_volume_is_waited_for_until_the_final_deadline()
    {
        var options = new ReportingOptions();
        var full = new StepFailed(Steps.Localize, DetectorNames.Deepfake, Passing: true, "The volume was full.", VolumeFull: true);
        var record = Play([A.Preprocessed(), A.Routed()]).Record;
        for (int i = 0; i < options.MaxResends + 3; i++)
        {
            var change = Apply(record, full)!;
            (change.Outgoing.ShouldHaveSingleItem().NotBefore!.Value - A.Start).TotalSeconds.ShouldBe(60);
            change.Record.StageAttempts.ShouldBe(0);
            record = change.Record;
        }

        var late = record with { CreatedAt = A.Start.AddHours(-options.FinalDeadlineHours), StageAttempts = options.MaxResends };
        State(Apply(late, full)!.Record, DetectorNames.Deepfake).ShouldBe(DetectorStates.Error);
    }

    [Fact]
    public void What_is_sent_again_is_what_is_pending()
    {
        var queued = A.Record();
        Analysis.Commands(queued).ShouldHaveSingleItem().Message.ShouldBeOfType<PreprocessImage>().Upload.ShouldBe(queued.Request.Upload);

        var preprocessed = Play([A.Preprocessed()]).Record;
        preprocessed.Stage.ShouldBe(Stages.Routing);
        var route = Analysis.Commands(preprocessed).ShouldHaveSingleItem();
        route.Queue.ShouldBe(Queues.Route);
        JsonSerializer.Serialize(route.Message, route.Message.GetType()).ShouldBe(JsonSerializer.Serialize(A.Preprocessed()));

        var routed = Play([A.Preprocessed(), A.Routed(), A.Localized(DetectorNames.Shallowfake)]).Record;
        Analysis.Commands(routed).ShouldHaveSingleItem().Queue.ShouldBe("localize-deepfake");
    }

    [Fact]
    public void Waiting_too_long_for_one_localizer_gives_a_partial_report_for_all_a_failure()
    {
        var partial = Play([A.Preprocessed(), A.Routed(), A.Localized(DetectorNames.Shallowfake), new StepAbandoned(null, "No answer.")]);
        partial.Ready.ShouldBe(1);
        State(partial.Record, DetectorNames.Deepfake).ShouldBe(DetectorStates.Timeout);

        Play([A.Preprocessed(), A.Routed(), new StepAbandoned(null, "No answer.")]).Record.Findings.Error!.Code.ShouldBe(ErrorCodes.DeadlineExceeded);
        Play([new StepAbandoned(null, "No answer.")]).Record.Findings.Error!.Code.ShouldBe(ErrorCodes.DeadlineExceeded);
    }

    [Fact]
    public void An_answer_after_an_error_counts_when_it_is_a_real_one()
    {
        var error = Play([A.Preprocessed(), A.Routed(), new StepFailed(Steps.Localize, DetectorNames.Deepfake, false, "It died.")]).Record;
        State(Apply(error, A.Localized(DetectorNames.Deepfake, 0.2))!.Record, DetectorNames.Deepfake).ShouldBe(DetectorStates.Completed);
        var completed = Play([A.Preprocessed(), A.Routed(), A.Localized(DetectorNames.Deepfake, 0.2)]).Record;
        Apply(completed, new StepFailed(Steps.Localize, DetectorNames.Deepfake, false, "It died.")).ShouldBeNull();
        Apply(completed, A.Localized(DetectorNames.Deepfake, 0.9)).ShouldBeNull();
    }

    [Fact]
    public void Deleting_cancels_what_runs_and_leaves_nothing_of_the_client()
    {
        var running = Play([A.Preprocessed(), A.Routed()]).Record;
        var deleted = Apply(running, new AnalysisDeleted())!.Record;
        deleted.Status.ShouldBe(AnalysisStatuses.Canceled);
        deleted.StageDue.ShouldBeNull();
        deleted.Request.Filename.ShouldBeNull();
        deleted.Findings.Detectors.ShouldBeEmpty();
        Apply(deleted, new AnalysisDeleted()).ShouldBeNull();
        Apply(deleted, A.Localized(DetectorNames.Deepfake)).ShouldBeNull();
    }

    [Fact]
    public void Retention_takes_the_pictures_and_keeps_the_numbers()
    {
        Apply(Play([A.Preprocessed(), A.Routed(), A.Localized(DetectorNames.Shallowfake)]).Record, new AnalysisExpired()).ShouldBeNull("it still runs");
        var ended = Play([A.Preprocessed(), A.Routed(), A.Localized(DetectorNames.Shallowfake), A.Localized(DetectorNames.Deepfake)]).Record;
        var erased = Apply(ended, new AnalysisExpired())!.Record;
        erased.ErasedAt.ShouldBe(A.Start);
        erased.Findings.Detectors.ShouldAllBe(d => d.Map == null && d.Score == 0.5);
    }

    [Theory]
    [InlineData(false, null)]
    [InlineData(true, "{}")] // by which the client knows its picture; over at once, not after thirty days
    public void Retention_takes_what_the_client_said_of_the_picture(bool zero, string? metadata)
    {
        var request = A.Request() with { SourceUrl = "https://example.com/a.png", CallbackUrl = "https://example.com/hook?key=1", Metadata = [], ZeroRetention = zero };
        var erased = Apply(Analysis.Fail(A.Record(request: request), ErrorCodes.ImageCorrupt, "Broken.", A.Start), new AnalysisExpired())!.Record.Request;
        (erased.Filename, erased.SourceUrl, erased.CallbackUrl, erased.Metadata?.ToJsonString()).ShouldBe((null, null, null, metadata));
        erased.Sha256.ShouldBe(request.Sha256);
    }

    private AnalysisChange? Apply(AnalysisRecord record, object @event) => analysis.Apply(record, @event, A.Start);

    private (AnalysisRecord Record, List<Outgoing> Sent, int Ready) Play(IEnumerable<object> events)
    {
        var (record, sent, ready) = (A.Record(), new List<Outgoing>(), 0);
        foreach (object @event in events)
        {
            if (Apply(record, @event) is { } change)
            {
                // What the service does when all are in.
                record = change.NeedsReport ? Analysis.Succeed(change.Record, change.Record.Findings, A.Start) : change.Record;
                ready += change.NeedsReport ? 1 : 0;
                sent.AddRange(change.Outgoing);
            }
        }

        return (record, sent, ready);
    }

    private static string? State(AnalysisRecord record, string detector) => record.Findings.Detectors.Single(d => d.Name == detector).State;

    /// <summary>Width, format and warnings are read from the prepared image when the report is made: not part of the comparison.</summary>
    private static string Deterministic(AnalysisRecord record) => JsonSerializer.Serialize(
        new { record.Status, record.Stage, record.StageDue, record.Findings.Detectors, record.Findings.Routing, record.Findings.Error }, PlatformJson.Options);

    private static List<object> Permutation(object[] items, int index)
    {
        var rest = items.ToList();
        var result = new List<object>();
        for (int n = items.Length; n > 0; n--)
        {
            result.Add(rest[index % n]);
            rest.RemoveAt(index % n);
            index /= n;
        }

        return result;
    }
}
