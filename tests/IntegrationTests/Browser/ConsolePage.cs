using System.Collections.Concurrent;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Palimpsest.IntegrationTests.Browser;

/// <summary>
/// A page of the console in a browser profile of its own. Whatever a test does, disposal fails it when the page logged an error (a breach of its content security policy is one),
/// threw, or asked any other server for anything.
/// </summary>
internal sealed class ConsolePage : IAsyncDisposable
{
    private readonly ConcurrentQueue<string> faults = new();
    private readonly Uri address;

    private ConsolePage(IBrowserContext context, IPage page, Uri address)
    {
        (Context, Page, this.address) = (context, page, address);
        page.PageError += (_, error) => faults.Enqueue($"threw {error}");
        page.Console += (_, message) =>
        {
            // Chromium logs every answer above 399 as an error; those the tests provoke on purpose are answers, not faults.
            if (message.Type == "error" && !message.Text.StartsWith("Failed to load resource: the server responded", StringComparison.Ordinal))
            {
                faults.Enqueue($"logged '{message.Text}'");
            }
        };
        // Somebody listens from the start: else the first key press can open a dialog of the operating system before the wait for it has begun.
        page.FileChooser += (_, _) => { };
        page.Request += (_, request) =>
        {
            if (new Uri(request.Url) is { Scheme: not "blob" and not "data" } asked && asked.Authority != address.Authority)
            {
                faults.Enqueue($"asked {asked}");
            }
        };
    }

    public IBrowserContext Context { get; }

    public IPage Page { get; }

    public ILocator Verdict => Page.Locator(".verdict h1");

    public static async Task<ConsolePage> OpenAsync(
        ConsoleFixture fixture, string view = "#/", int width = 1440, ColorScheme scheme = ColorScheme.Light, string? key = TestPlatform.Key, Uri? address = null, bool touch = false)
    {
        address ??= new Uri($"http://localhost:{fixture.Platform.Port}/");
        var context = await fixture.Chromium.NewContextAsync(new()
        {
            ViewportSize = new() { Width = width, Height = width < 500 ? 844 : 900 }, ColorScheme = scheme, HasTouch = touch, AcceptDownloads = true, Locale = "en-GB",
        });
        context.SetDefaultTimeout(20_000);
        if (key is not null)
        {
            await context.AddInitScriptAsync($"localStorage.getItem('palimpsest-key') ?? localStorage.setItem('palimpsest-key', '{key}')");
        }

        var page = new ConsolePage(context, await context.NewPageAsync(), address);
        await page.GoAsync(view);
        return page;
    }

    /// <summary>To a view, and waits until it is there.</summary>
    public async Task GoAsync(string view)
    {
        await Page.GotoAsync(new Uri(address, "/" + view).ToString());
        await SettledAsync();
    }

    /// <summary>Until the view has been made and nothing is being fetched for it.</summary>
    public async Task SettledAsync()
    {
        await Expect(Page.Locator("#main > *").First).ToBeVisibleAsync();
        await Expect(Page.Locator("#main")).Not.ToHaveAttributeAsync("aria-busy", "true");
    }

    /// <summary>Drops a file on the page the way the operating system does.</summary>
    public async Task DropAsync(string path)
    {
        var zone = (await Page.Locator(".drop").BoundingBoxAsync())!;
        var session = await Context.NewCDPSessionAsync(Page);
        foreach (string type in new[] { "dragEnter", "dragOver", "dragOver", "drop" })
        {
            if (type == "drop")
            {
                await Expect(Page.Locator(".drop.over")).ToBeVisibleAsync();
            }

            await session.SendAsync("Input.dispatchDragEvent", new Dictionary<string, object>
            {
                ["type"] = type, ["x"] = zone.X + (zone.Width / 2), ["y"] = zone.Y + (zone.Height / 2),
                ["data"] = new { items = Array.Empty<object>(), files = new[] { path }, dragOperationsMask = 1 },
            });
        }
    }

    /// <summary>Chooses files the way a person does.</summary>
    public async Task ChooseAsync(params string[] paths)
    {
        var chooser = await Page.RunAndWaitForFileChooserAsync(() => Page.GetByRole(AriaRole.Button, new() { Name = "Choose pictures" }).ClickAsync());
        await chooser.SetFilesAsync(paths);
    }

    /// <summary>Waits for the end of the analysis on show.</summary>
    public async Task<string> VerdictAsync(float milliseconds = 60_000)
    {
        await Expect(Verdict).ToHaveTextAsync(new System.Text.RegularExpressions.Regex("Likely|Uncertain"), new() { Timeout = milliseconds });
        return (await Verdict.TextContentAsync())!;
    }

    /// <summary>What the eye sees of an element: a PNG.</summary>
    public Task<byte[]> SeenAsync(string selector) => Page.Locator(selector).First.ScreenshotAsync();

    /// <summary>Saved for people when PALIMPSEST_SCREENSHOTS names a folder.</summary>
    public async Task SaveAsync(string name)
    {
        if (Environment.GetEnvironmentVariable("PALIMPSEST_SCREENSHOTS") is { Length: > 0 } folder)
        {
            await Page.ScreenshotAsync(new() { Path = Path.Combine(folder, name + ".png"), FullPage = true });
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Context.CloseAsync();
        faults.ShouldBeEmpty();
    }
}
