using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Threading.Channels;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Palimpsest.Contracts;
using Palimpsest.Gateway;
using Palimpsest.Hosting;

namespace Palimpsest.Tests.Gateway;

/// <summary><c>POST /v1/analyses</c> over a real server.</summary>
public sealed class SubmissionTests : IAsyncLifetime
{
    private readonly Channel<PreprocessImage> commands = Channel.CreateUnbounded<PreprocessImage>();
    private GatewayHost host = null!;

    public async Task InitializeAsync() => host = await GatewayHost.StartAsync(
        new() { ["Intake:MaxImageBytes"] = "100000" },
        platform =>
        {
            platform.Services.AddSingleton(commands.Writer);
            platform.AddConsumers(bus => bus.AddConsumer<Sink>().Endpoint(e => e.Name = Queues.Preprocess));
        });

    public async Task DisposeAsync() => await host.DisposeAsync();

    [Fact]
    public async Task A_form_is_accepted_stored_and_sent_on()
    {
        byte[] image = Api.Jpeg();
        using var response = await host.Client.SendAsync(Api.Post(Api.Form(image, ("detectors", "both"), ("face_crop", "false"), ("metadata", """{"post": "4711"}"""))));
        var analysis = await response.AnalysisAsync();
        response.Headers.Location!.OriginalString.ShouldBe("/v1/analyses/" + analysis.Id);
        response.Headers.RetryAfter.ShouldNotBeNull();
        analysis.Status.ShouldBe(AnalysisStatuses.Queued);
        analysis.Image.Sha256.ShouldBe(Convert.ToHexStringLower(SHA256.HashData(image)));
        analysis.Image.Bytes.ShouldBe(image.Length);
        analysis.Image.Format.ShouldBe("jpeg");
        analysis.Image.Filename.ShouldBe("a.jpg");
        analysis.Metadata!["post"]!.GetValue<string>().ShouldBe("4711");
        analysis.TraceId!.Length.ShouldBe(32);

        var record = (await host.Service<IAnalysisStore>().FindAsync("acme", analysis.Id, default))!;
        record.Request.Options.ShouldBe(new AnalysisOptions { Detectors = "both", FaceCrop = false });
        record.StageDue.ShouldNotBeNull();
        var command = await commands.Reader.ReadAsync(new CancellationTokenSource(TimeSpan.FromSeconds(10)).Token);
        command.AnalysisId.ShouldBe(analysis.Id);
        command.Options.ShouldBe(record.Request.Options);
        await using var stored = await host.Service<IBlobStore>().OpenReadAsync(command.Upload.Key, default);
        using var copy = new MemoryStream();
        await stored.CopyToAsync(copy);
        copy.ToArray().ShouldBe(image);
        command.Upload.Bytes.ShouldBe(image.Length);
    }

    [Fact]
    public async Task A_raw_body_takes_its_options_from_the_query()
    {
        using var response = await host.Client.SendAsync(Api.Post(Api.Raw(Api.Jpeg()), "/v1/analyses?detectors=deepfake&face_crop=0&retention=zero&metadata=%7B%22a%22%3A1%7D"));
        var record = (await host.Service<IAnalysisStore>().FindAsync("acme", (await response.AnalysisAsync()).Id, default))!;
        record.Request.Options.ShouldBe(new AnalysisOptions { Detectors = "deepfake", FaceCrop = false });
        record.Request.ZeroRetention.ShouldBeTrue();
        record.Request.Metadata!["a"]!.GetValue<int>().ShouldBe(1);
    }

    [Fact]
    public async Task The_callers_trace_goes_on()
    {
        const string Trace = "0af7651916cd43dd8448eb211c80319c";
        using var response = await host.Client.SendAsync(Api.Post(Api.Form(Api.Jpeg()), headers: ("traceparent", $"00-{Trace}-b7ad6b7169203331-01")));
        (await response.AnalysisAsync()).TraceId.ShouldBe(Trace);
    }

    [Theory]
    [InlineData("jpeg", "FFD8FFDB")]
    [InlineData("png", "89504E470D0A1A0A")]
    [InlineData("gif", "474946383961")]
    [InlineData("webp", "524946460000000057454250")]
    [InlineData("tiff", "49492A00")]
    [InlineData("tiff", "4D4D002A")]
    [InlineData("avif", "0000002066747970617669660000000061766966")]
    [InlineData("avif", "00000020667479706D69663100000000617669666D696166")]
    public async Task The_format_is_known_by_its_bytes_whatever_the_header_says(string format, string head)
    {
        byte[] image = [.. Convert.FromHexString(head), .. new byte[64]];
        using var response = await host.Client.SendAsync(Api.Post(Api.Raw(image, "image/x-anything")));
        (await response.AnalysisAsync()).Image.Format.ShouldBe(format);
    }

