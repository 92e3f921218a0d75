using System.CommandLine;
using System.Net;
using System.Net.Sockets;
using Palimpsest.Gateway;
using Palimpsest.Hosting;
using Palimpsest.Local.Distributed;
using Palimpsest.Local.RescueBox;
using Palimpsest.Local.Servers;

namespace Palimpsest.Local.Commands;

/// <summary><c>up</c>: serve.</summary>
internal static class UpCommand
{
    public static Command Create()
    {
        var port = new Option<int>("--port") { Description = "Port of the gateway and console.", DefaultValueFactory = _ => 8080 };
        var data = new Option<string?>("--data") { Description = "Folder for pictures, results and the database (default: data, or PALIMPSEST_DATA)." };
        var networks = new Option<string[]>("--allow-network") { Description = "CIDR that URL submissions and webhooks may reach although it is special, e.g. 127.0.0.0/8. For development." };
        var noAuth = new Option<bool>("--no-auth") { Description = "No API key needed; answers over loopback only." };
        var distributed = new Option<bool>("--distributed") { Description = "Each service its own process over RABBITMQ_URL, REDIS_URL and POSTGRES_URL; starts Debian's servers for those not set." };
        var models = new Option<string?>("--models") { Description = "Models folder." };
        var rescueBox = new Option<bool>("--rescuebox") { Description = "Also answer RescueBox's model-server protocol on loopback; it reads and writes local folders. Not with --distributed." };
        var command = new Command("up", "Serves the whole platform.") { port, data, networks, noAuth, distributed, models, rescueBox };
        command.Validators.Add(result =>
        {
            if (result.GetValue(rescueBox) && result.GetValue(distributed))
            {
                result.AddError("--rescuebox works in one process only, without --distributed.");
            }
        });
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var settings = new UpSettings
            {
                Port = parsed.GetValue(port),
                Data = Path.GetFullPath(parsed.GetValue(data) ?? Environment.GetEnvironmentVariable("PALIMPSEST_DATA") ?? "data"),
                Networks = parsed.GetValue(networks) ?? [],
                NoAuth = parsed.GetValue(noAuth),
                RescueBox = parsed.GetValue(rescueBox),
                Models = parsed.GetValue(models) is { } folder ? Path.GetFullPath(folder) : null,
            };
            if (settings.Port is < 1 or > IPEndPoint.MaxPort)
            {
                await Console.Error.WriteLineAsync($"--port is a number from 1 to {IPEndPoint.MaxPort}.");
                return CommandLine.BadUsage;
            }

            if (settings.Models is { } given && !Directory.Exists(given))
            {
                await Console.Error.WriteLineAsync($"{given} does not exist: --models names a folder of models.");
                return CommandLine.BadUsage;
            }

            if (!IsFree(settings.Port))
            {
                await Console.Error.WriteLineAsync($"Port {settings.Port} is taken: stop what listens there or choose another with --port.");
                return 1;
            }

            try
            {
                // Before any host starts, which would tell the same in forty lines.
                Directory.CreateDirectory(settings.Data);
                return parsed.GetValue(distributed) ? await DistributedHost.RunAsync(settings, cancellationToken) : await RunEmbeddedAsync(settings, cancellationToken);
            }
            catch (Exception e) when (e is InvalidOperationException or ArgumentException or LocalServerException or IOException or UnauthorizedAccessException)
            {
                await Console.Error.WriteLineAsync(CommandLine.Plain(e));
                return 1;
            }
        });
        return command;
    }

    private static async Task<int> RunEmbeddedAsync(UpSettings settings, CancellationToken cancellationToken)
    {
        await using var app = Embedded.Build(settings.ToConfiguration());
        if (settings.RescueBox)
        {
            app.MapRescueBox();
        }

        using var hangup = Hangup.Register(app.Lifetime.StopApplication);
        await app.StartAsync(cancellationToken);
        await Banner.WriteAsync(app.Services.GetRequiredService<ApiKeys>(), settings, cancellationToken);
        await app.WaitForShutdownAsync(cancellationToken);
        return 0;
    }

    private static bool IsFree(int port)
    {
        try
        {
            using var listener = new TcpListener(IPAddress.Loopback, port);
            listener.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}

/// <summary>Options of <c>up</c>.</summary>
internal sealed record UpSettings
{
    public required int Port { get; init; }

    /// <summary>Absolute.</summary>
    public required string Data { get; init; }

    public IReadOnlyList<string> Networks { get; init; } = [];

    public bool NoAuth { get; init; }

    /// <summary>Serve RescueBox's protocol too.</summary>
    public bool RescueBox { get; init; }

    /// <summary>Absolute; null: beside the program, or the environment's.</summary>
    public string? Models { get; init; }

    /// <summary>As configuration, for a host or for a child's environment.</summary>
    public Dictionary<string, string?> ToConfiguration()
    {
        var configuration = new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["PALIMPSEST_DATA"] = Data,
            ["Urls"] = $"http://localhost:{Port}",
            ["Intake:NoAuth"] = NoAuth ? "true" : "false",
            ["Logging:LogLevel:Default"] = "Warning",
        };
        if (Networks.Count > 0)
        {
            configuration["PALIMPSEST_ALLOW_NETWORKS"] = string.Join(',', Networks);
        }

        if (Models is not null)
        {
            configuration["PALIMPSEST_MODELS"] = Models;
        }

        return configuration;
    }
}
