using System.Diagnostics;
using MassTransit;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Palimpsest.Hosting;

namespace Palimpsest.Tests.Deploy;

/// <summary>docker-compose.yml and its overrides against the code they run.</summary>
public sealed class ComposeTests
{
    private static readonly string[] Servers = ["rabbitmq", "redis", "postgres"];
    private static readonly string[] Observers = ["otel-collector", "jaeger"];

    private static Dictionary<object, object> Compose { get; } = DeployFiles.Yaml("docker-compose.yml");

    [Fact]
    public void It_has_every_service_and_server_and_nothing_else() =>
        Compose.Map("services").Keys.Cast<string>().Order().ShouldBe(DeployFiles.Services.Concat(Servers).Concat(Observers).Order());

    [Fact]
    public void Everything_is_confined()
    {
        foreach (var (name, service) in All())
        {
            service.Text("read_only").ShouldBe("true", name);
            service.List("cap_drop").ShouldBe(["ALL"], name);
            service.List("security_opt").ShouldContain("no-new-privileges:true", name);
            service.Text("user").ShouldMatch("^[1-9][0-9]*:[1-9][0-9]*$", name);
            service.ShouldContainKey("stop_grace_period", name);
            service.ContainsKey("privileged").ShouldBeFalse(name);
            foreach (string limit in new[] { "mem_limit", "cpus", "pids_limit" })
            {
                service.ShouldContainKey(limit, name);
            }
        }
    }

    [Fact]
    public void Only_the_gateway_is_published_and_only_on_this_machine()
    {
        foreach (var (name, service) in All())
        {
            if (name != "gateway")
            {
                service.ContainsKey("ports").ShouldBeFalse(name);
            }
        }

        DeployFiles.Interpolate((string)Service("gateway").List("ports").Single()).ShouldBe("127.0.0.1:8080:8080");
        Compose.Map("networks").Map("inside").Text("internal").ShouldBe("true");
        foreach (string name in new[] { "preprocessing", "routing", "shallowfake", "deepfake", "rabbitmq", "redis", "postgres" })
        {
            Service(name).List("networks").ShouldBe(["inside"], $"{name} has no business outside");
        }
    }

    [Fact]
    public void Every_environment_key_is_one_the_code_reads_with_a_value_it_accepts() =>
        DeployFiles.Services.SelectMany(s => Environment(s).Select(e => DeployFiles.Misfit(e.Key, e.Value) is { } misfit ? $"{s}: {misfit}" : null)).OfType<string>().ShouldBeEmpty();

    [Fact]
    public void With_its_environment_every_service_is_distributed_and_finds_the_servers_of_the_file()
    {
        foreach (string name in DeployFiles.Services)
        {
            var settings = PlatformSettings.Read(new ConfigurationBuilder().AddInMemoryCollection(Environment(name)!).Build(), name);
            settings.Embedded.ShouldBeFalse(name);
            new[] { settings.RabbitMq!.Host, settings.Redis!.Host, settings.Postgres!.Host }.ShouldBe(Servers, name);
            settings.DataDirectory.ShouldBe("/data");
            Service(name).List("volumes").ShouldContain("blobs:/data", name);
            (settings.RabbitMq.UserInfo, settings.Postgres.UserInfo).ShouldBe(
                ($"{Interpolated("rabbitmq", "RABBITMQ_DEFAULT_USER")}:{Interpolated("rabbitmq", "RABBITMQ_DEFAULT_PASS")}", $"{Interpolated("postgres", "POSTGRES_USER")}:{Interpolated("postgres", "POSTGRES_PASSWORD")}"), name);
            settings.Postgres.AbsolutePath.ShouldBe("/" + Interpolated("postgres", "POSTGRES_DB"), name);
            Interpolated("redis", "REDISCLI_AUTH").ShouldBe(settings.Redis.UserInfo.TrimStart(':'), name);
            ((List<object>)Service("redis")["command"]).Cast<string>().Select(DeployFiles.Interpolate).ShouldContain(settings.Redis.UserInfo.TrimStart(':'));
        }

        foreach (string name in new[] { "gateway", "reporting" })
        {
            TenantAssertionMiddleware.RequireInternalKey(PlatformSettings.Read(new ConfigurationBuilder().AddInMemoryCollection(Environment(name)!).Build(), name)).ShouldNotBeEmpty();
        }

        Environment("gateway")["REPORTING_URL"].ShouldBe("http://reporting:" + Environment("reporting")["ASPNETCORE_HTTP_PORTS"]);
    }

