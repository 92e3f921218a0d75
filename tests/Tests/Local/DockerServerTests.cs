using Palimpsest.Local.Servers;

namespace Palimpsest.Tests.Local;

/// <summary>How containers are made; there is no engine where the tests run.</summary>
public sealed class DockerServerTests
{
    [Fact]
    public void The_next_start_over_a_folder_finds_its_data_and_another_folder_has_others()
    {
        static string Volume(string folder) => After(new DockerServer(DockerImage.Postgres, folder).RunArguments, "--volume");
        Volume("/data/servers").ShouldMatch("^palimpsest-postgres-[0-9a-f]{16}:/var/lib/postgresql/data$");
        Volume("/data/servers").ShouldBe(Volume("/data/servers"));
        Volume("/data/servers").ShouldNotBe(Volume("/other/servers"));
        After(new DockerServer(DockerImage.RabbitMq, "/data/servers").RunArguments, "--volume").ShouldEndWith(":/var/lib/rabbitmq");
        After(new DockerServer(DockerImage.RabbitMq, "/data/servers").RunArguments, "--hostname").ShouldBe("palimpsest");
        new DockerServer(DockerImage.Redis, "/data/servers").RunArguments.ShouldNotContain("--volume");
    }

    [Fact]
    public void It_listens_on_loopback_only_and_takes_no_argument_after_the_image()
    {
        var server = new DockerServer(DockerImage.Postgres, "/data/servers");
        After(server.RunArguments, "--publish").ShouldBe($"127.0.0.1:{server.Url.Port}:5432");
        server.RunArguments[^1].ShouldBe("postgres:16");
    }

    private static string After(IReadOnlyList<string> arguments, string option) => arguments[arguments.ToList().IndexOf(option) + 1];
}
