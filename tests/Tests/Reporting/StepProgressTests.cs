using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Reporting;

namespace Palimpsest.Tests.Reporting;

/// <summary>What the answer to a step says of its queue when the step was sent more than once.</summary>
public sealed class StepProgressTests
{
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(30);

    [Fact]
    public void An_answer_counts_from_the_sending_that_it_answers()
    {
        var analysis = new Analysis(A.Calibration, new ReportingOptions());
        var routed = new object[] { A.Preprocessed(), A.Routed() }.Aggregate(A.Record(), (record, e) => analysis.Apply(record, e, A.Start)!.Record);
        var again = routed with { StageSince = A.Start.AddMinutes(5), StageAttempts = 2 };
        var answered = analysis.Apply(again, A.Localized(DetectorNames.Shallowfake), A.Start.AddMinutes(6))!.Record;

        Overtaken(null).ShouldBe([false, false, false], "routing's own message, which may have waited all the time");
        Overtaken(A.Start.AddMinutes(2)).ShouldBe([true, false, false], "sent again once");
        Overtaken(A.Start.AddMinutes(5)).ShouldBe([true, true, false], "sent again twice");
        Overtaken(A.Start.AddMinutes(7)).ShouldBe([true, true, false], "never later than the record says");

        bool[] Overtaken(DateTimeOffset? asked)
        {
            var progress = new StepProgress(new FakeTimeProvider(A.Start));
            progress.Observe(again, answered, A.Start.AddMinutes(6), asked);
            progress.IsQuiet("localize-shallowfake", A.Start.AddMinutes(6.5), TimeSpan.FromMinutes(1)).ShouldBeFalse("an answer is an answer");
            return [.. new[] { 0, 2, 5 }.Select(sent => progress.Overtook("localize-shallowfake", A.Start.AddMinutes(sent), Margin))];
        }
    }

    [Fact]
    public void A_plan_is_an_answer_of_preprocessing_and_of_routing()
    {
        var progress = new StepProgress(new FakeTimeProvider(A.Start));
        var before = A.Record() with { StageSince = A.Start.AddMinutes(5) };
        var after = new Analysis(A.Calibration, new ReportingOptions()).Apply(before, A.Routed() with { Preprocessed = A.Preprocessed() }, A.Start.AddMinutes(6))!.Record;
        progress.Observe(before, after, A.Start.AddMinutes(6), A.Start.AddMinutes(5));
        foreach (string step in new[] { Steps.Preprocess, Steps.Route })
        {
            progress.Overtook(step, A.Start.AddMinutes(4), Margin).ShouldBeTrue(step);
            progress.IsQuiet(step, A.Start.AddMinutes(6.5), TimeSpan.FromMinutes(1)).ShouldBeFalse(step);
        }
    }

    [Fact]
    public async Task The_bus_says_which_sending_was_answered()
    {
        var host = new ReportingHost();
        await host.InitializeAsync();
        try
        {
            var progress = host.Services.GetRequiredService<StepProgress>();
            var now = DateTimeOffset.FromUnixTimeMilliseconds(TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds());
            var before = now.AddMinutes(-10);

            // Sent again, and answered by a message that did not come from the outbox after that.
            var waited = A.Record("an_waited") with { StageSince = now, StageAttempts = 1, StageDue = now.AddMinutes(2) };
            await host.Store.InsertAsync([waited], [], null, default);
            await host.Services.GetRequiredService<IBus>().Publish(new ImageRejected { AnalysisId = waited.Id, Code = ErrorCodes.ImageCorrupt, Detail = "Broken." });
            await host.EndAsync(waited.Id);
            progress.Overtook(Steps.Preprocess, before, Margin).ShouldBeFalse();

            // Lost, sent again, and that is what is answered.
            string lost = await host.SubmitAsync(send: false, at: before);
            await host.Services.GetRequiredService<AnalysisUpdater>().ApplyAsync(lost, new StepOverdue(Counted: true), default);
            await host.EndAsync(lost);
            progress.Overtook(Steps.Preprocess, before, Margin).ShouldBeTrue();
        }
        finally
        {
            await host.DisposeAsync();
        }
    }
}
