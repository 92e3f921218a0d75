using System.Text.Json;
using Microsoft.Playwright;
using Xunit.Abstractions;
using static Microsoft.Playwright.Assertions;

namespace Palimpsest.IntegrationTests.Browser;

/// <summary>Every view for everybody: axe finds nothing, no view is wider than a phone, and all of it works from the keyboard.</summary>
[Collection(ConsoleCollection.Name)]
public sealed class AccessibilityTests(ConsoleFixture fixture, ITestOutputHelper output)
{
    private static readonly Lazy<string> Axe = new(ReadAxe);

    [Theory]
    [InlineData(1440, ColorScheme.Light)]
    [InlineData(1440, ColorScheme.Dark)]
    [InlineData(768, ColorScheme.Light)]
    [InlineData(768, ColorScheme.Dark)]
    [InlineData(390, ColorScheme.Light)]
    [InlineData(390, ColorScheme.Dark)]
    public async Task Every_view_is_clean_and_fits(int width, ColorScheme scheme)
    {
        var splice = await fixture.SpliceAsync();
        byte[] whole = TestPictures.Forged(seed: 71);
        var broken = await fixture.AnalysedAsync("cut-off.jpg", () => whole[..(whole.Length / 2)]);
        await using var page = await ConsolePage.OpenAsync(fixture, width: width, scheme: scheme);
        await page.ChooseAsync(fixture.File("a-picture-with-a-name-that-is-far-too-long-for-a-telephone.jpg", TestPictures.Forged(seed: 72)), fixture.File("b.jpg", TestPictures.Forged(seed: 73)));
        await Expect(page.Page.GetByRole(AriaRole.Progressbar)).ToHaveAttributeAsync("aria-valuenow", "2", new() { Timeout = 60_000 });
        string batch = new Uri(page.Page.Url).Fragment;

        foreach (var (name, view) in new[]
        {
            ("analyse", "#/"), ("result", $"#/a/{splice.Id}"), ("failed", $"#/a/{broken.Id}"), ("history", "#/history"), ("batches", "#/batches"), ("batch", batch), ("webhooks", "#/webhooks"), ("missing", "#/nowhere"),
        })
        {
            await page.GoAsync(view);
            if (name == "result")
            {
                await OpenedAsync(page);
            }

            await CheckAsync(page, $"{name}-{width}-{scheme}".ToLowerInvariant());
        }

        await page.Page.GotoAsync(new Uri(new Uri(page.Page.Url), "/docs").ToString());
        await Expect(page.Page.GetByRole(AriaRole.Heading, new() { Name = "Analyses", Exact = true, Level = 2 }).First).ToBeVisibleAsync();
        await CheckAsync(page, $"docs-{width}-{scheme}".ToLowerInvariant());

        await page.GoAsync("#/");
        await page.Page.GetByRole(AriaRole.Button, new() { Name = "API key" }).ClickAsync();
        await CheckAsync(page, $"key-{width}-{scheme}".ToLowerInvariant());
    }

    [Fact]
    public async Task The_whole_flow_goes_by_keyboard()
    {
        await using var page = await ConsolePage.OpenAsync(fixture);
        await page.Page.Keyboard.PressAsync("Tab");
        await FocusAsync(page, "Choose pictures");
        var chooser = await page.Page.RunAndWaitForFileChooserAsync(() => page.Page.Keyboard.PressAsync("Enter"));
        await chooser.SetFilesAsync(fixture.File("keyboard.jpg", TestPictures.Forged(seed: 74, width: 480, height: 320)));
        await page.VerdictAsync();

        // The picture: in, along, single pixels, whole again.
        await FocusAsync(page, "The picture keyboard.jpg");
        string fitted = await ZoomAsync(page);
        await page.Page.Keyboard.PressAsync("+");
        (await ZoomAsync(page)).ShouldNotBe(fitted);
        await page.Page.Keyboard.PressAsync("ArrowRight");
        await page.Page.Keyboard.PressAsync("1");
        (await ZoomAsync(page)).ShouldBe("1600 %");
        await page.Page.Keyboard.PressAsync("0");
        (await ZoomAsync(page)).ShouldBe(fitted);

        // The slider and the modes.
        await FocusAsync(page, "Mask");
        await page.Page.Keyboard.PressAsync("End");
        await Expect(page.Page.Locator("#opacity")).ToHaveValueAsync("100");
        await FocusAsync(page, "outline");
        await page.Page.Keyboard.PressAsync("Space");
        await Expect(page.Page.GetByRole(AriaRole.Button, new() { Name = "outline" })).ToHaveAttributeAsync("aria-pressed", "true");

        // Judgement.
        await FocusAsync(page, "It is real");
        await page.Page.Keyboard.PressAsync("Enter");
        await Expect(page.Page.Locator("#notice")).ToContainTextAsync("your judgement is kept");

        // Evidence: one stop for the tabs, arrows between them.
        await FocusAsync(page, "", role: "tab");
        string first = (await page.Page.Locator("[role=tab][aria-selected=true]").GetAttributeAsync("id"))!;
        await page.Page.Keyboard.PressAsync("End");
        await Expect(page.Page.Locator("#evidence-panel h3")).ToBeVisibleAsync(new() { Timeout = 30_000 });
        await page.Page.Keyboard.PressAsync("ArrowRight");
        await Expect(page.Page.Locator("[role=tab][aria-selected=true]")).ToHaveIdAsync(first);

        // To the history, into an analysis and to the key.
        await FocusAsync(page, "History", backwards: true);
        await page.Page.Keyboard.PressAsync("Enter");
        await Expect(page.Page.GetByRole(AriaRole.Heading, new() { Name = "History" })).ToBeVisibleAsync();
        await FocusAsync(page, "keyboard.jpg");
        await page.Page.Keyboard.PressAsync("Enter");
        await page.VerdictAsync();
        await FocusAsync(page, "API key", backwards: true);
        await page.Page.Keyboard.PressAsync("Enter");
        await Expect(page.Page.GetByRole(AriaRole.Dialog)).ToBeVisibleAsync();
        await page.Page.Keyboard.PressAsync("Escape");
        await Expect(page.Page.GetByRole(AriaRole.Dialog)).ToBeHiddenAsync();
    }

