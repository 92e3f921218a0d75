using System.Diagnostics;

namespace Palimpsest.Local.Servers;

/// <summary>RabbitMQ from Debian's package, beside any other instance: own node name, ports, port mapper, cookie and data.</summary>
internal sealed class RabbitMqServer(string folder) : ILocalServer
{
    private const string Program = "/usr/lib/rabbitmq/bin/rabbitmq-server";

    /// <summary>The same at every start: the node's data lie under it, so that what waits in the queues is there again. Its port mapper is its own, so it meets no other node of this name.</summary>
    private const string Node = "palimpsest@localhost";

    private readonly int port = ChildProcess.FreePort();
    private readonly int distribution = ChildProcess.FreePort();
    private readonly int mapperPort = ChildProcess.FreePort();
    private ChildProcess? server;
    private ChildProcess? mapper;

    /// <summary>The package is on this machine.</summary>
    public static bool IsInstalled => File.Exists(Program);

    public Uri Url => new($"amqp://guest:guest@127.0.0.1:{port}/");

    /// <summary>What <c>rabbitmqctl</c> needs to reach this node.</summary>
    public IReadOnlyDictionary<string, string?> ControlEnvironment => new Dictionary<string, string?>(StringComparer.Ordinal)
    {
        ["HOME"] = folder,
        ["RABBITMQ_NODENAME"] = Node,
        ["ERL_EPMD_PORT"] = $"{mapperPort}",
        ["ERL_EPMD_ADDRESS"] = "127.0.0.1",
    };

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        string program = ServerPrograms.Find("rabbitmq-server", "RABBITMQ_URL", Program);
        string log = Path.Combine(folder, "rabbitmq.log");
        Directory.CreateDirectory(folder);
        RefuseSecond();
        string configuration = Path.Combine(folder, "rabbitmq.conf");
        await File.WriteAllTextAsync(
            configuration,
            $"listeners.tcp.default = 127.0.0.1:{port}\nlog.console = true\nlog.console.level = warning\nlog.file = false\nvm_memory_high_watermark.absolute = 1GB\ndisk_free_limit.absolute = 200MB\ncollect_statistics_interval = 60000\n",
            cancellationToken);
        // The port mapper outlives the node that starts it; as our own child it ends with us.
        mapper ??= ChildProcess.Start(
            "epmd", [File.Exists("/usr/bin/epmd") ? "/usr/bin/epmd" : "epmd", "-port", $"{mapperPort}", "-address", "127.0.0.1"],
            new Dictionary<string, string?>(StringComparer.Ordinal), Path.Combine(folder, "epmd.log"));
        var environment = new Dictionary<string, string?>(ControlEnvironment, StringComparer.Ordinal)
        {
            ["RABBITMQ_CONFIG_FILE"] = configuration,
            ["RABBITMQ_CONF_ENV_FILE"] = Path.Combine(folder, "none"),
            ["RABBITMQ_ENABLED_PLUGINS_FILE"] = Path.Combine(folder, "enabled_plugins"),
            ["RABBITMQ_MNESIA_BASE"] = Path.Combine(folder, "mnesia"),
            ["RABBITMQ_LOG_BASE"] = folder,
            ["RABBITMQ_DIST_PORT"] = $"{distribution}",
            // The script then becomes the Erlang VM, so that its process id is the broker's.
            ["RUNNING_UNDER_SYSTEMD"] = "1",
            ["NOTIFY_SOCKET"] = null,
            // Loopback only, and no spinning: the machine is shared with the services.
            ["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] = "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none",
        };
        server = ChildProcess.Start("rabbitmq-server", [program], environment, log, folder);
        await File.WriteAllTextAsync(ProcessFile, $"{server.Id}", cancellationToken);
        await ServerPrograms.WaitAsync(server, log, () => ServerPrograms.GreetsAsync(port, "AMQP\0\0\u0009\u0001"u8.ToArray(), 1), cancellationToken);
    }

    /// <summary>Runs <c>rabbitmqctl</c> on this node.</summary>
    /// <exception cref="LocalServerException">It failed.</exception>
    public async Task<string> ControlAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo("/usr/lib/rabbitmq/bin/rabbitmqctl", arguments) { RedirectStandardOutput = true, UseShellExecute = false };
        foreach (var (key, value) in ControlEnvironment)
        {
            start.Environment[key] = value;
        }

        using var control = Process.Start(start)!;
        string output = await control.StandardOutput.ReadToEndAsync();
        await control.WaitForExitAsync();
        return control.ExitCode == 0 ? output : throw new LocalServerException($"rabbitmqctl {arguments[0]} failed: {output}");
    }

    public async Task StopAsync()
    {
        if (server is not null)
        {
            await server.StopAsync(TimeSpan.FromSeconds(30));
            server = null;
        }
    }

    public Task KillAsync() => server?.KillAsync() ?? Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        if (mapper is not null)
        {
            await mapper.DisposeAsync();
        }
    }

    private string ProcessFile => Path.Combine(folder, "process");

    /// <summary>Two nodes over one database would destroy it, and nothing in RabbitMQ keeps the second away, as PostgreSQL's lock file does.</summary>
    private void RefuseSecond()
    {
        if (File.Exists(ProcessFile) && File.ReadAllText(ProcessFile) is var id && IsOver(id))
        {
            throw new LocalServerException($"Process {id} is a broker over {folder} already: stop the 'up --distributed' that it belongs to, or if that was killed, the process ('kill {id}').");
        }
    }

    private bool IsOver(string processId)
    {
        try
        {
            return File.ReadAllText($"/proc/{processId}/environ").Split('\0').Contains($"RABBITMQ_MNESIA_BASE={Path.Combine(folder, "mnesia")}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Gone, or its number is somebody else's by now.
            return false;
        }
    }
}
