using System.Net;
using System.Reflection;
using Microsoft.Extensions.DependencyInjection;
using Palimpsest.Hosting;

namespace Palimpsest.Tests.Gateway;

public sealed class FlushTests
{
    [Fact]
    public async Task A_picture_is_on_the_disk_before_anything_speaks_of_it()
    {
        var blobs = (HeldFlushes)(object)DispatchProxy.Create<IBlobStore, HeldFlushes>();
        await using var host = await GatewayHost.StartAsync(configure: p => p.Services.AddSingleton<IBlobStore>(services =>
        {
            blobs.Inner = ActivatorUtilities.CreateInstance<FileBlobStore>(services);
            return (IBlobStore)(object)blobs;
        }));
        var asked = host.Client.SendAsync(Api.Post(Api.Form(Api.Jpeg())));
        string key = await blobs.Asked.Task.WaitAsync(TimeSpan.FromSeconds(20));
        (await RowsAsync(host)).ShouldBe(0);
        asked.IsCompleted.ShouldBeFalse();
        blobs.Flush.SetResult();
        using var answer = await asked;
        var analysis = await answer.AnalysisAsync(HttpStatusCode.Accepted);
        key.ShouldBe(BlobKeys.Upload(analysis.Id));
        (await RowsAsync(host)).ShouldBe(2);
    }

    /// <summary>Analyses and messages.</summary>
    private static Task<long> RowsAsync(GatewayHost host) =>
        host.Service<PlatformDatabase>().QueryFirstAsync<long>("SELECT (SELECT count(*) FROM analyses) + (SELECT count(*) FROM outbox)", null, default);

    /// <summary>A blob store whose flushes wait until they are let go.</summary>
    public class HeldFlushes : DispatchProxy
    {
        public IBlobStore Inner { get; set; } = null!;

        public TaskCompletionSource<string> Asked { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Flush { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
        {
            if (targetMethod!.Name != nameof(IBlobStore.FlushAsync))
            {
                return targetMethod.Invoke(Inner, BindingFlags.DoNotWrapExceptions, null, args, null);
            }

            Asked.TrySetResult((string)args![0]!);
            return HoldAsync((string)args[0]!);
        }

        private async Task HoldAsync(string key)
        {
            await Flush.Task;
            await Inner.FlushAsync(key, default);
        }
    }
}
