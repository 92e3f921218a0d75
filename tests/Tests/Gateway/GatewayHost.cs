using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Palimpsest.Contracts;
using Palimpsest.Gateway;
using Palimpsest.Hosting;

namespace Palimpsest.Tests.Gateway;

/// <summary>The gateway as a real server on a free loopback port, with its own data folder and a key of every scope.</summary>
internal sealed class GatewayHost : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly string folder;

    private GatewayHost(WebApplication app, string folder)
    {
        (this.app, this.folder) = (app, folder);
        Client = Connect();
    }

    /// <summary>Speaks with <see cref="Key"/>.</summary>
    public HttpClient Client { get; }

    public string Key { get; private set; } = "";

    public string Blobs => Path.Combine(folder, "blobs");

    public Uri Address => new(app.Urls.First());

    public ApiKeys Keys => Service<ApiKeys>();

    public static async Task<GatewayHost> StartAsync(
        Dictionary<string, string?>? settings = null, Action<PlatformBuilder>? configure = null, Action<WebApplication>? map = null, ILoggerProvider? log = null)
    {
        string folder = Directory.CreateTempSubdirectory("palimpsest-").FullName;
        var overrides = new Dictionary<string, string?> { ["PALIMPSEST_DATA"] = folder, ["PALIMPSEST_MODELS"] = folder, ["Intake:MinFreeBytes"] = "0" };
        foreach (var (name, value) in settings ?? [])
        {
            overrides[name] = value;
        }

        WebApplication? app = null;
        try
        {
            var platform = PlatformBuilder.Create(["--urls", "http://127.0.0.1:0"], "gateway", overrides);
            platform.Host.Logging.ClearProviders();
            if (log is not null)
            {
                platform.Host.Logging.AddProvider(log).SetMinimumLevel(LogLevel.Trace);
            }

            platform.AddGateway();
            configure?.Invoke(platform);
            app = platform.Build();
            app.MapGateway();
            map?.Invoke(app);
            await app.StartAsync();
        }
        catch
        {
            await (app?.DisposeAsync() ?? ValueTask.CompletedTask);
            Directory.Delete(folder, recursive: true);
            throw;
        }

        var host = new GatewayHost(app, folder);
        host.Key = (await host.Keys.CreateAsync("acme", "test", Scopes.All, null, default)).Key;
        host.Client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", host.Key);
        return host;
    }

    public T Service<T>()
        where T : notnull => app.Services.GetRequiredService<T>();

    /// <summary>Speaks with a key, or with none.</summary>
    public HttpClient Connect(string? key = null)
    {
        var client = new HttpClient { BaseAddress = Address, Timeout = TimeSpan.FromSeconds(60) };
        if (key is not null)
        {
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        }

        return client;
    }

    /// <summary>Everything on the blob volume, temporary files included.</summary>
    public string[] StoredFiles() => [.. Directory.EnumerateFiles(Blobs, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(Blobs, f))];

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await app.StopAsync();
        await app.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }
}

/// <summary>Requests and answers of the API.</summary>
internal static class Api
{
    /// <summary>Bytes that begin as a JPEG does; the gateway looks no further. Different for each seed.</summary>
    public static byte[] Jpeg(int length = 4_000, int seed = 1)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        ((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF, 0xE0]).CopyTo(bytes);
        return bytes;
    }

    public static MultipartFormDataContent Form(byte[] image, params (string Name, string Value)[] fields)
    {
        var form = new MultipartFormDataContent { { new ByteArrayContent(image), "image", "a.jpg" } };
        foreach (var (name, value) in fields)
        {
            form.Add(new StringContent(value), name);
        }

        return form;
    }

    public static HttpRequestMessage Post(HttpContent content, string path = "/v1/analyses", params (string Name, string Value)[] headers)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = content };
        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        return request;
    }

    public static ByteArrayContent Raw(byte[] image, string type = "image/jpeg") => new(image) { Headers = { ContentType = new MediaTypeHeaderValue(type) } };

    public static async Task<AnalysisDocument> AnalysisAsync(this HttpResponseMessage response, HttpStatusCode expected = HttpStatusCode.Accepted)
    {
        string body = await response.Content.ReadAsStringAsync();
        response.StatusCode.ShouldBe(expected, body);
        return JsonSerializer.Deserialize<AnalysisDocument>(body, PlatformJson.Options)!;
    }

    /// <summary>The problem of an answer, with everything a problem must have.</summary>
    public static async Task<JsonElement> ProblemAsync(this HttpResponseMessage response, int status, string code)
    {
        string body = await response.Content.ReadAsStringAsync();
        ((int)response.StatusCode).ShouldBe(status, body);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
        var problem = JsonDocument.Parse(body).RootElement;
        problem.GetProperty("code").GetString().ShouldBe(code);
        problem.GetProperty("status").GetInt32().ShouldBe(status);
        problem.GetProperty("type").GetString().ShouldBe("urn:palimpsest:problem:" + code);
        problem.GetProperty("title").GetString().ShouldNotBeNullOrEmpty();
        problem.GetProperty("detail").GetString().ShouldNotBeNullOrEmpty();
        problem.GetProperty("instance").GetString().ShouldNotBeNullOrEmpty();
        problem.GetProperty("traceId").GetString()!.Length.ShouldBe(32);
        return problem;
    }
}
