using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Palimpsest.IntegrationTests.Browser;

/// <summary>What one looks at and does on the page of a finished analysis.</summary>
[Collection(ConsoleCollection.Name)]
public sealed class ResultTests(ConsoleFixture fixture)
{
    private const string Viewer = ".picture .viewer";

    [Fact]
    public async Task The_page_says_what_the_analysis_says()
    {
        var analysis = await fixture.SpliceAsync();
        await using var page = await ConsolePage.OpenAsync(fixture, $"#/a/{analysis.Id}");

        string words = analysis.Verdict switch { "likely_fake" => "Likely manipulated", "likely_real" => "Likely real", _ => "Uncertain" };
        (await page.VerdictAsync()).ShouldBe(words);
        // Rounding must not make anything certain.
        string percent = analysis.Score is >= 0.9995 and < 1 ? "> 99.9 %" : $"{analysis.Score * 100:F1} %";
        await Expect(page.Page.Locator(".meter strong")).ToHaveTextAsync(percent + " probability");
        await Expect(page.Page.Locator(".picture .labels span")).ToHaveCountAsync(analysis.Regions.Count + analysis.Faces.Count);
        foreach (var detector in analysis.Detectors.Where(d => d.Model is not null))
        {
            await Expect(page.Page.Locator(".who")).ToContainTextAsync($"{detector.Model!.Name} {detector.Model.Version}");
        }

        await page.Page.GetByText("The answer as JSON").ClickAsync();
        using var shown = JsonDocument.Parse((await page.Page.Locator("details pre").TextContentAsync())!);
        shown.RootElement.GetProperty("id").GetString().ShouldBe(analysis.Id);
        shown.RootElement.GetProperty("score").GetDouble().ShouldBe(analysis.Score!.Value);
    }

    [Fact]
    public async Task The_slider_fades_the_mask_and_the_modes_draw_it_differently()
    {
        var analysis = await fixture.SpliceAsync();
        analysis.Regions.ShouldNotBeEmpty("the picture is made to be marked");
        await using var page = await ConsolePage.OpenAsync(fixture, $"#/a/{analysis.Id}");
        await ShownAsync(page);
        await page.Page.GetByRole(AriaRole.Button, new() { Name = "Boxes" }).ClickAsync();

        await SlideAsync(page, 100);
        byte[] full = await page.SeenAsync(Viewer);
        await SlideAsync(page, 0);
        byte[] none = await page.SeenAsync(Viewer);
        none.ShouldNotBe(full);
        await page.Page.Locator(".over").First.EvaluateAsync("canvas => canvas.remove()");
        (await page.SeenAsync(Viewer)).ShouldBe(none, "at zero the picture alone is seen");
        await page.Page.ReloadAsync();
        await ShownAsync(page);

        byte[] heat = await page.SeenAsync(Viewer);
        await ModeAsync(page, "outline");
        byte[] outline = await page.SeenAsync(Viewer);
        outline.ShouldNotBe(heat);
        await ModeAsync(page, "blink");
        (await page.Page.Locator(".over").First.EvaluateAsync<string>("canvas => getComputedStyle(canvas).animationName")).ShouldBe("blink");
    }

    [Fact]
    public async Task Single_pixels_are_seen_exactly_as_they_are_in_the_file()
    {
        byte[] png = TestPictures.Png(seed: 61, width: 300, height: 200);
        var (values, width, _) = TestPictures.Read(png);
        await using var page = await ConsolePage.OpenAsync(fixture);
        await page.ChooseAsync(fixture.File("pixels.png", png));
        await ShownAsync(page, masked: false);

        await CheckPixelsAsync(page, values, width);

        // The page that did not send the file itself gets the same pixels from the server.
        await using var later = await ConsolePage.OpenAsync(fixture, new Uri(page.Page.Url).Fragment);
        await ShownAsync(later, masked: false);
        await CheckPixelsAsync(later, values, width);
    }

    /// <summary>Zooms to single pixels and compares a hundred of them with the file's.</summary>
    private static async Task CheckPixelsAsync(ConsolePage page, byte[] values, int width)
    {
        await page.Page.GetByRole(AriaRole.Button, new() { Name = "Single pixels" }).First.ClickAsync();
        await Expect(page.Page.Locator(".zoom").First).ToHaveTextAsync("1600 %");

        // The middle of the view is the middle of the picture: each of its pixels is a square of 16.
        var expected = from y in Enumerable.Range(95, 10) from x in Enumerable.Range(145, 10) from _ in Enumerable.Range(0, 3) from band in Enumerable.Range(0, 3)
                       select (int)values[(((y * width) + x) * 3) + band];
        int[] seen = [];
        for (int i = 0; i < 40 && !seen.SequenceEqual(expected); i++)
        {
            await Task.Delay(100);
            seen = await page.Page.EvaluateAsync<int[]>(Colours);
        }

        seen.ShouldBe(expected);
    }

