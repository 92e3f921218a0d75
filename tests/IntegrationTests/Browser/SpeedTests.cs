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
        await page.Page.WaitForFunctionAsync("() => { const c = document.querySelector('.picture .over'); return c.width > 0 && c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v) => v > 0); }");
        await page.Page.WaitForLoadStateAsync(LoadState.NetworkIdle);

        // Another process on this machine can take a frame away, it cannot add one: the best of three drags is the page's own speed.
        var drags = new List<(double FramesPerSecond, double Slow)>();
        for (int i = 0; i < 3 && !drags.Exists(Smooth); i++)
        {
            drags.Add(await DragAsync(page));
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{drags[^1].FramesPerSecond:F1} frames/s, {drags[^1].Slow:P1} of the frames late"));
        }

        drags.ShouldContain(d => Smooth(d));
    }

    // 60 Hz within one per cent, and at most one frame in fifty comes late.
    private static bool Smooth((double FramesPerSecond, double Slow) drag) => drag is { FramesPerSecond: > 59.4, Slow: <= 0.02 };

    /// <summary>Drags the slider to and fro for about a second and a half.</summary>
    private static async Task<(double FramesPerSecond, double Slow)> DragAsync(ConsolePage page)
    {
        await page.Page.EvaluateAsync("""
            () => {
              const record = window.record = { times: [], values: new Set(), on: true };
              const slider = document.getElementById('opacity');
              const frame = (time) => { record.times.push(time); record.values.add(getComputedStyle(document.querySelector('.picture .over')).opacity); if (record.on) requestAnimationFrame(frame); };
              requestAnimationFrame(frame);
            }
            """);
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
        double[] times = await page.Page.EvaluateAsync<double[]>("() => { record.on = false; return record.times; }");
        (await page.Page.EvaluateAsync<int>("() => record.values.size")).ShouldBeGreaterThan(20, "the mask's opacity followed the pointer");
        var gaps = times.Skip(1).Zip(times, (later, earlier) => later - earlier).ToList();
        return (1000 / gaps.Average(), gaps.Count(gap => gap > 20) / (double)gaps.Count);
    }
}
