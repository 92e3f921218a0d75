namespace Palimpsest.Local.Servers;

/// <summary>A server from a container image, for machines that have an engine but not the packages. Removed with its data when it is disposed.</summary>
internal sealed class DockerServer(DockerImage image, string folder) : ILocalServer
{
    private readonly int port = ChildProcess.FreePort();
    private readonly string name = $"palimpsest-{image.Name}-{Guid.NewGuid():n}";
    private bool created;

    public Uri Url => image.Url(port);

    /// <summary>True when <c>docker</c> is there and its engine answers.</summary>
    public static bool IsAvailable { get; } = EngineAnswers();

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        string[] arguments = created
            ? ["start", name]
            : ["run", "--detach", "--name", name, "--publish", $"127.0.0.1:{port}:{image.Port}", .. image.Environment.SelectMany(e => (string[])["--env", e]), image.Reference];
        await RunAsync(arguments, cancellationToken);
        created = true;
        // Follows the container's output and ends with it, which is what waiting needs.
        string log = Path.Combine(folder, image.Name + ".log");
        await using var following = ChildProcess.Start(image.Name, ["docker", "logs", "--follow", name], new Dictionary<string, string?>(StringComparer.Ordinal), log);
        await ServerPrograms.WaitAsync(following, log, () => image.AnswersAsync(port), cancellationToken);
    }

    public Task StopAsync() => RunAsync(["stop", "--time", "20", name], CancellationToken.None);

    public Task KillAsync() => RunAsync(["kill", name], CancellationToken.None);

    public async ValueTask DisposeAsync()
    {
        if (created)
        {
            await RunAsync(["rm", "--force", "--volumes", name], CancellationToken.None);
        }
    }

    private static bool EngineAnswers()
    {
        if (!(Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(d => File.Exists(Path.Combine(d, "docker"))))
        {
            return false;
        }

        using var process = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("docker", ["info"]) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false })!;
        return process.WaitForExit(TimeSpan.FromSeconds(10)) && process.ExitCode == 0;
    }

    private async Task RunAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        string log = Path.Combine(folder, "docker.log");
        await using var docker = ChildProcess.Start("docker", ["docker", .. arguments], new Dictionary<string, string?>(StringComparer.Ordinal), log);
        await docker.WaitForExitAsync(cancellationToken);
        if (docker.ExitCode != 0)
        {
            throw new LocalServerException($"docker {arguments[0]} failed for {image.Reference}; see {log}.");
        }
    }
}

/// <summary>The images of docker-compose.yml, as far as starting one alone needs them.</summary>
internal sealed record DockerImage(string Name, string Reference, int Port, IReadOnlyList<string> Environment, Func<int, Uri> Url, Func<int, Task<bool>> AnswersAsync)
{
    public static DockerImage RabbitMq { get; } = new(
        "rabbitmq", "rabbitmq:4.1", 5672, ["RABBITMQ_DEFAULT_USER=palimpsest", "RABBITMQ_DEFAULT_PASS=palimpsest"], port => new Uri($"amqp://palimpsest:palimpsest@127.0.0.1:{port}/"),
        port => ServerPrograms.GreetsAsync(port, "AMQP\0\0\u0009\u0001"u8.ToArray(), 1));

    public static DockerImage Redis { get; } = new(
        "redis", "redis:7", 6379, [], port => new Uri($"redis://127.0.0.1:{port}"), port => ServerPrograms.GreetsAsync(port, "PING\r\n"u8.ToArray(), (byte)'+'));

    public static DockerImage Postgres { get; } = new(
        "postgres", "postgres:16", 5432, ["POSTGRES_USER=palimpsest", "POSTGRES_PASSWORD=palimpsest", "POSTGRES_DB=palimpsest"], port => new Uri($"postgres://palimpsest:palimpsest@127.0.0.1:{port}/palimpsest"),
        // The image first runs a server without TCP to initialise; once TCP answers to SSLRequest with N, it is the real one.
        port => ServerPrograms.GreetsAsync(port, new byte[] { 0, 0, 0, 8, 4, 210, 22, 47 }, (byte)'N'));
}
