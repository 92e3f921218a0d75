using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Palimpsest.Tests.Webhooks;

/// <summary>A client's webhook receiver: a real server on loopback that answers as told and keeps what it got.</summary>
internal sealed class Receiver : IAsyncDisposable
{
    private readonly WebApplication server;
    private readonly ConcurrentQueue<Func<HttpContext, Task>> script = new();
    private readonly ConcurrentQueue<Post> posts = new();
    private int busy;
    private int busiest;

    private Receiver(WebApplication server) => this.server = server;

    /// <summary>One request.</summary>
    public sealed record Post(IReadOnlyDictionary<string, string> Headers, string Body)
    {
        public string Id => Headers["webhook-id"];

        public long Timestamp => long.Parse(Headers["webhook-timestamp"]);

        public string[] Signatures => Headers["webhook-signature"].Split(' ');

        public JsonElement Json => JsonDocument.Parse(Body).RootElement;
    }

    public string Url => server.Urls.Single() + "/hook?token=abc";

    public IReadOnlyList<Post> Posts => [.. posts];

    /// <summary>Most requests seen at once.</summary>
    public int Busiest => busiest;

    /// <summary>What is answered when the script has run out.</summary>
    public Func<HttpContext, Task> Otherwise { get; set; } = Status(200);

    public static async Task<Receiver> StartAsync(params Func<HttpContext, Task>[] answers)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var receiver = new Receiver(app);
        foreach (var answer in answers)
        {
            receiver.script.Enqueue(answer);
        }

        app.Run(receiver.ReceiveAsync);
        await app.StartAsync();
        return receiver;
    }

    public static Func<HttpContext, Task> Status(int status, string? retryAfter = null, string? location = null) => context =>
    {
        context.Response.StatusCode = status;
        if (retryAfter is not null)
        {
            context.Response.Headers.RetryAfter = retryAfter;
        }

        if (location is not null)
        {
            context.Response.Headers.Location = location;
        }

        return Task.CompletedTask;
    };

    /// <summary>What the reference verifier of the npm package standardwebhooks says.</summary>
    public static async Task<string[]> VerifyAsync(params (Post Post, string Secret, string? Body)[] items)
    {
        string input = JsonSerializer.Serialize(items.Select(i => new { secret = i.Secret, headers = i.Post.Headers, body = i.Body ?? i.Post.Body, now = i.Post.Timestamp * 1000 }));
        return JsonSerializer.Deserialize<string[]>(await NodeScript.RunAsync("verify-webhook.mjs", input))!;
    }

    public ValueTask DisposeAsync() => server.DisposeAsync();

    private async Task ReceiveAsync(HttpContext context)
    {
        int now = Interlocked.Increment(ref busy);
        InterlockedMax(ref busiest, now);
        using var reader = new StreamReader(context.Request.Body);
        var headers = context.Request.Headers.ToDictionary(h => h.Key.ToLowerInvariant(), h => h.Value.ToString());
        string body = await reader.ReadToEndAsync();
        try
        {
            await (script.TryDequeue(out var answer) ? answer : Otherwise)(context);
        }
        finally
        {
            Interlocked.Decrement(ref busy);
            posts.Enqueue(new Post(headers, body));
        }
    }

    private static void InterlockedMax(ref int target, int value)
    {
        int seen;
        while ((seen = Volatile.Read(ref target)) < value && Interlocked.CompareExchange(ref target, value, seen) != seen)
        {
        }
    }
}