    [Theory]
    [InlineData("hello, this is not a picture at all")]
    [InlineData("<svg xmlns='http://www.w3.org/2000/svg'/>")]
    [InlineData("%PDF-1.7 and so on and so on and so on")]
    [InlineData("BM6 a bitmap which we do not take")]
    [InlineData("RIFF....AVI LIST")]
    [InlineData("....ftypheic....heicmif1")]
    [InlineData("MM")]
    public async Task Other_bytes_are_refused_under_an_image_name(string text)
    {
        using var response = await host.Client.SendAsync(Api.Post(Api.Form(Encoding.Latin1.GetBytes(text))));
        await response.ProblemAsync(415, ErrorCodes.UnsupportedFormat);
        host.StoredFiles().ShouldBeEmpty();
    }

    [Fact]
    public async Task No_bytes_are_refused()
    {
        using var form = await host.Client.SendAsync(Api.Post(Api.Form([])));
        await form.ProblemAsync(400, ErrorCodes.ImageEmpty);
        using var raw = await host.Client.SendAsync(Api.Post(Api.Raw([])));
        await raw.ProblemAsync(400, ErrorCodes.ImageEmpty);
    }

    [Theory]
    [InlineData(false, true)]
    [InlineData(true, true)]
    [InlineData(false, false)]
    [InlineData(true, false)]
    public async Task One_byte_too_many_is_refused_and_leaves_nothing(bool chunked, bool form)
    {
        async Task<HttpResponseMessage> SendAsync(int length)
        {
            byte[] image = Api.Jpeg(length);
            var request = Api.Post(form ? Api.Form(image) : Api.Raw(image));
            request.Headers.TransferEncodingChunked = chunked;
            return await host.Client.SendAsync(request);
        }

        using var tooMuch = await SendAsync(100_001);
        await tooMuch.ProblemAsync(413, ErrorCodes.ImageTooLarge);
        host.StoredFiles().ShouldBeEmpty();
        using var exactly = await SendAsync(100_000);
        await exactly.AnalysisAsync();
    }

    [Theory]
    [InlineData(null, 401, ErrorCodes.Unauthenticated)]
    [InlineData("reader", 403, ErrorCodes.Forbidden)]
    [InlineData("all", 413, ErrorCodes.ImageTooLarge)]
    public async Task A_refusal_reaches_a_client_that_is_still_sending(string? scopes, int status, string code)
    {
        string? key = scopes is null ? null : scopes == "all" ? host.Key : (await host.Keys.CreateAsync("acme", "r", [Scopes.Read], null, default)).Key;
        using var client = host.Connect(key);
        // Far more than socket buffers hold.
        using var response = await client.SendAsync(Api.Post(Api.Raw(Api.Jpeg(24 << 20))));
        await response.ProblemAsync(status, code);
    }

    [Fact]
    public async Task A_form_of_endless_fields_is_given_up()
    {
        using var response = await host.Client.SendAsync(Api.Post(Api.Form(Api.Jpeg(), [.. Enumerable.Range(0, 100).Select(i => ($"field{i}", "x"))])));
        await response.ProblemAsync(400, ErrorCodes.MalformedRequest);
        host.StoredFiles().ShouldBeEmpty();
    }

    [Theory]
    [InlineData("detectors", "all")]
    [InlineData("face_crop", "yes")]
    [InlineData("retention", "forever")]
    [InlineData("metadata", "[1]")]
    [InlineData("metadata", "{\"a\":1,\"a\":2}")]
    [InlineData("metadata", "{")]
    [InlineData("colour", "red")]
    [InlineData("detectors", "")]
    public async Task A_wrong_option_is_named(string name, string value)
    {
        using var response = await host.Client.SendAsync(Api.Post(Api.Form(Api.Jpeg(), (name, value))));
        var problem = await response.ProblemAsync(422, ErrorCodes.InvalidOption);
        problem.GetProperty("errors").GetProperty(name).GetArrayLength().ShouldBe(1);
        host.StoredFiles().ShouldBeEmpty();
    }

    [Fact]
    public async Task Metadata_may_have_4096_bytes_and_no_more()
    {
        static string Of(int bytes) => $$"""{"a":"{{new string('x', bytes - 8)}}"}""";
        using var most = await host.Client.SendAsync(Api.Post(Api.Form(Api.Jpeg(), ("metadata", Of(4_096)))));
        await most.AnalysisAsync();
        using var more = await host.Client.SendAsync(Api.Post(Api.Form(Api.Jpeg(), ("metadata", Of(4_097)))));
        (await more.ProblemAsync(422, ErrorCodes.InvalidOption)).GetProperty("errors").TryGetProperty("metadata", out _).ShouldBeTrue();
    }

