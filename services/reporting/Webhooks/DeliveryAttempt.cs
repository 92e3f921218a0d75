using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting.Webhooks;

/// <summary>One signed POST. Never throws but for the caller's cancellation.</summary>
internal sealed class DeliveryAttempt(GuardedHttp http, TimeProvider time)
{
    public async Task<AttemptOutcome> SendAsync(Delivery delivery, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        if (delivery.DisabledAt is not null || delivery.SecretsAt(now) is not { Count: > 0 } secrets)
        {
            return new AttemptOutcome { Kind = AttemptOutcome.Failed, Error = "The endpoint is disabled or deleted." };
        }

        if (delivery.Body.Length == 0)
        {
            return new AttemptOutcome { Kind = AttemptOutcome.Failed, Error = "The analysis was erased." };
        }

        if (http.Check(delivery.Url) is { } refusal)
        {
            return new AttemptOutcome { Kind = AttemptOutcome.Refused, Error = "address_refused: " + refusal };
        }

        try
        {
            using var request = Request(delivery, now.ToUnixTimeSeconds(), secrets);
            await using var response = await http.SendAsync(request, new GuardedLimits { MaxBytes = 65_536, Total = timeout }, cancellationToken);
            return Judge(response.Status, response.Headers.RetryAfter, now);
        }
        catch (AddressRefusedException e)
        {
            // What the name leads to now: a resolver that is set right makes it deliverable again.
            return new AttemptOutcome { Kind = AttemptOutcome.Retry, Error = "address_refused: " + e.Message };
        }
        catch (TimeoutException e)
        {
            return new AttemptOutcome { Kind = AttemptOutcome.Retry, Error = e.Message };
        }
        catch (Exception e) when (e is HttpRequestException or IOException or SocketException)
        {
            return new AttemptOutcome { Kind = AttemptOutcome.Retry, Error = Reason(e) };
        }
    }

    /// <summary>Only 2xx succeeds; a redirect is a failure like any other.</summary>
    internal static AttemptOutcome Judge(HttpStatusCode status, RetryConditionHeaderValue? retryAfter, DateTimeOffset now)
    {
        int code = (int)status;
        if (code is >= 200 and < 300)
        {
            return new AttemptOutcome { Kind = AttemptOutcome.Delivered, Status = code };
        }

        var asked = retryAfter?.Delta ?? (retryAfter?.Date - now);
        return new AttemptOutcome
        {
            Kind = status == HttpStatusCode.Gone ? AttemptOutcome.Gone : AttemptOutcome.Retry,
            Status = code,
            Error = code is >= 300 and < 400 ? $"HTTP {code}: redirects are not followed." : $"HTTP {code}.",
            RetryAfter = asked > TimeSpan.Zero ? asked : null,
            Throttle = status is HttpStatusCode.TooManyRequests or HttpStatusCode.BadGateway or HttpStatusCode.GatewayTimeout,
        };
    }

    private static HttpRequestMessage Request(Delivery delivery, long timestamp, IReadOnlyList<string> secrets)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, delivery.Url)
        {
            Content = new ByteArrayContent(Encoding.UTF8.GetBytes(delivery.Body)) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } },
        };
        request.Headers.Add("webhook-id", delivery.Id);
        request.Headers.Add("webhook-timestamp", timestamp.ToString());
        request.Headers.Add("webhook-signature", WebhookSignature.Sign(delivery.Id, timestamp, delivery.Body, secrets));
        if (Activity.Current?.Id is { } traceparent)
        {
            request.Headers.Add("traceparent", traceparent);
        }

        return request;
    }

    // The enum, not the message: that one names the address a host resolved to.
    private static string Reason(Exception e) => e switch
    {
        HttpRequestException { InnerException: SocketException socket } => $"No connection ({socket.SocketErrorCode}).",
        HttpRequestException http => $"No answer ({http.HttpRequestError}).",
        SocketException socket => $"No connection ({socket.SocketErrorCode}).",
        _ => "The connection broke.",
    };
}
