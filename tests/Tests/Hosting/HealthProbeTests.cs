using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Palimpsest.Hosting;

namespace Palimpsest.Tests.Hosting;

/// <summary>The health check of containers, against a real server.</summary>
public sealed class HealthProbeTests
{
    [Fact]
    public async Task It_follows_readiness_of_the_instance_on_its_port()
    {
        string folder = Directory.CreateTempSubdirectory("palimpsest-").FullName;
        var platform = PlatformBuilder.Create(["--urls", "http://127.0.0.1:0"], "test", new Dictionary<string, string?> { ["PALIMPSEST_DATA"] = folder });
        platform.Host.Logging.ClearProviders();
        var app = platform.Build();
        await app.StartAsync();
        string port = new Uri(app.Urls.Single()).Port.ToString();
        try
        {
            int ready = 1;
            for (int i = 0; i < 100 && ready != 0; i++)
            {
                await Task.Delay(50); // the bus connects in the background
                ready = HealthProbe.Run(["--probe"], With("http_ports", port));
            }

            ready.ShouldBe(0);
            HealthProbe.Run(["--probe"], With("urls", $"http://*:{port}")).ShouldBe(0);
            HealthProbe.Run(["--probe"], With("urls", $"http://[::]:{port}/")).ShouldBe(0);
            HealthProbe.Run(["--probe", "/health/live"], With("http_ports", port)).ShouldBe(0);
            HealthProbe.Run(["--probe", "/no/such"], With("http_ports", port)).ShouldBe(1);
        }
        finally
        {
            await app.StopAsync();
            await app.DisposeAsync();
            Directory.Delete(folder, recursive: true);
        }

        HealthProbe.Run(["--probe"], With("http_ports", port)).ShouldBe(1, "nobody is there any more");
    }

    private static IConfiguration With(string key, string value) => new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?> { [key] = value }).Build();
}