    [Theory]
    [InlineData("/v1/analyses", "both", "both")]
    [InlineData("/v1/analyses?detectors=both", "both")]
    [InlineData("/v1/analyses?detectors=both&detectors=both")]
    public async Task An_option_given_twice_is_refused_even_when_both_agree(string path, params string[] fields)
    {
        using var response = await host.Client.SendAsync(Api.Post(Api.Form(Api.Jpeg(), [.. fields.Select(f => ("detectors", f))]), path));
        var problem = await response.ProblemAsync(422, ErrorCodes.InvalidOption);
        problem.GetProperty("errors").EnumerateObject().Single().Value[0].GetString()!.ShouldContain("more than once");
    }

    [Theory]
    [InlineData("/v1/analyses", """{"url": "https://images.example.com/a.jpg", "detectors": null, "face_crop": null, "callback_url": null, "metadata": null, "retention": null}""", ErrorCodes.FetchFailed)]
    [InlineData("/v1/analyses", """{"url": "https://images.example.com/a.jpg", "detectors": null, "detectors": "auto"}""", ErrorCodes.InvalidOption)]
    [InlineData("/v1/analyses", """{"url": "https://images.example.com/a.jpg", "colour": null}""", ErrorCodes.InvalidOption)]
    [InlineData("/v1/batches", """{"urls": [], "detectors": null, "metadata": null}""", ErrorCodes.ImageMissing)]
    public async Task In_JSON_null_is_an_option_that_is_not_given(string path, string body, string code)
    {
        // Past the options: what is refused then is the picture that nobody can fetch.
        using var response = await host.Client.SendAsync(Api.Post(new StringContent(body, null, "application/json"), path));
        await response.ProblemAsync(code == ErrorCodes.ImageMissing ? 400 : 422, code);
    }

    [Fact]
    public async Task Two_images_are_not_one_analysis()
    {
        using var form = Api.Form(Api.Jpeg());
        form.Add(new ByteArrayContent(Api.Jpeg()), "image", "b.jpg");
        using var response = await host.Client.SendAsync(Api.Post(form));
        (await response.ProblemAsync(422, ErrorCodes.InvalidOption)).GetProperty("errors").TryGetProperty("image", out _).ShouldBeTrue();
        host.StoredFiles().ShouldBeEmpty();
    }

    [Theory]
    [InlineData("text/plain", "x", 415, ErrorCodes.UnsupportedFormat)]
    [InlineData("application/x-www-form-urlencoded", "image=x", 415, ErrorCodes.UnsupportedFormat)]
    [InlineData("multipart/form-data", "x", 400, ErrorCodes.MalformedRequest)]
    [InlineData("multipart/form-data; boundary=b", "junk", 400, ErrorCodes.MalformedRequest)]
    [InlineData("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=image\r\n\r\nhalf", 400, ErrorCodes.MalformedRequest)]
    [InlineData("multipart/form-data; boundary=b", "--b\r\nX-Other: 1\r\n\r\nx\r\n--b--\r\n", 400, ErrorCodes.MalformedRequest)]
    [InlineData("multipart/form-data; boundary=b", "--b--\r\n", 400, ErrorCodes.ImageMissing)]
    [InlineData("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=detectors\r\n\r\nboth\r\n--b--\r\n", 400, ErrorCodes.ImageMissing)]
    [InlineData("application/json", "{", 400, ErrorCodes.MalformedRequest)]
    [InlineData("application/json", "[]", 400, ErrorCodes.MalformedRequest)]
    [InlineData("application/json", "{}", 400, ErrorCodes.ImageMissing)]
    [InlineData("application/json", """{"url": 5}""", 400, ErrorCodes.ImageMissing)]
    [InlineData("application/json", """{"url": "https://example.com/a.jpg", "url": "https://example.com/b.jpg"}""", 422, ErrorCodes.InvalidOption)]
    [InlineData("application/json", """{"url": "http://169.254.169.254/latest/meta-data"}""", 422, ErrorCodes.AddressRefused)]
    [InlineData("application/json", """{"url": "file:///etc/passwd"}""", 422, ErrorCodes.AddressRefused)]
    [InlineData("application/json", """{"url": "\ud800"}""", 400, ErrorCodes.MalformedRequest)]
    [InlineData("application/json", """{"url": "https://example.com/a.jpg", "detectors": "\ud800"}""", 400, ErrorCodes.MalformedRequest)]
    [InlineData("application/json", """{"url": "https://example.com/a.jpg", "\ud800": 1}""", 400, ErrorCodes.MalformedRequest)]
    [InlineData("application/json", """{"url": "https://example.com/a.jpg", "metadata": {"a": ["\udc00"]}}""", 400, ErrorCodes.MalformedRequest)]
    [InlineData("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=metadata\r\n\r\n{\"a\": \"\\ud800\"}\r\n--b--\r\n", 422, ErrorCodes.InvalidOption)]
    [InlineData("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=metadata\r\n\r\n{\"\\ud800\": 1}\r\n--b--\r\n", 422, ErrorCodes.InvalidOption)]
    public async Task A_request_that_is_not_one_gets_its_code(string type, string body, int status, string code)
    {
        var content = new StringContent(body);
        content.Headers.Remove("Content-Type");
        content.Headers.TryAddWithoutValidation("Content-Type", type);
        using var response = await host.Client.SendAsync(Api.Post(content));
        await response.ProblemAsync(status, code);
        host.StoredFiles().ShouldBeEmpty();
    }