    private const string Colours = """
            () => {
              const canvas = document.querySelector('.picture canvas');
              const context = canvas.getContext('2d');
              const colours = [];
              for (let y = 95; y < 105; y++) for (let x = 145; x < 155; x++) {
                const [left, top] = [canvas.width / 2 + (x - 150) * 16, canvas.height / 2 + (y - 100) * 16];
                for (const inset of [1, 8, 14]) colours.push(...context.getImageData(Math.round(left) + inset, Math.round(top) + inset, 1, 1).data.slice(0, 3));
              }
              return colours;
            }
            """;

    [Fact]
    public async Task Zoom_and_pan_by_wheel_drag_buttons_and_double_click()
    {
        var analysis = await fixture.SpliceAsync();
        await using var page = await ConsolePage.OpenAsync(fixture, $"#/a/{analysis.Id}");
        await ShownAsync(page);
        var viewer = page.Page.Locator(Viewer);
        double fitted = await ZoomAsync(page);
        string whole = await DrawnAsync(page);

        await viewer.HoverAsync();
        await page.Page.Mouse.WheelAsync(0, -400);
        (await ZoomAsync(page)).ShouldBe(fitted, "a wheel over a viewer nobody chose scrolls the page");
        await viewer.FocusAsync();
        await viewer.HoverAsync();
        await page.Page.Mouse.WheelAsync(0, -400);
        (await ZoomAsync(page)).ShouldBeGreaterThan(fitted * 1.5);

        string before = await DrawnAsync(page);
        var box = (await viewer.BoundingBoxAsync())!;
        await page.Page.Mouse.MoveAsync(box.X + 300, box.Y + 200);
        await page.Page.Mouse.DownAsync();
        await page.Page.Mouse.MoveAsync(box.X + 220, box.Y + 150, new() { Steps = 4 });
        await page.Page.Mouse.UpAsync();
        (await DrawnAsync(page) == before).ShouldBeFalse("dragging moves the picture");

        await page.Page.GetByRole(AriaRole.Button, new() { Name = "One to one" }).First.ClickAsync();
        (await ZoomAsync(page)).ShouldBe(100);
        await page.Page.GetByRole(AriaRole.Button, new() { Name = "Fit into view" }).First.ClickAsync();
        (await ZoomAsync(page)).ShouldBe(fitted);
        (await DrawnAsync(page) == whole).ShouldBeTrue("fitted again it looks as at first");

        await page.Page.GetByRole(AriaRole.Button, new() { NameRegex = new Regex("^Area 1") }).ClickAsync();
        (await ZoomAsync(page)).ShouldBeGreaterThan(fitted);
    }

    [Fact]
    public async Task Feedback_is_kept()
    {
        var analysis = await fixture.AnalysedAsync("feedback.jpg", () => TestPictures.Forged(seed: 62));
        await using var page = await ConsolePage.OpenAsync(fixture, $"#/a/{analysis.Id}");

        await page.Page.GetByLabel("Note on your judgement").FillAsync("the shadow is wrong");
        await page.Page.GetByRole(AriaRole.Button, new() { Name = "It is manipulated" }).ClickAsync();
        await Expect(page.Page.Locator("#notice")).ToContainTextAsync("your judgement is kept");
        await Expect(page.Page.GetByRole(AriaRole.Button, new() { Name = "It is manipulated" })).ToHaveAttributeAsync("aria-pressed", "true");

        using var kept = JsonDocument.Parse(await fixture.Platform.Client.BytesAsync("/v1/feedback?format=json"));
        var judgement = kept.RootElement.GetProperty("items").EnumerateArray().Single(item => item.GetProperty("analysis_id").GetString() == analysis.Id);
        judgement.GetProperty("label").GetString().ShouldBe("fake");
        judgement.GetProperty("note").GetString().ShouldBe("the shadow is wrong");

        // Shown again to whoever opens the analysis later.
        await page.Page.ReloadAsync();
        await Expect(page.Page.GetByRole(AriaRole.Button, new() { Name = "It is manipulated" })).ToHaveAttributeAsync("aria-pressed", "true");
        await Expect(page.Page.GetByRole(AriaRole.Button, new() { Name = "It is real" })).ToHaveAttributeAsync("aria-pressed", "false");
        await Expect(page.Page.GetByLabel("Note on your judgement")).ToHaveValueAsync("the shadow is wrong");
    }