    [Fact]
    public void The_time_to_stop_is_longer_than_the_host_takes_which_is_longer_than_the_bus_takes()
    {
        string folder = Directory.CreateTempSubdirectory("palimpsest-").FullName;
        try
        {
            using var app = PlatformBuilder.Create([], "test", new Dictionary<string, string?> { ["PALIMPSEST_DATA"] = folder }).Build() as IDisposable;
            var services = ((Microsoft.AspNetCore.Builder.WebApplication)app!).Services;
            double host = services.GetRequiredService<IOptions<HostOptions>>().Value.ShutdownTimeout.TotalSeconds;
            var bus = services.GetRequiredService<IOptions<MassTransitHostOptions>>().Value;
            foreach (string name in DeployFiles.Services)
            {
                double grace = double.Parse(Service(name).Text("stop_grace_period").TrimEnd('s'));
                new[] { grace, host, bus.StopTimeout!.Value.TotalSeconds, bus.ConsumerStopTimeout!.Value.TotalSeconds }.ShouldBe([60, 45, 40, 30], name);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void Starting_waits_for_health()
    {
        foreach (string name in DeployFiles.Services.Concat(Servers))
        {
            Service(name).Map("healthcheck").List("test")[0].ShouldBe("CMD", $"{name}: no shell in the image");
        }

        foreach (string name in DeployFiles.Services)
        {
            Service(name).Map("healthcheck").List("test").ShouldBe(["CMD", "/app/service", HealthProbe.Argument], name);
            foreach (string server in Servers)
            {
                Service(name).Map("depends_on").Map(server).Text("condition").ShouldBe("service_healthy", name);
            }
        }

        foreach (string name in new[] { "preprocessing", "routing", "reporting" })
        {
            Service("gateway").Map("depends_on").Map(name).Text("condition").ShouldBe("service_healthy");
        }
    }

    [Fact]
    public void The_gpu_file_changes_the_localizers_to_an_execution_provider_that_exists()
    {
        var gpu = DeployFiles.Yaml("deploy/compose.gpu.yml").Map("services");
        gpu.Keys.Order().ShouldBe(["deepfake", "shallowfake"]);
        foreach (var service in gpu.Values.Cast<Dictionary<object, object>>())
        {
            service.Map("environment").Text("Inference__Provider").ShouldBe(Palimpsest.Inference.ExecutionProviders.Cuda);
            File.ReadAllText(DeployFiles.Path("deploy/Dockerfile")).ShouldContain($" AS {service.Map("build").Text("target")}\n");
        }
    }

    [Fact]
    public void The_admin_file_publishes_broker_and_database_on_this_machine_only_and_nothing_else()
    {
        var admin = DeployFiles.Yaml("deploy/compose.admin.yml").Map("services");
        admin.Keys.Order().ShouldBe(["postgres", "rabbitmq"]);
        foreach (var (server, url) in new[] { ("rabbitmq", "RABBITMQ_URL"), ("postgres", "POSTGRES_URL") })
        {
            int port = new Uri(Environment("gateway")[url]).Port;
            admin.Map(server).List("ports").ShouldBe([$"127.0.0.1:{port}:{port}"]);
            admin.Map(server).List("networks").ShouldContain("outside", "an internal network publishes nothing");
        }
    }

    [Fact]
    public void The_monitoring_files_it_mounts_exist()
    {
        foreach (string file in new[] { "docker-compose.yml", "deploy/compose.monitoring.yml" })
        {
            foreach (var service in DeployFiles.Yaml(file).Map("services").Values.Cast<Dictionary<object, object>>().Where(s => s.ContainsKey("volumes")))
            {
                foreach (string volume in service.List("volumes").Cast<string>().Where(v => v.StartsWith("./", StringComparison.Ordinal)))
                {
                    string source = DeployFiles.Path(volume.Split(':')[0]);
                    (File.Exists(source) || Directory.Exists(source)).ShouldBeTrue(volume);
                }
            }
        }
    }

    [Fact]
    public void Env_example_names_every_variable_of_the_compose_files()
    {
        var used = new[] { "docker-compose.yml", "deploy/compose.gpu.yml", "deploy/compose.monitoring.yml", "deploy/compose.admin.yml" }
            .SelectMany(f => System.Text.RegularExpressions.Regex.Matches(File.ReadAllText(DeployFiles.Path(f)), @"\$\{(\w+)").Select(m => m.Groups[1].Value)).Distinct().Order();
        var named = File.ReadLines(DeployFiles.Path("deploy/env.example")).Where(l => l.Length > 0 && l[0] != '#').Select(l => l.Split('=')[0]).Order();
        named.ShouldBe(used);
    }

    [Theory]
    [InlineData("docker-compose.yml")]
    [InlineData("docker-compose.yml", "deploy/compose.gpu.yml")]
    [InlineData("docker-compose.yml", "deploy/compose.monitoring.yml")]
    [InlineData("docker-compose.yml", "deploy/compose.admin.yml")]
    public async Task Docker_compose_itself_accepts_it(params string[] files)
    {
        // './palimpsest test' installs it; it needs no container engine to judge a file.
        bool alone = (System.Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(p => File.Exists(Path.Combine(p, "docker-compose")));
        string output = await NodeScript.StartAsync(
            alone ? "docker-compose" : "docker", [.. alone ? (string[])[] : ["compose"], .. files.SelectMany(f => new[] { "-f", f }), "config", "--quiet"], NodeScript.Root, "");
        output.Trim().ShouldBeEmpty();
    }

    private static IEnumerable<(string Name, Dictionary<object, object> Service)> All() => Compose.Map("services").Select(s => ((string)s.Key, (Dictionary<object, object>)s.Value));

    private static Dictionary<object, object> Service(string name) => Compose.Map("services").Map(name);

    private static Dictionary<string, string> Environment(string service) =>
        Service(service).Map("environment").ToDictionary(e => (string)e.Key, e => DeployFiles.Interpolate((string)e.Value));

    private static string Interpolated(string service, string key) => Environment(service)[key];
}
