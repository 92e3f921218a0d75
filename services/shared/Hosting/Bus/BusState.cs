using MassTransit;

namespace Palimpsest.Hosting;

/// <summary>
/// Whether the bus has connected since it was started, its queues are declared with that, and it is not being stopped. A connection that is lost later does not show here: MassTransit's own check
/// (masstransit-bus) tells that, and a send waits for it. Readiness and the outbox dispatcher read it.
/// </summary>
internal sealed class BusState : IBusObserver
{
    private volatile TaskCompletionSource ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public bool IsReady => ready.Task.IsCompleted;

    public Task WaitUntilReadyAsync(CancellationToken cancellationToken) => ready.Task.WaitAsync(cancellationToken);

    public Task PostStart(IBus bus, Task<BusReady> busReady)
    {
        _ = SetWhenReadyAsync(busReady);
        return Task.CompletedTask;
    }

    private async Task SetWhenReadyAsync(Task<BusReady> busReady)
    {
        try
        {
            await busReady;
            ready.TrySetResult();
        }
        catch (Exception e) when (e is OperationCanceledException or MassTransitException)
        {
            // Stopped before it was ready; nothing waits any more.
        }
    }

    public Task PreStop(IBus bus)
    {
        ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
        return Task.CompletedTask;
    }

    public void PostCreate(IBus bus)
    {
    }

    public void CreateFaulted(Exception exception)
    {
    }

    public Task PreStart(IBus bus) => Task.CompletedTask;

    public Task StartFaulted(IBus bus, Exception exception) => Task.CompletedTask;

    public Task PostStop(IBus bus) => Task.CompletedTask;

    public Task StopFaulted(IBus bus, Exception exception) => Task.CompletedTask;
}