    /// <summary>Everything folded is unfolded, the evidence is shown.</summary>
    private static async Task OpenedAsync(ConsolePage page)
    {
        await page.VerdictAsync();
        await page.Page.Locator("#evidence-panel").ScrollIntoViewIfNeededAsync();
        await Expect(page.Page.Locator("#evidence-panel h3")).ToBeVisibleAsync(new() { Timeout = 30_000 });
        await page.Page.EvaluateAsync("() => { for (const details of document.querySelectorAll('details')) details.open = true; window.scrollTo(0, 0); }");
    }

    private async Task CheckAsync(ConsolePage page, string name)
    {
        await page.SaveAsync(name);
        (await page.Page.EvaluateAsync<int>("() => document.documentElement.scrollWidth - innerWidth")).ShouldBeLessThanOrEqualTo(0, $"{name} is wider than its window");

        // Through the debugger, so that the page's own policy against foreign scripts stays in force.
        var violations = await page.Page.EvaluateAsync<JsonElement>($$"""
            async () => {
              if (!window.axe) { {{Axe.Value}} }
              const { violations } = await axe.run(document, { resultTypes: ['violations'] });
              return violations.map((v) => `${v.impact} ${v.id}: ${v.nodes.map((n) => `${n.target} (${n.failureSummary})`).join('; ')}`);
            }
            """);
        string[] found = [.. violations.EnumerateArray().Select(v => v.GetString()!)];
        foreach (string violation in found)
        {
            output.WriteLine($"{name}: {violation}");
        }

        found.ShouldBeEmpty(name);
    }

    /// <summary>Tabs until an element of that name has the focus, as a person without a mouse does.</summary>
    private static async Task FocusAsync(ConsolePage page, string name, string? role = null, bool backwards = false)
    {
        for (int i = 0; i < 80; i++)
        {
            string[] focused = await page.Page.EvaluateAsync<string[]>("""
                () => {
                  const e = document.activeElement;
                  return ['MAIN', 'BODY'].includes(e.tagName) ? ['', ''] : [e.getAttribute('aria-label') ?? (e.labels?.[0] ?? e).textContent, e.getAttribute('role') ?? ''];
                }
                """);
            if (role is not null ? focused[1] == role : focused[0].Contains(name, StringComparison.Ordinal))
            {
                return;
            }

            await page.Page.Keyboard.PressAsync(backwards ? "Shift+Tab" : "Tab");
        }

        throw new InvalidOperationException($"'{role ?? name}' is not reached by the Tab key.");
    }

    private static async Task<string> ZoomAsync(ConsolePage page)
    {
        await page.Page.EvaluateAsync("() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))");
        return (await page.Page.Locator(".zoom").First.TextContentAsync())!;
    }

    private static string ReadAxe()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Platform.sln")))
        {
            folder = folder.Parent;
        }

        string path = Path.Combine(folder!.FullName, "tests", "npm", "node_modules", "axe-core", "axe.min.js");
        return File.Exists(path) ? File.ReadAllText(path) : throw new FileNotFoundException("axe-core is missing: run 'npm ci' in tests/npm.", path);
    }
}
