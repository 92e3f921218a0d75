using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Http.Headers;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Palimpsest.Gateway;
using Palimpsest.Hosting;
using Palimpsest.Local;

namespace Palimpsest.Tests.Gateway;

/// <summary>Every service in one process, as <c>./palimpsest up</c> runs it, with the repository's models. Keeps what it logs, traces and answers.</summary>
public sealed class WholePlatform : IAsyncLifetime, ILoggerProvider
{
    private readonly string folder = Directory.CreateTempSubdirectory("palimpsest-").FullName;
    private readonly ActivityListener listener;
    private WebApplication app = null!;

    public WholePlatform() => listener = new ActivityListener
    {
        ShouldListenTo = _ => true,
        Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
        ActivityStopped = activity =>
        {
            foreach (var (name, value) in activity.TagObjects)
            {
                Traced.Enqueue($"{activity.Source.Name} {activity.DisplayName} {name}={value}");
            }
        },
    };

    internal ConcurrentQueue<string> Logged { get; } = new();

    internal ConcurrentQueue<string> Traced { get; } = new();

    internal ConcurrentQueue<Exchange> Exchanges { get; } = new();

    internal string Key { get; private set; } = "";

    internal string OtherKey { get; private set; } = "";

    internal ApiKeys Keys => Services.GetRequiredService<ApiKeys>();

    internal IServiceProvider Services => app.Services;

    internal Uri Address => new(app.Urls.First());

    public async Task InitializeAsync()
    {
        ActivitySource.AddActivityListener(listener);
        app = Embedded.Build(
            new Dictionary<string, string?>
            {
                ["urls"] = "http://127.0.0.1:0", ["PALIMPSEST_DATA"] = folder, ["PALIMPSEST_MODELS"] = Path.Combine(NodeScript.Root, "models"), ["PALIMPSEST_ALLOW_NETWORKS"] = "127.0.0.0/8",
                ["Intake:MinFreeBytes"] = "0", ["Preprocessing:MinFreeBytes"] = "0", ["Decoder:Processes"] = "1",
            },
            platform =>
            {
                platform.Host.Logging.ClearProviders().AddProvider(this).SetMinimumLevel(LogLevel.Debug);
            });
        await app.StartAsync();
        Key = (await Keys.CreateAsync("acme", "one", Scopes.All, null, default)).Key;
        OtherKey = (await Keys.CreateAsync("globex", "two", Scopes.All, null, default)).Key;
    }

    public async Task DisposeAsync()
    {
        await app.StopAsync();
        await app.DisposeAsync();
        listener.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    /// <summary>Speaks with a key, or with none; what it hears is kept in <see cref="Exchanges"/>.</summary>
    internal HttpClient Connect(string? key)
    {
        var client = new HttpClient(new Recorder(Exchanges) { InnerHandler = new SocketsHttpHandler() }) { BaseAddress = Address, Timeout = TimeSpan.FromSeconds(120) };
        if (key is not null)
        {
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        }

        return client;
    }

    ILogger ILoggerProvider.CreateLogger(string categoryName) => new QueueLogger(categoryName, Logged);

    void IDisposable.Dispose()
    {
    }

    /// <summary>One answer.</summary>
    internal sealed record Exchange(string Method, string Path, int Status, string? Type, string Body);

    private sealed class Recorder(ConcurrentQueue<Exchange> exchanges) : DelegatingHandler
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var response = await base.SendAsync(request, cancellationToken);
            await response.Content.LoadIntoBufferAsync(cancellationToken);
            string? type = response.Content.Headers.ContentType?.MediaType;
            string body = type?.EndsWith("json", StringComparison.Ordinal) == true ? await response.Content.ReadAsStringAsync(cancellationToken) : "";
            exchanges.Enqueue(new Exchange(request.Method.Method, request.RequestUri!.AbsolutePath, (int)response.StatusCode, type, body));
            return response;
        }
    }

    private sealed class QueueLogger(string category, ConcurrentQueue<string> lines) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            lines.Enqueue($"{logLevel} {category}: {formatter(state, exception)} {exception}");
    }
}
