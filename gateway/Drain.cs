using Microsoft.Extensions.Hosting;

namespace Palimpsest.Gateway;

/// <summary>
/// Before a gateway that is told to end closes its connections it serves on for a moment and says <c>Connection: close</c> with each answer: a client that sends on a
/// connection in the instant it is closed would see its request fail and not know whether it was read.
/// </summary>
internal sealed class Drain(IHostApplicationLifetime lifetime) : IHostedLifecycleService
{
    /// <summary>Longer than a busy client leaves a connection idle.</summary>
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(2);

    /// <summary>Told to end.</summary>
    public bool IsClosing => lifetime.ApplicationStopping.IsCancellationRequested;

    /// <summary>Runs before the server is stopped.</summary>
    public Task StoppingAsync(CancellationToken cancellationToken) => Task.Delay(Window, cancellationToken);

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