    [Fact]
    public async Task A_picture_under_another_name_gets_a_hint()
    {
        using var form = new MultipartFormDataContent { { new ByteArrayContent(Api.Jpeg(20_000)), "file", "a.jpg" } };
        using var response = await host.Client.SendAsync(Api.Post(form));
        (await response.ProblemAsync(400, ErrorCodes.ImageMissing)).GetProperty("detail").GetString()!.ShouldContain("'image'");
    }

    [Theory]
    [InlineData("http://10.0.0.8/hook")]
    [InlineData("http://[::1]/hook")]
    [InlineData("https://localhost/hook")]
    [InlineData("gopher://example.com/")]
    public async Task A_callback_nobody_may_reach_is_refused(string callback)
    {
        using var response = await host.Client.SendAsync(Api.Post(Api.Form(Api.Jpeg(), ("callback_url", callback))));
        (await response.ProblemAsync(422, ErrorCodes.AddressRefused)).GetProperty("errors").TryGetProperty("callback_url", out _).ShouldBeTrue();
        host.StoredFiles().ShouldBeEmpty();
    }

    [Fact]
    public async Task When_the_row_cannot_be_written_nothing_is_kept()
    {
        await host.Service<PlatformDatabase>().ExecuteAsync("ALTER TABLE outbox RENAME TO gone", null, default);
        using var response = await host.Client.SendAsync(Api.Post(Api.Form(Api.Jpeg())));
        await response.ProblemAsync(503, ErrorCodes.Unavailable);
        response.Headers.RetryAfter.ShouldNotBeNull();
        host.StoredFiles().ShouldBeEmpty();
        (await host.Service<PlatformDatabase>().QueryFirstAsync<long>("SELECT count(*) FROM analyses", null, default)).ShouldBe(0);
    }

    [Fact]
    public async Task A_client_that_hangs_up_before_the_commit_leaves_nothing()
    {
        var acceptance = host.Service<Acceptance>();
        using var image = await host.Service<UploadReceiver>().ReceiveAsync(new MemoryStream(Api.Jpeg()), ApiException.Malformed("cut"), default);
        var item = await acceptance.PrepareAsync("acme", image, new OptionCollector().Build(), null, null, null, default);
        host.StoredFiles().ShouldNotBeEmpty();
        await Should.ThrowAsync<OperationCanceledException>(() => acceptance.CommitAsync([item], null, new CancellationToken(canceled: true)));
        host.StoredFiles().ShouldBeEmpty();
    }

    [Theory]
    [InlineData("photo.jpg", "photo.jpg")]
    [InlineData("../../etc/passwd", "passwd")]
    [InlineData("C:\\Users\\me\\a b.png", "a b.png")]
    [InlineData("a\u202Egpj.exe\r\nX: y", "agpj.exeX: y")]
    [InlineData("naïve 写真.jpg", "naïve 写真.jpg")]
    [InlineData("..", null)]
    [InlineData("/", null)]
    [InlineData("", null)]
    public void File_names_are_made_harmless(string sent, string? kept) => FileNames.Clean(sent).ShouldBe(kept);

    private sealed class Sink(ChannelWriter<PreprocessImage> writer) : IConsumer<PreprocessImage>
    {
        public Task Consume(ConsumeContext<PreprocessImage> context) => writer.WriteAsync(context.Message).AsTask();
    }
}
