using System.Security.Cryptography;
using System.Text;

namespace Palimpsest.Local.Servers;

/// <summary>
/// A server from a container image, for machines that have an engine but not the packages. Its data lie in a volume of the engine's, which stays when the container is removed and is there at the
/// next start over the same folder; <c>docker volume rm</c> removes it.
/// </summary>
internal sealed class DockerServer(DockerImage image, string folder) : ILocalServer
{
    private readonly int port = ChildProcess.FreePort();
    // Of the folder, so that the next start finds the volume, and the container of one that was killed.
    private readonly string name = $"palimpsest-{image.Name}-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(folder)))[..16]}";
    private FileStream? held;

    public Uri Url => image.Url(port);

    /// <summary>True when <c>docker</c> is there and its engine answers.</summary>
    public static bool IsAvailable { get; } = EngineAnswers();

    /// <summary>Arguments of the <c>docker</c> that makes the container.</summary>
    internal IReadOnlyList<string> RunArguments =>
    [
        "run", "--detach", "--name", name,
        // RabbitMQ keeps its data under its host's name.
        "--hostname", "palimpsest", "--publish", $"127.0.0.1:{port}:{image.Port}", .. image.Data is { } data ? (string[])["--volume", $"{name}:{data}"] : [],
        .. image.Environment.SelectMany(e => (string[])["--env", e]), image.Reference,
    ];

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (held is null)
        {
            held = Hold();
            // Left by one that was killed: nobody else holds the folder.
            await TryAsync(["rm", "--force", "--volumes", name], cancellationToken);
            await RunAsync(RunArguments, cancellationToken);
        }
        else
        {
            await RunAsync(["start", name], cancellationToken);
        }

        // Follows the container's output and ends with it, which is what waiting needs.
        string log = Path.Combine(folder, image.Name + ".log");
        await using var following = ChildProcess.Start(image.Name, ["docker", "logs", "--follow", name], new Dictionary<string, string?>(StringComparer.Ordinal), log);
        await ServerPrograms.WaitAsync(following, log, () => image.AnswersAsync(port), cancellationToken);
    }

    public Task StopAsync() => RunAsync(["stop", "--time", "20", name], CancellationToken.None);

    public Task KillAsync() => RunAsync(["kill", name], CancellationToken.None);

    public async ValueTask DisposeAsync()
    {
        if (held is not null)
        {
            await TryAsync(["stop", "--time", "20", name], CancellationToken.None);
            // Removes volumes without a name; the data's has one.
            await TryAsync(["rm", "--force", "--volumes", name], CancellationToken.None);
            await held.DisposeAsync();
        }
    }

    /// <summary>Ends with us, however we end.</summary>
    private FileStream Hold()
    {
        Directory.CreateDirectory(folder);
        try
        {
            return new FileStream(Path.Combine(folder, image.Name + ".lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e)
        {
            throw new LocalServerException($"Another 'up --distributed' uses {folder}: stop that one, or give another --data. ({e.Message})");
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
        if (!await TryAsync(arguments, cancellationToken))
        {
            throw new LocalServerException($"docker {arguments[0]} failed for {image.Reference}; see {Log}.");
        }
    }

    private string Log => Path.Combine(folder, "docker.log");

    private async Task<bool> TryAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        await using var docker = ChildProcess.Start("docker", ["docker", .. arguments], new Dictionary<string, string?>(StringComparer.Ordinal), Log);
        await docker.WaitForExitAsync(cancellationToken);
        return docker.ExitCode == 0;
    }
}

/// <summary>The images of docker-compose.yml, as far as starting one alone needs them.</summary>
/// <param name="Name">For container, volume and log.</param>
/// <param name="Reference">Name and tag.</param>
/// <param name="Port">In the container.</param>
/// <param name="Data">Its folder of data; null: it keeps none.</param>
/// <param name="Environment">NAME=value.</param>
/// <param name="Url">By the port on this machine.</param>
/// <param name="AnswersAsync">Whether it is ready.</param>
internal sealed record DockerImage(string Name, string Reference, int Port, string? Data, IReadOnlyList<string> Environment, Func<int, Uri> Url, Func<int, Task<bool>> AnswersAsync)
{
    public static DockerImage RabbitMq { get; } = new(
        "rabbitmq", "rabbitmq:4.1", 5672, "/var/lib/rabbitmq", ["RABBITMQ_DEFAULT_USER=palimpsest", "RABBITMQ_DEFAULT_PASS=palimpsest"], port => new Uri($"amqp://palimpsest:palimpsest@127.0.0.1:{port}/"),
        port => ServerPrograms.GreetsAsync(port, "AMQP\0\0\u0009\u0001"u8.ToArray(), 1));

    public static DockerImage Redis { get; } = new(
        "redis", "redis:7", 6379, null, [], port => new Uri($"redis://127.0.0.1:{port}"), port => ServerPrograms.GreetsAsync(port, "PING\r\n"u8.ToArray(), (byte)'+'));

    public static DockerImage Postgres { get; } = new(
        "postgres", "postgres:16", 5432, "/var/lib/postgresql/data", ["POSTGRES_USER=palimpsest", "POSTGRES_PASSWORD=palimpsest", "POSTGRES_DB=palimpsest"], port => new Uri($"postgres://palimpsest:palimpsest@127.0.0.1:{port}/palimpsest"),
        // The image first runs a server without TCP to initialise; once TCP answers to SSLRequest with N, it is the real one.
        port => ServerPrograms.GreetsAsync(port, new byte[] { 0, 0, 0, 8, 4, 210, 22, 47 }, (byte)'N'));
}
