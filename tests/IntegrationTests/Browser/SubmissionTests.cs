using System.Diagnostics;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Playwright;
using Palimpsest.Local.Servers;
using Xunit.Abstractions;
using static Microsoft.Playwright.Assertions;

namespace Palimpsest.IntegrationTests.Browser;

/// <summary>All ways in, and what is said when something is wrong with what came in.</summary>
[Collection(ConsoleCollection.Name)]
public sealed class SubmissionTests(ConsoleFixture fixture, ITestOutputHelper output)
{
    [Fact]
    public async Task From_a_cold_start_the_printed_link_and_one_drop_lead_to_a_verdict()
    {
        string photograph = fixture.File("cold.jpg", TestPictures.Forged(seed: 51, width: 640, height: 480));
        var clock = Stopwatch.StartNew();
        await using var fresh = await EmbeddedProcess.StartAsync(ownKey: true);
        string link = Regex.Match(fresh.Banner, @"http://localhost:\d+/#key=\S+").Value;
        link.ShouldNotBeEmpty(fresh.Banner);

        await using var page = await ConsolePage.OpenAsync(fixture, new Uri(link).Fragment, key: null, address: new Uri(link));
        await page.DropAsync(photograph);
        string verdict = await page.VerdictAsync();

        output.WriteLine($"{clock.Elapsed.TotalSeconds:F1} s from starting the program to '{verdict}'");
        clock.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(60));
        page.Page.Url.ShouldNotContain("key=");
        (await page.Page.Locator("dialog[open]").CountAsync()).ShouldBe(0);
    }

    [Fact]
    public async Task The_stages_are_shown_while_it_runs_and_the_end_is_announced()
    {
        await using var page = await ConsolePage.OpenAsync(fixture);
        await page.Page.EvaluateAsync("""
            () => {
              window.seen = [];
              new MutationObserver(() => {
                const now = document.querySelector('.stages [aria-current=step]')?.textContent;
                if (now && seen.at(-1) !== now) seen.push(now);
                const shown = document.querySelector('img.preview');
                if (shown?.naturalWidth) window.previewed = true;
              }).observe(document.getElementById('main'), { childList: true, subtree: true });
            }
            """);

        await page.ChooseAsync(fixture.File("stages.jpg", TestPictures.Large(seed: 52)));
        string verdict = await page.VerdictAsync();

        string[] seen = await page.Page.EvaluateAsync<string[]>("() => window.seen");
        output.WriteLine(string.Join(" → ", seen));
        seen.ShouldContain("Look");
        await Expect(page.Page.Locator("#notice")).ToContainTextAsync(verdict);
    }

    [Fact]
    public async Task A_picture_is_pasted()
    {
        await using var page = await ConsolePage.OpenAsync(fixture);
        await page.Context.GrantPermissionsAsync(["clipboard-read", "clipboard-write"]);
        await page.Page.EvaluateAsync(
            "async (base64) => navigator.clipboard.write([new ClipboardItem({ 'image/png': new Blob([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], { type: 'image/png' }) })])",
            Convert.ToBase64String(TestPictures.Png(seed: 53, width: 320, height: 240)));

        await page.Page.Keyboard.PressAsync("Control+V");

        await page.VerdictAsync();
        await Expect(page.Page.Locator(".facts")).ToContainTextAsync("320 × 240 px, PNG");
    }

    [Fact]
    public async Task A_picture_is_fetched_from_its_address()
    {
        byte[] picture = TestPictures.Forged(seed: 54, width: 400, height: 300);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls($"http://127.0.0.1:{ChildProcess.FreePort()}");
        await using var site = builder.Build();
        site.MapGet("/news/photo.jpg", () => Results.Bytes(picture, "image/jpeg"));
        await site.StartAsync();
        await using var page = await ConsolePage.OpenAsync(fixture);

        await page.Page.GetByLabel("or its address").FillAsync(site.Urls.First() + "/news/photo.jpg");
        await page.Page.Keyboard.PressAsync("Enter");
        await page.VerdictAsync();
        await Expect(page.Page.Locator(".facts")).ToContainTextAsync("400 × 300 px, JPEG");

        await page.GoAsync("#/");
        await page.Page.GetByLabel("or its address").FillAsync(site.Urls.First() + "/gone.jpg");
        await page.Page.Keyboard.PressAsync("Enter");
        await Expect(page.Page.GetByRole(AriaRole.Alert)).ToContainTextAsync("404");
    }

    [Fact]
    public async Task A_broken_file_is_refused_in_words_and_the_next_one_works()
    {
        byte[] whole = TestPictures.Forged(seed: 55);
        await using var page = await ConsolePage.OpenAsync(fixture);

        await page.DropAsync(fixture.File("cut.jpg", whole[..(whole.Length / 2)]));
        await Expect(page.Page.GetByRole(AriaRole.Heading, new() { Name = "This picture could not be analysed" })).ToBeVisibleAsync();
        await Expect(page.Page.Locator(".failed")).ToContainTextAsync("The file ends before the picture does; send it again in full.");

        await page.Page.GetByRole(AriaRole.Link, new() { Name = "Analyse another picture" }).ClickAsync();
        await page.DropAsync(fixture.File("letter.jpg", "Dear editor"u8.ToArray()));
        await Expect(page.Page.GetByRole(AriaRole.Alert)).ToContainTextAsync("not an image that is accepted");

        await page.DropAsync(fixture.File("whole.jpg", whole));
        await page.VerdictAsync();
    }

    [Fact]
    public async Task Without_a_key_the_page_asks_for_one_and_goes_on_with_the_dropped_picture()
    {
        await using var page = await ConsolePage.OpenAsync(fixture, key: null);
        await page.DropAsync(fixture.File("keyless.jpg", TestPictures.Forged(seed: 56)));
        var dialog = page.Page.GetByRole(AriaRole.Dialog);

        await dialog.GetByLabel("Key").FillAsync("pk_wrong");
        await dialog.GetByRole(AriaRole.Button, new() { Name = "Save" }).ClickAsync();
        await Expect(dialog.GetByRole(AriaRole.Alert)).ToHaveTextAsync("This key is not accepted.");

        await dialog.GetByLabel("Key").FillAsync(TestPlatform.Key);
        await page.Page.Keyboard.PressAsync("Enter");
        await page.VerdictAsync();
    }

    [Fact]
    public async Task Several_pictures_become_a_batch_that_is_followed_to_its_end()
    {
        await using var page = await ConsolePage.OpenAsync(fixture);

        await page.ChooseAsync(
            fixture.File("one.jpg", TestPictures.Forged(seed: 57)), fixture.File("two.jpg", TestPictures.Forged(seed: 58)), fixture.File("three.jpg", TestPictures.Forged(seed: 59)),
            fixture.File("letter.jpg", "Dear editor"u8.ToArray()));

        await Expect(page.Page.GetByRole(AriaRole.Heading, new() { Name = "Batch of 4 pictures" })).ToBeVisibleAsync();
        var progress = page.Page.GetByRole(AriaRole.Progressbar);
        await Expect(progress).ToHaveAttributeAsync("aria-valuenow", "4", new() { Timeout = 60_000 });
        await Expect(page.Page.Locator(".entry .pill")).ToHaveTextAsync([new Regex("Likely|Uncertain"), new Regex("Likely|Uncertain"), new Regex("Likely|Uncertain"), new Regex("rejected")]);
        await Expect(page.Page.GetByText("3 analysed · 1 refused")).ToBeVisibleAsync();
        var csv = await page.Page.RunAndWaitForDownloadAsync(() => page.Page.GetByRole(AriaRole.Button, new() { Name = "Results as CSV" }).ClickAsync());
        (await File.ReadAllLinesAsync(await csv.PathAsync())).Length.ShouldBe(5);

        await page.Page.GetByRole(AriaRole.Link, new() { Name = "Batches" }).ClickAsync();
        await page.Page.GetByRole(AriaRole.Link, new() { NameRegex = new Regex("4 pictures") }).First.ClickAsync();
        await page.Page.GetByRole(AriaRole.Link, new() { NameRegex = new Regex("one.jpg") }).ClickAsync();
        await page.VerdictAsync();
    }
}
