using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Palimpsest.Local;
using Palimpsest.Local.Commands;
using Palimpsest.Local.RescueBox;
using Palimpsest.Local.Servers;
using Palimpsest.Tests.Imaging;

namespace Palimpsest.Tests.Local;

public sealed class RescueBoxTests : IAsyncLifetime
{
    private readonly string folder = Directory.CreateTempSubdirectory("palimpsest-rescuebox-").FullName;
    private readonly int port = ChildProcess.FreePort();
    private readonly HttpClient http = new();
    private WebApplication app = null!;

    public async Task InitializeAsync()
    {
        app = Embedded.Build(new UpSettings { Port = port, Data = Path.Combine(folder, "data") }.ToConfiguration());
        app.MapRescueBox();
        await app.StartAsync();
        http.BaseAddress = new Uri($"http://127.0.0.1:{port}");
    }

    [Fact]
    public async Task The_protocol_is_answered_as_Flask_ML_asks_it()
    {
        var route = (await http.GetFromJsonAsync<JsonElement>("/api/routes"))[0];
        var schema = await http.GetFromJsonAsync<JsonElement>(route.GetProperty("task_schema").GetString());
        schema.GetProperty("inputs").EnumerateArray().Select(i => i.GetProperty("key").GetString()).ShouldBe(["input_dataset", "output_file"]);
        schema.GetProperty("parameters").EnumerateArray().Select(i => i.GetProperty("key").GetString()).ShouldBe(["ckpt_path", "disable_facecrop"]);
        schema.GetProperty("parameters")[1].GetProperty("value").GetProperty("default").GetString().ShouldBe("False");
        (await http.GetFromJsonAsync<JsonElement>("/api/app_metadata")).GetProperty("name").GetString().ShouldBe("Palimpsest");

        string pictures = Path.Combine(folder, "pictures"), output = Path.Combine(folder, "out.csv");
        Directory.CreateDirectory(pictures);
        await File.WriteAllBytesAsync(Path.Combine(pictures, "a.jpg"), TestPictures.Jpeg());
        await File.WriteAllTextAsync(Path.Combine(pictures, "b.jpg"), "text");
        foreach (string whole in (string[])["False", "True"])
        {
            using var answer = await http.PostAsJsonAsync(route.GetProperty("run_task").GetString(), Body(pictures, output, whole));
            answer.StatusCode.ShouldBe(HttpStatusCode.OK, await answer.Content.ReadAsStringAsync());
            var result = await answer.Content.ReadFromJsonAsync<JsonElement>();
            result.GetProperty("output_type").GetString().ShouldBe("file");
            result.GetProperty("file_type").GetString().ShouldBe("csv");
            result.GetProperty("path").GetString().ShouldBe(output);
            string[] lines = await File.ReadAllLinesAsync(output);
            lines[0].ShouldStartWith("image_path,prediction,confidence");
            lines.Length.ShouldBe(3);
            lines[2].ShouldContain(",error,");
            File.Delete(output);
        }
    }

    [Fact]
    public async Task A_web_page_cannot_use_it()
    {
        string output = Path.Combine(folder, "out.csv");
        using var rebound = new HttpRequestMessage(HttpMethod.Get, "/api/routes") { Headers = { Host = "evil.example" } };
        (await http.SendAsync(rebound)).StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        using var page = new HttpRequestMessage(HttpMethod.Post, "/predict") { Content = JsonContent.Create(Body(folder, output, "False")) };
        page.Headers.Add("Origin", "http://localhost:3000");
        (await http.SendAsync(page)).StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        using var form = new HttpRequestMessage(HttpMethod.Post, "/predict") { Content = new StringContent(JsonSerializer.Serialize(Body(folder, output, "False"))) };
        (await http.SendAsync(form)).StatusCode.ShouldBe(HttpStatusCode.UnsupportedMediaType);
        File.Exists(output).ShouldBeFalse();
    }

    [Theory]
    [InlineData("/nowhere/pictures", "out.csv", "False", 422)]
    [InlineData(null, "out.csv", "False", 400)]
    [InlineData(".", null, "False", 400)]
    [InlineData(".", "out.csv", "Maybe", 422)]
    [InlineData(".", "/proc/nowhere/out.csv", "False", 422)]
    public async Task What_it_cannot_do_it_says(string? input, string? output, string whole, int status)
    {
        using var answer = await http.PostAsJsonAsync("/predict", Body(input, output, whole));
        ((int)answer.StatusCode).ShouldBe(status);
    }

    [Fact]
    public async Task It_does_not_write_over_a_picture_it_is_to_look_at()
    {
        string pictures = Path.Combine(folder, "pictures"), picture = Path.Combine(pictures, "a.jpg");
        Directory.CreateDirectory(pictures);
        await File.WriteAllBytesAsync(picture, TestPictures.Jpeg());

        using var answer = await http.PostAsJsonAsync("/predict", Body(pictures, picture, "False"));

        answer.StatusCode.ShouldBe(HttpStatusCode.UnprocessableEntity);
        (await answer.Content.ReadAsStringAsync()).ShouldContain("would write over");
        (await File.ReadAllBytesAsync(picture)).ShouldBe(TestPictures.Jpeg());
    }

    public async Task DisposeAsync()
    {
        http.Dispose();
        await app.StopAsync();
        await app.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    private static object Body(string? input, string? output, string whole) => new
    {
        inputs = new { input_dataset = new { path = input }, output_file = new { path = output } }, parameters = new { ckpt_path = "default", disable_facecrop = whole },
    };
}