    [Fact]
    public async Task Link_report_and_masks_are_taken_away_and_the_analysis_erased()
    {
        var analysis = await fixture.AnalysedAsync("erase.jpg", () => TestPictures.Forged(seed: 63));
        await using var page = await ConsolePage.OpenAsync(fixture, $"#/a/{analysis.Id}");
        await page.VerdictAsync();
        await page.Context.GrantPermissionsAsync(["clipboard-read", "clipboard-write"]);

        await page.Page.GetByRole(AriaRole.Button, new() { Name = "Copy link" }).ClickAsync();
        await Expect(page.Page.Locator("#notice")).ToHaveTextAsync("Link copied.");
        (await page.Page.EvaluateAsync<string>("navigator.clipboard.readText()")).ShouldEndWith($"#/a/{analysis.Id}");
        foreach (var (button, name, start) in new[] { ("Download report", ".html", "<!"), ("JSON", ".json", "{"), ("CSV", ".csv", "id,"), ("Mask", "-mask.png", "\u0089PNG"), ("Overlay", "-overlay.png", "\u0089PNG") })
        {
            var download = await page.Page.RunAndWaitForDownloadAsync(() => page.Page.GetByRole(AriaRole.Button, new() { Name = button, Exact = true }).ClickAsync());
            download.SuggestedFilename.ShouldBe(analysis.Id + name);
            byte[] content = await File.ReadAllBytesAsync(await download.PathAsync());
            System.Text.Encoding.Latin1.GetString(content).ShouldStartWith(start, Case.Insensitive, button);
        }

        await page.Page.GetByRole(AriaRole.Button, new() { Name = "Erase …" }).ClickAsync();
        await page.Page.GetByRole(AriaRole.Dialog).GetByRole(AriaRole.Button, new() { Name = "Erase", Exact = true }).ClickAsync();
        await Expect(page.Page.GetByRole(AriaRole.Heading, new() { Name = "History" })).ToBeVisibleAsync();
        await Expect(page.Page.GetByRole(AriaRole.Link, new() { NameRegex = new Regex("erase.jpg") })).ToHaveCountAsync(0);
    }

    [Fact]
    public async Task Every_piece_of_evidence_can_be_looked_at()
    {
        var analysis = await fixture.SpliceAsync();
        analysis.Evidence.ShouldNotBeEmpty();
        await using var page = await ConsolePage.OpenAsync(fixture, $"#/a/{analysis.Id}");
        await page.VerdictAsync();
        var panel = page.Page.Locator("#evidence-panel");

        foreach (var item in analysis.Evidence)
        {
            await page.Page.Locator($"#evidence-{item.Name}").ClickAsync();
            await Expect(panel).ToHaveAttributeAsync("aria-labelledby", $"evidence-{item.Name}");
            await Expect(panel.Locator("h3")).ToBeVisibleAsync(new() { Timeout = 30_000 });
            (await panel.Locator("p").First.TextContentAsync()).ShouldNotBeNullOrWhiteSpace();
            if (await panel.Locator(".viewer").CountAsync() > 0)
            {
                await Expect(panel.GetByText("Drawing the map …")).ToBeHiddenAsync(new() { Timeout = 30_000 });
                byte[] beside = await page.SeenAsync("#evidence-panel .pair");
                await panel.GetByRole(AriaRole.Button, new() { Name = "over the picture" }).ClickAsync();
                await Expect(panel.Locator("input[type=range]")).ToBeVisibleAsync();
                (await page.SeenAsync("#evidence-panel .pair")).ShouldNotBe(beside, item.Name);
            }
        }
    }

    [Fact]
    public async Task On_a_splice_saved_twice_the_JPEG_evidence_points_to_the_pasted_part()
    {
        // Saved at 70, a part that was never saved so low pasted into the middle half, saved at 92.
        const int Width = 640, Height = 480;
        var analysis = await fixture.AnalysedAsync("saved-twice.jpg", () => TestPictures.Forged(seed: 66, Width, Height));
        string address = $"/v1/analyses/{analysis.Id}/evidence/double-quantisation";
        using var found = JsonDocument.Parse(await fixture.Platform.Client.BytesAsync(address + "?format=json"));
        found.RootElement.GetProperty("finding").GetString().ShouldBe("unusual");
        var area = found.RootElement.GetProperty("regions")[0];
        foreach (var (side, expected) in new[] { ("x", Width / 4), ("y", Height / 4), ("width", Width / 2), ("height", Height / 2) })
        {
            Math.Abs(area.GetProperty(side).GetInt32() - expected).ShouldBeLessThanOrEqualTo(32, side);
        }

        // And so does the map that people look at: bright inside, dark outside.
        var (map, width, height) = TestPictures.Read(await fixture.Platform.Client.BytesAsync(address));
        (width, height).ShouldBe((Width, Height));
        double inside = Mean(x: Width / 2, y: Height / 2), outside = Mean(x: Width / 8, y: Height / 8);
        inside.ShouldBeGreaterThan(outside + 100);

        await using var page = await ConsolePage.OpenAsync(fixture, $"#/a/{analysis.Id}");
        await page.VerdictAsync();
        await page.Page.Locator("#evidence-double-quantisation").ClickAsync();
        await Expect(page.Page.Locator("#evidence-double-quantisation .finding")).ToHaveTextAsync("unusual", new() { Timeout = 30_000 });
        await page.SaveAsync("saved-twice");

        double Mean(int x, int y) => Enumerable.Range(0, 32 * 32).Average(i => map.AsSpan((((y - 16 + (i / 32)) * width) + x - 16 + (i % 32)) * 3, 3).ToArray().Average(v => (double)v));
    }

