using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Palimpsest.Hosting;

namespace Palimpsest.Tests.Security;

/// <summary>The guarded client against real listeners on loopback.</summary>
public sealed class GuardedHttpTests : IAsyncLifetime
{
    private readonly List<string> hits = [];
    private WebApplication server = null!;
    private int port;

    public async Task InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        server = builder.Build();
        server.Run(async context =>
        {
            lock (hits)
            {
                hits.Add($"{context.Request.Host} {context.Request.Path} {context.Request.Headers.Cookie}");
            }

            context.Response.Headers.SetCookie = "session=1";
            switch (context.Request.Path.Value)
            {
                case "/redirect":
                    context.Response.Redirect("/target");
                    break;
                case "/large":
                    await context.Response.Body.WriteAsync(new byte[5_000]);
                    break;
                case "/endless":
                    while (!context.RequestAborted.IsCancellationRequested)
                    {
                        await context.Response.Body.WriteAsync(new byte[1_000], context.RequestAborted);
                        await context.Response.Body.FlushAsync(context.RequestAborted);
                        await Task.Delay(20, context.RequestAborted);
                    }

                    break;
                case "/stall":
                    await context.Response.Body.WriteAsync("x"u8.ToArray());
                    await context.Response.Body.FlushAsync();
                    await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
                    break;
                case "/never":
                    await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
                    break;
                default:
                    await context.Response.WriteAsync("hello");
                    break;
            }
        });
        await server.StartAsync();
        port = new Uri(server.Urls.Single()).Port;
    }

    public async Task DisposeAsync() => await server.DisposeAsync();

    [Fact]
    public async Task An_allowed_network_is_reached_under_the_name_that_was_asked_for()
    {
        using var http = Client("127.0.0.0/8", Answer("127.0.0.1"));
        (await TextAsync(http, $"http://app.example.com:{port}/ok")).ShouldBe("hello");
        hits.Single().ShouldBe($"app.example.com:{port} /ok ");
    }

    [Fact]
    public async Task Without_the_exception_the_same_listener_is_not_even_connected_to()
    {
        using var http = Client(null, Answer("127.0.0.1"));
        await Should.ThrowAsync<AddressRefusedException>(() => TextAsync(http, "http://app.example.com/ok"));
        await Should.ThrowAsync<AddressRefusedException>(() => TextAsync(http, $"http://127.0.0.1:{port}/ok"));
        hits.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_name_that_changes_its_mind_between_check_and_connect_gains_nothing()
    {
        int calls = 0;
        using var http = Client(null, (_, _) => Task.FromResult<IPAddress[]>([IPAddress.Parse(calls++ == 0 ? "93.184.215.14" : "127.0.0.1")]));
        (await http.CheckAsync("http://rebind.example.com:8080/", default)).ShouldBeNull("the first answer is public");
        await Should.ThrowAsync<AddressRefusedException>(() => TextAsync(http, "http://rebind.example.com:8080/"));
        calls.ShouldBe(2);
    }

    [Fact]
    public async Task The_very_address_that_was_checked_is_connected_to()
    {
        // Answers once with our listener; a second look-up, which must not happen within one connect, would say otherwise.
        int calls = 0;
        using var http = Client("127.0.0.0/8", (_, _) => Task.FromResult<IPAddress[]>([IPAddress.Parse(calls++ == 0 ? "127.0.0.1" : "127.0.0.99")]));
        (await TextAsync(http, $"http://once.example.com:{port}/")).ShouldBe("hello");
        calls.ShouldBe(1);
    }

    [Fact]
    public async Task One_private_address_among_public_ones_spoils_the_name()
    {
        using var http = Client(null, Answer("93.184.215.14", "10.0.0.1"));
        await Should.ThrowAsync<AddressRefusedException>(() => TextAsync(http, "http://mixed.example.com/"));
    }

    [Fact]
    public async Task The_next_address_is_tried_when_one_does_not_answer()
    {
        // Nothing listens on 127.0.0.2 at this port: the server is bound to 127.0.0.1.
        using var http = Client("127.0.0.0/8", Answer("127.0.0.2", "127.0.0.1"));
        (await TextAsync(http, $"http://two.example.com:{port}/")).ShouldBe("hello");
    }

    [Fact]
    public async Task A_port_beyond_the_four_is_refused_unless_every_address_is_in_an_allowed_network()
    {
        using var http = Client("127.0.0.0/8", Answer("93.184.215.14"));
        (await Should.ThrowAsync<AddressRefusedException>(() => TextAsync(http, "http://public.example.com:6379/"))).Message.ShouldContain("6379");
    }

    [Fact]
    public async Task Redirects_are_answers_and_cookies_are_not_kept()
    {
        using var http = Client("127.0.0.0/8", Answer("127.0.0.1"));
        await using (var response = await GetAsync(http, $"http://app.example.com:{port}/redirect"))
        {
            response.Status.ShouldBe(HttpStatusCode.Redirect);
        }

        await TextAsync(http, $"http://app.example.com:{port}/again");
        hits.ShouldBe([$"app.example.com:{port} /redirect ", $"app.example.com:{port} /again "]);
    }

    [Theory]
    [InlineData("/large")]
    [InlineData("/endless")]
    public async Task A_body_over_the_limit_is_cut_off(string path)
    {
        using var http = Client("127.0.0.0/8", Answer("127.0.0.1"));
        await Should.ThrowAsync<ResponseTooLargeException>(() => TextAsync(http, $"http://app.example.com:{port}{path}"));
    }

    [Theory]
    [InlineData("/never")]
    [InlineData("/stall")]
    public async Task Silence_ends_in_a_timeout(string path)
    {
        using var http = Client("127.0.0.0/8", Answer("127.0.0.1"));
        var limits = new GuardedLimits { MaxBytes = 1_000, Total = TimeSpan.FromSeconds(path == "/never" ? 0.3 : 30), Stall = TimeSpan.FromSeconds(0.3) };
        await Should.ThrowAsync<TimeoutException>(() => TextAsync(http, $"http://app.example.com:{port}{path}", limits));
    }

    [Fact]
    public async Task A_body_that_only_trickles_ends_at_the_total_limit()
    {
        using var http = Client("127.0.0.0/8", Answer("127.0.0.1"));
        var limits = new GuardedLimits { MaxBytes = 100_000_000, Total = TimeSpan.FromSeconds(0.5) };
        await Should.ThrowAsync<TimeoutException>(() => TextAsync(http, $"http://app.example.com:{port}/endless", limits));
    }

    [Fact]
    public async Task The_proxy_of_the_environment_is_not_used()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        string proxy = $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}";
        string? before = Environment.GetEnvironmentVariable("http_proxy");
        Environment.SetEnvironmentVariable("http_proxy", proxy);
        try
        {
            using var http = Client("127.0.0.0/8", Answer("127.0.0.1"));
            (await TextAsync(http, $"http://app.example.com:{port}/")).ShouldBe("hello");
            listener.Pending().ShouldBeFalse();
        }
        finally
        {
            Environment.SetEnvironmentVariable("http_proxy", before);
        }
    }

    private static HostResolver Answer(params string[] addresses) => (_, _) => Task.FromResult(addresses.Select(IPAddress.Parse).ToArray());

    private static GuardedHttp Client(string? allowed, HostResolver resolver) => new(
        new PlatformSettings { ServiceName = "test", DataDirectory = "", ModelsDirectory = "", AllowedNetworks = allowed is null ? [] : [IPNetwork.Parse(allowed)] }, TimeProvider.System, resolver);

    private static async Task<GuardedResponse> GetAsync(GuardedHttp http, string url, GuardedLimits? limits = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, url);
        return await http.SendAsync(request, limits ?? new GuardedLimits { MaxBytes = 1_000, Total = TimeSpan.FromSeconds(10) }, default);
    }

    private static async Task<string> TextAsync(GuardedHttp http, string url, GuardedLimits? limits = null)
    {
        await using var response = await GetAsync(http, url, limits);
        using var text = new MemoryStream();
        await response.Body.CopyToAsync(text);
        return Encoding.UTF8.GetString(text.ToArray());
    }
}
