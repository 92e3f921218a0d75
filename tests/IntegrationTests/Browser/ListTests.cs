using System.Text.RegularExpressions;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Palimpsest.IntegrationTests.Browser;

/// <summary>History, webhooks, light and dark.</summary>
[Collection(ConsoleCollection.Name)]
public sealed class ListTests(ConsoleFixture fixture)
{
    [Fact]
    public async Task History_shows_thumbnails_filters_and_exports()
    {
        var splice = await fixture.SpliceAsync();
        byte[] whole = TestPictures.Forged(seed: 71);
        var broken = await fixture.AnalysedAsync("cut-off.jpg", () => whole[..(whole.Length / 2)]);
        await using var page = await ConsolePage.OpenAsync(fixture, "#/history");
        await Expect(page.Page.Locator(".entry").First).ToBeVisibleAsync();
        await page.Page.WaitForFunctionAsync("() => [...document.querySelectorAll('.thumb')].some((image) => image.naturalWidth > 100)");

        await page.Page.Locator("#status").SelectOptionAsync("failed");
        await Expect(Row(page, broken.Id)).ToBeVisibleAsync();
        await Expect(Row(page, splice.Id)).ToHaveCountAsync(0);
        await page.Page.Locator("#status").SelectOptionAsync("");
        await page.Page.Locator("#verdict").SelectOptionAsync(splice.Verdict!);
        await Expect(Row(page, splice.Id)).ToBeVisibleAsync();
        await Expect(Row(page, broken.Id)).ToHaveCountAsync(0);
        page.Page.Url.ShouldEndWith($"#/history?verdict={splice.Verdict}");
        int shown = await page.Page.Locator(".entry").CountAsync();

        var csv = await page.Page.RunAndWaitForDownloadAsync(() => page.Page.GetByRole(AriaRole.Button, new() { Name = "Export CSV" }).ClickAsync());
        string[] lines = await File.ReadAllLinesAsync(await csv.PathAsync());
        lines.Length.ShouldBe(shown + 1, "the export has what the filters let through");
        lines.ShouldContain(line => line.StartsWith(splice.Id, StringComparison.Ordinal));

        // The filter is part of the address: back from an analysis it still holds.
        await Row(page, splice.Id).ClickAsync();
        await page.VerdictAsync();
        await page.Page.GoBackAsync();
        await Expect(page.Page.Locator("#verdict")).ToHaveValueAsync(splice.Verdict!);
        await Expect(page.Page.Locator(".entry")).ToHaveCountAsync(shown);
    }

    [Fact]
    public async Task A_webhook_endpoint_is_added_tested_and_its_delivery_logged()
    {
        await using var receiver = await Receiver.StartAsync();
        await using var page = await ConsolePage.OpenAsync(fixture, "#/webhooks");

        await page.Page.GetByLabel("New endpoint").FillAsync(receiver.Webhook.ToString());
        await page.Page.GetByRole(AriaRole.Button, new() { Name = "Add" }).ClickAsync();
        await Expect(page.Page.Locator("pre")).ToHaveTextAsync(new Regex("^whsec_"));
        var endpoint = page.Page.GetByRole(AriaRole.List, new() { Name = "Endpoints" }).GetByRole(AriaRole.Listitem).Filter(new() { HasText = receiver.Webhook.ToString() });
        await endpoint.GetByRole(AriaRole.Button, new() { Name = "Test" }).ClickAsync();
        await Expect(page.Page.Locator("#notice")).ToContainTextAsync("on its way");

        var delivery = page.Page.GetByRole(AriaRole.List, new() { Name = "Deliveries" }).GetByRole(AriaRole.Listitem).Filter(new() { HasText = receiver.Webhook.ToString() });
        for (int i = 0; i < 40 && await delivery.Locator(".pill.delivered").CountAsync() == 0; i++)
        {
            await Task.Delay(250);
            await page.Page.GetByRole(AriaRole.Button, new() { Name = "Refresh" }).ClickAsync();
        }

        await Expect(delivery.Locator(".pill")).ToHaveTextAsync("delivered");
        receiver.Deliveries.ShouldContain(d => d.Body.Contains("webhook.test", StringComparison.Ordinal));

        await endpoint.GetByRole(AriaRole.Button, new() { Name = "Delete" }).ClickAsync();
        await page.Page.GetByRole(AriaRole.Dialog).GetByRole(AriaRole.Button, new() { Name = "Delete" }).ClickAsync();
        await Expect(endpoint).ToHaveCountAsync(0);
    }

    [Fact]
    public async Task The_theme_follows_the_system_until_one_is_chosen_and_then_stays()
    {
        await using var page = await ConsolePage.OpenAsync(fixture, scheme: ColorScheme.Dark);
        (await BrightnessAsync(page)).ShouldBeLessThan(60);
        await page.Page.GetByRole(AriaRole.Button, new() { Name = "Switch between light and dark" }).ClickAsync();
        (await BrightnessAsync(page)).ShouldBeGreaterThan(200);
        await page.Page.ReloadAsync();
        await page.SettledAsync();
        (await BrightnessAsync(page)).ShouldBeGreaterThan(200);
    }

    [Theory]
    [InlineData(ColorScheme.Dark)]
    [InlineData(ColorScheme.Light)]
    public async Task The_API_page_has_the_theme_that_was_chosen_on_the_console(ColorScheme system)
    {
        await using var page = await ConsolePage.OpenAsync(fixture, scheme: system);
        await OpenDocsAsync(page);
        (await BodyAsync(page) < 100).ShouldBe(system == ColorScheme.Dark, "as the system has it");
        await page.GoAsync("#/");
        await page.Page.GetByRole(AriaRole.Button, new() { Name = "Switch between light and dark" }).ClickAsync();
        await OpenDocsAsync(page);
        (await BodyAsync(page) < 100).ShouldBe(system == ColorScheme.Light, "as it was chosen");
    }

    private static async Task OpenDocsAsync(ConsolePage page)
    {
        await page.Page.GetByRole(AriaRole.Link, new() { Name = "API", Exact = true }).ClickAsync();
        await Expect(page.Page.GetByRole(AriaRole.Heading, new() { Name = "Analyses", Exact = true, Level = 2 }).First).ToBeVisibleAsync();
    }

    private static Task<double> BodyAsync(ConsolePage page) =>
        page.Page.EvaluateAsync<double>("() => { const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number); return (r + g + b) / 3; }");

    private static ILocator Row(ConsolePage page, string id) => page.Page.Locator($"a.entry[href='#/a/{id}']");

    private static Task<double> BrightnessAsync(ConsolePage page) =>
        page.Page.EvaluateAsync<double>("() => { const [r, g, b] = getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g).map(Number); return (r + g + b) / 3; }");
}
