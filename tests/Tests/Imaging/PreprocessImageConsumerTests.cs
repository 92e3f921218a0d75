using MassTransit;
using MassTransit.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Imaging;
using Palimpsest.Inference;
using Palimpsest.Preprocessing;

namespace Palimpsest.Tests.Imaging;

/// <summary>The consumer on an in-memory bus, with the real decoder and a real blob store.</summary>
public sealed class PreprocessImageConsumerTests(DecoderFixture fixture) : IClassFixture<DecoderFixture>, IAsyncLifetime
{
    private ServiceProvider services = null!;
    private ITestHarness harness = null!;
    private IBlobStore blobs = null!;

    public async Task InitializeAsync()
    {
        blobs = new FileBlobStore(new PlatformSettings { ServiceName = "test", DataDirectory = fixture.NewPath(), ModelsDirectory = "" });
        services = new ServiceCollection()
            .AddLogging(log => log.SetMinimumLevel(LogLevel.Error))
            .AddSingleton(blobs)
            .AddSingleton(fixture.Pool)
            .AddSingleton<IFaceFinder, TwoFaces>()
            .AddSingleton<Preprocessor>()
            .AddSingleton<PreparedAhead>()
            .Configure<PreprocessingOptions>(options => (options.MaxAhead, options.MinFreeBytes) = (1, 0))
            .AddSingleton(TimeProvider.System)
            .AddSingleton<IHostApplicationLifetime>(new ApplicationLifetime(NullLogger<ApplicationLifetime>.Instance))
            .AddMassTransitTestHarness(bus => bus.AddConsumer<PreprocessImageConsumer, PreprocessImageDefinition>())
            .BuildServiceProvider(true);
        harness = services.GetRequiredService<ITestHarness>();
        await harness.Start();
    }

    public async Task DisposeAsync() => await services.DisposeAsync();

    private static readonly Guid Command = Guid.CreateVersion7();

    [Fact]
    public async Task Picture_IsPreparedStoredAndAnnounced()
    {
        await SendAsync("an_1", TestPictures.WithExif(TestPictures.Jpeg(120, 80), 6));

        var published = (await harness.Published.SelectAsync<ImagePreprocessed>().First()).Context;
        published.CorrelationId.ShouldBe(Command, "by which reporting knows the command when routing has answered");
        var prepared = published.Message;
        (prepared.AnalysisId, prepared.Format, prepared.Width, prepared.Height, prepared.FaceCount).ShouldBe(("an_1", "jpeg", 80, 120, 2));
        prepared.Prepared.Key.ShouldBe("an_1/prepared");
        prepared.Options.Detectors.ShouldBe(DetectorChoices.Both);
        using var blob = await blobs.OpenLocalAsync(prepared.Prepared.Key, CancellationToken.None);
        new FileInfo(blob.Path).Length.ShouldBe(prepared.Prepared.Bytes);
        using var image = PreparedImage.Open(blob.Path);
        image.Facts.Faces.Count.ShouldBe(2);
    }

    [Fact]
    public async Task SameMessageTwice_GivesTheSameBlob()
    {
        await SendAsync("an_2", TestPictures.Jpeg());
        await harness.Published.SelectAsync<ImagePreprocessed>().First();
        byte[] first = await ReadAsync("an_2/prepared");
        await SendAsync("an_2", TestPictures.Jpeg());
        (await harness.Consumed.SelectAsync<PreprocessImage>().Skip(1).Any()).ShouldBeTrue();

        (await ReadAsync("an_2/prepared")).ShouldBe(first);
    }

    [Fact]
    public async Task Further_picture_WaitsUntilTheOneBeforeIsWorkedOff()
    {
        await SendAsync("an_5", TestPictures.Jpeg());
        await harness.Published.SelectAsync<ImagePreprocessed>().First();
        await SendAsync("an_6", TestPictures.Jpeg());
        (await harness.Published.SelectAsync<ImagePreprocessed>(new CancellationTokenSource(1000).Token).Skip(1).Any()).ShouldBeFalse();

        await blobs.DeleteAsync("an_5/prepared", CancellationToken.None);

        (await harness.Published.SelectAsync<ImagePreprocessed>().Skip(1).First()).Context.Message.AnalysisId.ShouldBe("an_6");
    }

    [Fact]
    public async Task Broken_IsRejectedNotFaulted()
    {
        await SendAsync("an_3", TestPictures.Jpeg()[..700]);

        var rejected = (await harness.Published.SelectAsync<ImageRejected>().First()).Context.Message;
        (rejected.AnalysisId, rejected.Code).ShouldBe(("an_3", ErrorCodes.ImageTruncated));
        (await harness.Published.Any<Fault<PreprocessImage>>(p => true, new CancellationTokenSource(200).Token)).ShouldBeFalse();
    }

    [Fact]
    public async Task LostUpload_IsSaidAtOnce()
    {
        await EndpointAsync(new PreprocessImage { AnalysisId = "an_4", Upload = new BlobReference { Key = "an_4/upload", Bytes = 1 }, Options = new AnalysisOptions() });

        var rejected = (await harness.Published.SelectAsync<ImageRejected>().First()).Context.Message;
        (rejected.AnalysisId, rejected.Code).ShouldBe(("an_4", ErrorCodes.ProcessingCrashed));
        rejected.Detail.ShouldContain("submit it again");
    }

    private async Task SendAsync(string id, byte[] upload)
    {
        await blobs.PutAsync(id + "/upload", new MemoryStream(upload), CancellationToken.None);
        await EndpointAsync(new PreprocessImage
        {
            AnalysisId = id,
            Upload = new BlobReference { Key = id + "/upload", Bytes = upload.Length },
            Options = new AnalysisOptions { Detectors = DetectorChoices.Both },
        });
    }

    private async Task EndpointAsync(PreprocessImage message) => await (await harness.Bus.GetSendEndpoint(Queues.Address(Queues.Preprocess))).Send(message, c => c.CorrelationId = Command);

    private async Task<byte[]> ReadAsync(string key)
    {
        using var blob = await blobs.OpenLocalAsync(key, CancellationToken.None);
        return await File.ReadAllBytesAsync(blob.Path);
    }

    private sealed class TwoFaces : IFaceFinder
    {
        public IReadOnlyList<Face> Find(ReadOnlySpan<byte> rgb, int width, int height, CancellationToken cancellationToken) =>
            [.. Enumerable.Range(1, 2).Select(i => new Face { Box = new PixelBox { X = i, Y = i, Width = 20, Height = 20 }, Confidence = 1.0 / i, Keypoints = new float[12] })];
    }
}
