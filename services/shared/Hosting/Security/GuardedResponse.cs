using System.Net;
using System.Net.Http.Headers;

namespace Palimpsest.Hosting;

/// <summary>The body is longer than the caller takes.</summary>
public sealed class ResponseTooLargeException(long limit) : IOException($"The response is longer than {limit} bytes.");

/// <summary>An answer of <see cref="GuardedHttp"/>; dispose it. Its body stops at the size limit and at the deadline.</summary>
public sealed class GuardedResponse : IAsyncDisposable
{
    private readonly HttpResponseMessage response;
    private readonly CancellationTokenSource deadline;

    internal GuardedResponse(HttpResponseMessage response, Stream body, GuardedLimits limits, CancellationTokenSource deadline, TimeProvider time)
    {
        (this.response, this.deadline) = (response, deadline);
        Body = new LimitedStream(body, limits, response.Content.Headers.ContentLength, deadline, time);
    }

    /// <summary>HTTP status.</summary>
    public HttpStatusCode Status => response.StatusCode;

    /// <summary>Response headers.</summary>
    public HttpResponseHeaders Headers => response.Headers;

    /// <summary>Headers of the body, e.g. the claimed length and type.</summary>
    public HttpContentHeaders ContentHeaders => response.Content.Headers;

    /// <summary>The body. Reading throws <see cref="ResponseTooLargeException"/> or <see cref="TimeoutException"/> at the limits.</summary>
    public Stream Body { get; }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await Body.DisposeAsync();
        response.Dispose();
        deadline.Dispose();
    }

    private sealed class LimitedStream(Stream inner, GuardedLimits limits, long? announced, CancellationTokenSource deadline, TimeProvider time) : Stream
    {
        private long left = limits.MaxBytes;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => limits.MaxBytes - left;
            set => throw new NotSupportedException();
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (announced > limits.MaxBytes)
            {
                throw new ResponseTooLargeException(limits.MaxBytes);
            }

            using var stall = new CancellationTokenSource(limits.Stall, time);
            using var any = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token, stall.Token);
            int read;
            try
            {
                read = await inner.ReadAsync(buffer, any.Token);
            }
            catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
            {
                throw new TimeoutException(deadline.IsCancellationRequested ? $"Not complete within {limits.Total.TotalSeconds:0} s." : $"Nothing came for {limits.Stall.TotalSeconds:0} s.", e);
            }

            left -= read;
            return left >= 0 ? read : throw new ResponseTooLargeException(limits.MaxBytes);
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("Read asynchronously: the limits need it.");

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override async ValueTask DisposeAsync()
        {
            await inner.DisposeAsync();
            await base.DisposeAsync();
        }
    }
}
