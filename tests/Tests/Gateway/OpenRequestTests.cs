using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;
using Palimpsest.Contracts;
using Palimpsest.Gateway;
using Palimpsest.Hosting;

namespace Palimpsest.Tests.Gateway;

/// <summary>Requests that last: how many one tenant may have open, and what one holds before its bytes come.</summary>
public sealed class OpenRequestTests
{
    [Fact]
    public async Task Uploads_that_do_not_come_take_a_tenants_own_places_and_give_them_back()
    {
        await using var host = await GatewayHost.StartAsync(new() { ["Limits:OpenRequests"] = "2", ["Limits:Burst"] = "10000" });
        using (await HangingUploadAsync(host))
        using (await HangingUploadAsync(host))
        {
            await UntilAsync(host.Client, HttpStatusCode.TooManyRequests);
            using var refused = await host.Client.SendAsync(Api.Post(Api.Form(Api.Jpeg())));
            await refused.ProblemAsync(429, ErrorCodes.RateLimited);
            refused.Headers.RetryAfter.ShouldNotBeNull();
            refused.Headers.Contains("RateLimit").ShouldBeTrue();
            using var other = host.Connect((await host.Keys.CreateAsync("globex", "k", Scopes.All, null, default)).Key);
            using var theirs = await other.SendAsync(Api.Post(Api.Form(Api.Jpeg())));
            await theirs.AnalysisAsync();
        }

        await UntilAsync(host.Client, HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Whoever_waits_for_an_analysis_takes_no_place_among_requests_and_beyond_those_that_may_wait_nobody_does()
    {
        await using var host = await GatewayHost.StartAsync(new() { ["Limits:OpenRequests"] = "1", ["Limits:OpenWaits"] = "1", ["Limits:Burst"] = "10000" });
        using var leave = new CancellationTokenSource();
        var waiting = host.Client.SendAsync(Api.Post(Api.Form(Api.Jpeg(seed: 1)), headers: ("Prefer", "wait=60")), leave.Token);
        await Poll.UntilAsync(async () => (await host.Service<IAnalysisStore>().ListAsync("acme", new AnalysisFilter(), default)).Count == 1);
        await UntilAsync(host.Client, HttpStatusCode.NotFound);

        using var second = await host.Client.SendAsync(Api.Post(Api.Form(Api.Jpeg(seed: 2)), headers: ("Prefer", "wait=60")));
        await second.AnalysisAsync(HttpStatusCode.Accepted);
        second.Headers.Contains("Preference-Applied").ShouldBeFalse();
        waiting.IsCompleted.ShouldBeFalse();
        await UntilAsync(host.Client, HttpStatusCode.NotFound);
        using var events = await host.Client.GetAsync("/v1/analyses/an_x/events");
        await events.ProblemAsync(429, ErrorCodes.RateLimited);

        await leave.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => waiting);
        await Poll.UntilAsync(async () => (await host.Client.GetAsync("/v1/analyses/an_x/events")).StatusCode == HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task A_body_that_does_not_come_holds_next_to_nothing()
    {
        using var leave = new CancellationTokenSource();
        var (image, json) = (new SilentBody(), new SilentBody());
        var uploads = new UploadReceiver(null!, Options.Create(new IntakeOptions())).ReceiveAsync(image, ApiException.Malformed("broken"), leave.Token);
        var batch = JsonBody.ReadAsync(new DefaultHttpContext { Request = { Body = json } }.Request, 4 << 20, leave.Token);
        image.Asked.ShouldBeInRange(1, 4_096);
        json.Asked.ShouldBeInRange(1, 4_096);
        await leave.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => uploads);
        await Should.ThrowAsync<OperationCanceledException>(() => batch);
    }

    [Fact]
    public void Two_full_batches_fit_into_a_tenants_jobs_and_five_tenants_into_the_platform()
    {
        var (limits, intake) = (new LimitsOptions(), new IntakeOptions());
        limits.JobsInFlight.ShouldBeGreaterThanOrEqualTo(2 * intake.MaxBatchItems);
        (5 * limits.JobsInFlight).ShouldBeLessThanOrEqualTo(intake.MaxPending);
    }

    private static async Task<TcpClient> HangingUploadAsync(GatewayHost host)
    {
        var socket = new TcpClient();
        await socket.ConnectAsync(IPAddress.Loopback, host.Address.Port);
        await socket.GetStream().WriteAsync(Encoding.ASCII.GetBytes(
            $"POST /v1/analyses HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {host.Key}\r\nContent-Type: image/jpeg\r\nContent-Length: 4000\r\n\r\n"));
        return socket;
    }

    /// <summary>A request ends a moment after its answer is read.</summary>
    private static Task UntilAsync(HttpClient client, HttpStatusCode expected) => Poll.UntilAsync(async () =>
    {
        using var answer = await client.GetAsync("/v1/nothing-here");
        return answer.StatusCode == expected;
    });

    /// <summary>Announced, and nothing comes.</summary>
    private sealed class SilentBody : Stream
    {
        /// <summary>Bytes of the buffer that was held out to it.</summary>
        public int Asked { get; private set; }

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Asked = buffer.Length;
            await Task.Delay(Timeout.Infinite, cancellationToken);
            return 0;
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