    [Fact]
    public async Task A_copy_within_the_picture_is_drawn_as_a_pair()
    {
        var analysis = await fixture.AnalysedAsync("copy-move.jpg", () => TestPictures.CopyMove(seed: 65, width: 640, height: 480));
        await using var page = await ConsolePage.OpenAsync(fixture, $"#/a/{analysis.Id}");
        await page.VerdictAsync();

        await page.Page.Locator("#evidence-copy-move").ClickAsync();
        var picture = page.Page.Locator("#evidence-panel .viewer").First;
        await Expect(picture.Locator("rect.from").First).ToBeAttachedAsync(new() { Timeout = 30_000 });
        await Expect(page.Page.Locator("#evidence-copy-move .finding")).ToHaveTextAsync("unusual");

        // The lines lead from the part that was copied (40, 60, 160 wide) to where it was put (400, 240).
        double[] moved = await picture.EvaluateAsync<double[]>("""
            (viewer) => [...viewer.querySelectorAll('line.pair')].flatMap((line) => [line.x2.baseVal.value - line.x1.baseVal.value, line.y2.baseVal.value - line.y1.baseVal.value])
            """);
        moved.Length.ShouldBeGreaterThan(6);
        foreach (var (dx, dy) in moved.Chunk(2).Select(pair => (Math.Abs(pair[0]), Math.Abs(pair[1]))))
        {
            dx.ShouldBe(360, 4);
            dy.ShouldBe(180, 4);
        }

        await page.SaveAsync("copy-move");
    }

    [Fact]
    public async Task An_earlier_submission_of_nearly_the_same_picture_is_shown_and_leads_there()
    {
        byte[] picture = TestPictures.Forged(seed: 64, width: 480, height: 320);
        var first = await fixture.AnalysedAsync("first.jpg", () => picture);
        var second = await fixture.AnalysedAsync("second.jpg", () => TestPictures.SavedAgain(picture, 80));
        await using var page = await ConsolePage.OpenAsync(fixture, $"#/a/{second.Id}");
        await page.VerdictAsync();

        await page.Page.Locator("#evidence-hash").ClickAsync();
        var tile = page.Page.Locator($"#evidence-panel a[href='#/a/{first.Id}']");
        await Expect(tile).ToBeVisibleAsync(new() { Timeout = 30_000 });
        await page.Page.WaitForFunctionAsync("() => document.querySelector('#evidence-panel .tiles img')?.naturalWidth > 100");
        await tile.ClickAsync();
        await Expect(page.Page.Locator(".facts").First).ToContainTextAsync("first.jpg");
    }

    private static async Task ShownAsync(ConsolePage page, bool masked = true)
    {
        await page.VerdictAsync();
        await Expect(page.Page.Locator(".zoom").First).Not.ToHaveTextAsync("");
        await page.Page.WaitForFunctionAsync("""
            (every) => [...document.querySelectorAll(every ? '.picture canvas' : '.picture canvas[role=img]')].every((canvas) => canvas.width > 0 && canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0))
            """, masked);
    }

    private static async Task<double> ZoomAsync(ConsolePage page)
    {
        await page.Page.EvaluateAsync("() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))");
        return double.Parse((await page.Page.Locator(".zoom").First.TextContentAsync())!.Replace(" %", "", StringComparison.Ordinal), System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>Picture and mask as they are drawn now.</summary>
    private static async Task<string> DrawnAsync(ConsolePage page)
    {
        await ZoomAsync(page);
        return await page.Page.EvaluateAsync<string>("() => [...document.querySelectorAll('.picture canvas')].map((canvas) => canvas.toDataURL()).join()");
    }

    private static async Task SlideAsync(ConsolePage page, int value)
    {
        await page.Page.GetByLabel("Mask", new() { Exact = true }).FillAsync(value.ToString(System.Globalization.CultureInfo.InvariantCulture));
        await page.Page.Mouse.MoveAsync(0, 0);
    }

    private static Task ModeAsync(ConsolePage page, string mode) => page.Page.GetByRole(AriaRole.Button, new() { Name = mode, Exact = true }).ClickAsync();
}
