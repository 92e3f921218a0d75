using System.Diagnostics;
using Palimpsest.Contracts;
using Palimpsest.Decoding;
using Palimpsest.Hosting;
using Palimpsest.Imaging.Protocol;

namespace Palimpsest.Tests.Imaging;

/// <summary>What a picture that takes over or breaks its decoder can do: lose itself.</summary>
public sealed class DecoderIsolationTests(DecoderFixture fixture) : IClassFixture<DecoderFixture>
{
    [Theory]
    [InlineData("crash", ErrorCodes.DecoderCrashed)]
    [InlineData("abort", ErrorCodes.DecoderCrashed)]
    [InlineData("bloat", ErrorCodes.DecoderCrashed)]
    [InlineData("hang", ErrorCodes.DecodeTimeout)]
    public async Task Poison_CostsItselfOnly(string poison, string code)
    {
        var clock = Stopwatch.StartNew();
        var (_, refusal) = await fixture.PrepareAsync(TestPictures.Poison(poison));

        refusal!.Code.ShouldBe(code);
        clock.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(30));
        var (layout, _) = await fixture.PrepareAsync(TestPictures.Jpeg());
        layout.ShouldNotBeNull();
    }

    [Fact]
    public async Task FullDisk_IsToldApartFromABrokenOne()
    {
        var full = await Should.ThrowAsync<IOException>(() => fixture.Pool.PrepareAsync(fixture.Save(TestPictures.Jpeg()), "/dev/full", CancellationToken.None));
        var missing = await Should.ThrowAsync<IOException>(() => fixture.Pool.PrepareAsync(fixture.Save(TestPictures.Jpeg()), "/nowhere/output", CancellationToken.None));

        (BlobStoreFullException.Is(full), BlobStoreFullException.Is(missing)).ShouldBe((true, false));
    }

    [Fact]
    public async Task TestHooks_AreOffUnlessAskedFor()
    {
        await using var pool = DecoderFixture.CreatePool(new DecoderOptions { Processes = 1 });
        var (layout, _) = await pool.PrepareAsync(fixture.Save(TestPictures.Poison("crash")), fixture.NewPath(), CancellationToken.None);

        layout.ShouldNotBeNull();
    }

    [Fact]
    public async Task Decoder_HasNoNetworkNoProcessesNoSecrets()
    {
        Environment.SetEnvironmentVariable("PALIMPSEST_TEST_SECRET", "hush");
        try
        {
            await using var pool = DecoderFixture.CreatePool(new DecoderOptions { Processes = 1, TestHooks = true });
            var (_, refusal) = await pool.PrepareAsync(fixture.Save(TestPictures.Poison("probe")), fixture.NewPath(), CancellationToken.None);

            refusal!.Detail.ShouldBe("thread"); // of everything it tried, only a thread was possible
        }
        finally
        {
            Environment.SetEnvironmentVariable("PALIMPSEST_TEST_SECRET", null);
        }
    }

    [Fact]
    public async Task KilledFromOutside_CostsNoPicture()
    {
        await using var pool = DecoderFixture.CreatePool(new DecoderOptions { Processes = 1 });
        await pool.StartAsync(CancellationToken.None);
        foreach (int process in pool.ProcessIds)
        {
            using var child = Process.GetProcessById(process);
            child.Kill();
            await child.WaitForExitAsync();
        }

        var (layout, _) = await pool.PrepareAsync(fixture.Save(TestPictures.Jpeg()), fixture.NewPath(), CancellationToken.None);

        layout.ShouldNotBeNull();
    }

    [Fact]
    public async Task ParentGone_EndsTheDecoderInTheMiddleOfAPicture()
    {
        using var child = await DecoderChild.StartAsync(new DecoderOptions { TestHooks = true }, CancellationToken.None);
        var asked = child.AskAsync(
            new PrepareRequest { Upload = fixture.Save(TestPictures.Poison("hang")), Output = fixture.NewPath(), Limits = new DecodeLimits(), MaxAnalysedPixels = 1 },
            CancellationToken.None);
        await Task.Delay(200);
        asked.IsCompleted.ShouldBeFalse();

        child.CloseInput(); // what the kernel does to the pipe when a parent dies

        await Should.ThrowAsync<DecoderDiedException>(() => asked.WaitAsync(TimeSpan.FromSeconds(10)));
    }

    [Fact]
    public async Task Disposed_LeavesNoProcess()
    {
        var pool = DecoderFixture.CreatePool(new DecoderOptions { Processes = 2 });
        await pool.StartAsync(CancellationToken.None);
        var processes = pool.ProcessIds.Select(Process.GetProcessById).ToList();

        await pool.DisposeAsync();

        foreach (var process in processes)
        {
            await process.WaitForExitAsync(new CancellationTokenSource(TimeSpan.FromSeconds(5)).Token);
        }

        processes.Count.ShouldBe(2);
    }
}
