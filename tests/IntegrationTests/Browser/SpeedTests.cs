using System.Globalization;
using Microsoft.Playwright;
using Xunit.Abstractions;
using static Microsoft.Playwright.Assertions;

namespace Palimpsest.IntegrationTests.Browser;

/// <summary>Light and quick, on a machine without a GPU.</summary>
[Collection(ConsoleCollection.Name)]
public sealed class SpeedTests(ConsoleFixture fixture, ITestOutputHelper output)
{
    [Fact]
    public async Task The_page_weighs_under_300_kB_and_paints_within_a_second()
    {
        await using var page = await ConsolePage.OpenAsync(fixture);
        await Expect(page.Page.GetByRole(AriaRole.Heading, new() { Name = "What was painted over?" })).ToBeVisibleAsync();
        await page.Page.WaitForLoadStateAsync(LoadState.NetworkIdle);

        double weight = await page.Page.EvaluateAsync<double>("""
            () => [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
              .filter((entry) => !entry.name.includes('/v1/')).reduce((sum, entry) => sum + entry.decodedBodySize, 0)
            """);
        double paint = await page.Page.EvaluateAsync<double>("() => performance.getEntriesByName('first-contentful-paint')[0].startTime");

        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{weight / 1000:F1} kB uncompressed, first contentful paint after {paint:F0} ms"));
        weight.ShouldBeInRange(20_000, 300_000);
        paint.ShouldBeInRange(1, 1_000);
    }

    [Fact]
    public async Task The_slider_keeps_60_frames_a_second_on_twelve_megapixels()
    {
        var analysis = await fixture.AnalysedAsync("twelve-megapixels.jpg", () => TestPictures.Large(seed: 81));
        (analysis.Image.Width, analysis.Image.Height).ShouldBe((4000, 3000));
        await using var page = await ConsolePage.OpenAsync(fixture, $"#/a/{analysis.Id}");
        await page.VerdictAsync();
        // Drawn, whatever is on it: a model may find nothing in this picture, and a blank map costs as much to draw.
        await page.Page.WaitForFunctionAsync("() => document.querySelector('.picture .over').width > 0");
        await page.Page.WaitForLoadStateAsync(LoadState.NetworkIdle);

        // Another process on this machine can take frames away, it cannot add any: the best of a few drags is the page's own speed, and where not even the resting page gets its 60
        // frames, the drag must keep what there are.
        var drags = new List<(double Resting, double Dragged)>();
        while (drags.Count < 6 && !drags.Exists(Smooth))
        {
            drags.Add((await FramesAsync(page, () => Task.Delay(700)), await FramesAsync(page, () => DragAsync(page))));
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{drags[^1].Dragged:F1} frames/s while dragging, {drags[^1].Resting:F1} at rest"));
        }

        drags.ShouldContain(d => Smooth(d));
    }

    private static bool Smooth((double Resting, double Dragged) rates) => rates.Resting > 30 && rates.Dragged > 0.98 * Math.Min(60, rates.Resting);

    /// <summary>Frames a second while something is done.</summary>
    private static async Task<double> FramesAsync(ConsolePage page, Func<Task> action)
    {
        await page.Page.EvaluateAsync("""
            () => {
              const record = window.record = { times: [], values: new Set(), on: true };
              const over = document.querySelector('.picture .over');
              const frame = (time) => { if (!record.on) return; record.times.push(time); record.values.add(over.style.opacity); requestAnimationFrame(frame); };
              requestAnimationFrame(frame);
            }
            """);
        await action();
        double[] times = await page.Page.EvaluateAsync<double[]>("() => { record.on = false; return record.times; }");
        return 1000 * (times.Length - 1) / (times[^1] - times[0]);
    }

    /// <summary>Drags the slider to and fro for about a second and a half.</summary>
    private static async Task DragAsync(ConsolePage page)
    {
        var slider = (await page.Page.Locator("#opacity").BoundingBoxAsync())!;
        float y = slider.Y + (slider.Height / 2);
        await page.Page.Mouse.MoveAsync(slider.X + 8, y);
        await page.Page.Mouse.DownAsync();
        var until = DateTime.UtcNow.AddSeconds(1.5);
        for (int i = 0; DateTime.UtcNow < until; i++)
        {
            await page.Page.Mouse.MoveAsync(slider.X + 8 + ((slider.Width - 16) * (float)(0.5 - (0.5 * Math.Cos(i / 12.0)))), y);
        }

        await page.Page.Mouse.UpAsync();
        (await page.Page.EvaluateAsync<int>("() => record.values.size")).ShouldBeGreaterThan(20, "the mask's opacity followed the pointer");
    }
}
