using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Palimpsest.Hosting;

namespace Palimpsest.Tests.Hosting;

/// <summary>RABBITMQ_URL, REDIS_URL and POSTGRES_URL: what is asked for in them is done or refused.</summary>
public sealed class ServerUrlTests
{
    [Theory]
    [InlineData("amqp://h", 5672)]
    [InlineData("amqps://h", 5671)]
    [InlineData("amqps://h:5672", 5672)]
    [InlineData("redis://h", 6379)]
    [InlineData("rediss://h", 6379)]
    [InlineData("postgres://h", 5432)]
    [InlineData("postgresql://h:6432", 6432)]
    public void The_port_is_the_schemes_own_where_none_is_named(string url, int port) => ServerUrl.Of(new Uri(url)).Port.ShouldBe(port);

    [Fact]
    public void Every_part_is_unescaped()
    {
        var server = ServerUrl.Of(new Uri("amqp://us%40er:p%3Aw%2F@host/a%2Fb"));
        (server.Host, server.User, server.Password, server.Path).ShouldBe(("host", "us@er", "p:w/", "a/b"));
        ServerUrl.Of(new Uri("redis://:secret@host")).Password.ShouldBe("secret");
        var bare = ServerUrl.Of(new Uri("amqp://host"));
        (bare.User, bare.Password, bare.Path).ShouldBe(("", null, ""));
    }

    [Theory]
    [InlineData("", SslMode.Prefer, null)]
    [InlineData("?sslmode=disable", SslMode.Disable, null)]
    [InlineData("?sslmode=require", SslMode.Require, null)]
    [InlineData("?sslmode=require&sslrootcert=/ca.pem", SslMode.VerifyCA, "/ca.pem")]
    [InlineData("?sslmode=verify-ca&sslrootcert=%2Fca.pem", SslMode.VerifyCA, "/ca.pem")]
    [InlineData("?sslrootcert=system&sslmode=verify-full", SslMode.VerifyFull, null)]
    public void The_TLS_asked_of_PostgreSQL_is_what_it_gets(string query, SslMode mode, string? root)
    {
        var server = PlatformDatabase.Server(Read("POSTGRES_URL", "postgres://u:p@h/d" + query).Postgres!);
        (server.SslMode, server.RootCertificate, server.Database).ShouldBe((mode, root, "d"));
    }

    [Fact]
    public void A_mode_that_does_not_exist_is_refused() =>
        Should.Throw<InvalidOperationException>(() => PlatformDatabase.Server(new Uri("postgres://h/d?sslmode=verify"))).Message.ShouldContain("verify-full");

    [Theory]
    [InlineData("POSTGRES_URL", "postgres://h/d?sslmode=require&application_name=x", "application_name")]
    [InlineData("RABBITMQ_URL", "amqps://h?cacertfile=/ca.pem", "cacertfile")]
    [InlineData("REDIS_URL", "redis://h?ssl=true", "ssl")]
    public void A_parameter_that_would_be_dropped_is_refused_by_name(string name, string url, string parameter)
    {
        string refusal = Should.Throw<InvalidOperationException>(() => Read(name, url)).Message;
        refusal.ShouldContain(name);
        refusal.ShouldContain($"'{parameter}'");
    }

    [Theory]
    [InlineData("RABBITMQ_URL", "amqps")]
    [InlineData("REDIS_URL", "rediss")]
    public async Task A_certificate_that_nobody_vouches_for_is_not_spoken_to(string name, string scheme)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        var now = TimeProvider.System.GetUtcNow();
        using var certificate = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        string url = $"{scheme}://localhost:{((IPEndPoint)listener.LocalEndpoint).Port}";
        var heard = HearAsync(listener, certificate);
        if (scheme == "rediss")
        {
            using var redis = new RedisConnection(Read(name, url), NullLogger<RedisConnection>.Instance);
            (await redis.TryAsync(async db => await db.StringGetAsync("a") == "b", false)).ShouldBeFalse();
            (await heard.WaitAsync(TimeSpan.FromSeconds(20))).ShouldBe(0);
            return;
        }

        string folder = Directory.CreateTempSubdirectory("palimpsest-").FullName;
        var platform = PlatformBuilder.Create(["--urls", "http://127.0.0.1:0"], "test", new Dictionary<string, string?> { [name] = url, ["PALIMPSEST_DATA"] = folder, ["PALIMPSEST_MODELS"] = folder, ["REDIS_URL"] = "", ["POSTGRES_URL"] = "" });
        platform.Host.Logging.ClearProviders();
        await using var app = platform.Build();
        await app.StartAsync();
        (await heard.WaitAsync(TimeSpan.FromSeconds(20))).ShouldBe(0);
        await app.StopAsync();
        Directory.Delete(folder, recursive: true);
    }

    private static PlatformSettings Read(string name, string url) => PlatformSettings.Read(new ConfigurationBuilder().AddInMemoryCollection([new(name, url)]).Build(), "test");

    /// <summary>Serves one connection; how many bytes were said over it in confidence.</summary>
    private static async Task<int> HearAsync(TcpListener listener, X509Certificate2 certificate)
    {
        using var client = await listener.AcceptTcpClientAsync();
        await using var secure = new SslStream(client.GetStream());
        try
        {
            await secure.AuthenticateAsServerAsync(certificate);
            return await secure.ReadAsync(new byte[64]);
        }
        catch (Exception e) when (e is IOException or System.Security.Authentication.AuthenticationException)
        {
            return 0;
        }
    }
}
