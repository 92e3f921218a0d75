using System.Data.Common;
using System.Diagnostics;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Palimpsest.Contracts;

namespace Palimpsest.Hosting;

/// <summary>RFC 9457 problem details for every error, whoever raised it: <c>type,title,status,detail,instance,code,traceId[,errors]</c>.</summary>
public static partial class Problems
{
    // ENOSPC and EDQUOT, as IOException.HResult carries them on Linux: a folder or a temporary file could not be made.
    private const int DeviceError = 5; // EIO
    private const int ReadOnly = 30; // EROFS

    // PostgreSQL keeps no U+0000 in text; SQLite does.
    private const string UntranslatableCharacter = "22021";

    /// <summary>Turns exceptions and bare status codes into problem details. First in the pipeline.</summary>
    public static void UseProblems(this IApplicationBuilder app)
    {
        app.Use(async (context, next) =>
        {
            try
            {
                await next(context);
            }
            catch (Exception e) when (!context.Response.HasStarted && !context.RequestAborted.IsCancellationRequested)
            {
                await WriteAsync(context, Translate(e, context));
                return;
            }

            if (context.Response is { HasStarted: false, StatusCode: >= 400, ContentLength: null, ContentType: null } response)
            {
                string allow = Methods.Allowed(response.Headers.Allow);
                if (response.StatusCode == StatusCodes.Status405MethodNotAllowed && HttpMethods.IsOptions(context.Request.Method))
                {
                    response.Headers.Allow = allow;
                    response.StatusCode = StatusCodes.Status204NoContent;
                    return;
                }

                await WriteAsync(context, FromStatus(response.StatusCode, allow));
            }
        });
    }

    /// <summary>Writes one problem.</summary>
    public static async Task WriteAsync(HttpContext context, ApiException problem)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(problem);
        context.Response.Clear();
        context.Response.StatusCode = problem.Status;
        foreach (var (name, value) in problem.Headers)
        {
            context.Response.Headers[name] = value;
        }

        if (problem.RetryAfterSeconds is { } seconds)
        {
            context.Response.Headers.RetryAfter = seconds.ToString();
        }

        var body = new Dictionary<string, object?>(StringComparer.Ordinal)
        {
            ["type"] = "urn:palimpsest:problem:" + problem.Code,
            ["title"] = ReasonPhrases.GetReasonPhrase(problem.Status),
            ["status"] = problem.Status,
            ["detail"] = problem.Message,
            ["instance"] = context.Request.Path.Value,
            ["code"] = problem.Code,
            ["traceId"] = Activity.Current?.TraceId.ToString() ?? context.TraceIdentifier,
        };
        if (problem.Errors is { } errors)
        {
            body["errors"] = errors;
        }

        await context.Response.WriteAsJsonAsync(body, PlatformJson.Options, "application/problem+json", CancellationToken.None);
    }

    private static ApiException Translate(Exception e, HttpContext context)
    {
        switch (e)
        {
            case ApiException api:
                return api;
            case BadHttpRequestException { StatusCode: 413 or 415 } bare:
                return FromStatus(bare.StatusCode, "");
            case BadHttpRequestException { InnerException: JsonException json }:
                return ApiException.Malformed($"The body is not the JSON that is expected here: look at {json.Path ?? "$"} (line {json.LineNumber + 1}, byte {json.BytePositionInLine}).");
            case BadHttpRequestException when context.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: false }:
                return ApiException.Malformed("There is no body: send one as application/json.");
            case BadHttpRequestException bad:
                return new ApiException(bad.StatusCode, ErrorCodes.MalformedRequest, "The request could not be read: " + bad.Message);
            case JsonException or InvalidDataException:
                return ApiException.Malformed("The request body could not be understood: " + e.Message);
            case IOException when BlobStoreFullException.Is(e):
                return ApiException.Unavailable(ErrorCodes.Unavailable, "The storage volume is full; nothing was accepted. Try again later.", 30);
            case DirectoryNotFoundException or DriveNotFoundException or UnauthorizedAccessException or IOException { HResult: DeviceError or ReadOnly }:
                Log(context).LogStorage(e);
                return ApiException.Unavailable(ErrorCodes.Unavailable, "The storage volume cannot be written; nothing was accepted. Try again later.", 30);
            case DbException { SqlState: UntranslatableCharacter }:
                return ApiException.Malformed("The request holds a character that cannot be kept: U+0000.");
            case CommitInDoubtException:
                Log(context).LogUnavailable(e);
                return ApiException.Unavailable(
                    ErrorCodes.Unavailable, "The database did not say whether it kept this. Send it again: under the same Idempotency-Key, if it had one, it is not done twice.", 5);
            case DbException or TimeoutException:
                Log(context).LogUnavailable(e);
                return ApiException.Unavailable(ErrorCodes.Unavailable, "A server behind this one does not answer; nothing was accepted. Try again later.", 5);
            default:
                Log(context).LogUnexpected(e);
                return new ApiException(500, ErrorCodes.Internal, "Something went wrong on our side. Quote the traceId when you report it.");
        }
    }

    private static ApiException FromStatus(int status, string allow) => status switch
    {
        401 => ApiException.Unauthenticated(),
        404 => new ApiException(404, ErrorCodes.NotFound, "There is nothing at this address; see /docs."),
        405 => new ApiException(405, ErrorCodes.MethodNotAllowed, $"This address takes {allow}; see /docs.") { Headers = new Dictionary<string, string>(StringComparer.Ordinal) { ["Allow"] = allow } },
        413 => new ApiException(413, ErrorCodes.ImageTooLarge, "The request is larger than this server accepts."),
        415 => new ApiException(415, ErrorCodes.UnsupportedFormat, "Send the body as application/json."),
        502 or 503 or 504 => ApiException.Unavailable(ErrorCodes.Unavailable, "The service that answers this is not available at the moment. Try again later.", 5),
        _ => new ApiException(status, status >= 500 ? ErrorCodes.Internal : ErrorCodes.MalformedRequest, ReasonPhrases.GetReasonPhrase(status) + "."),
    };

    private static ILogger Log(HttpContext context) => context.RequestServices.GetRequiredService<ILoggerFactory>().CreateLogger("Palimpsest.Problems");

    [LoggerMessage(Level = LogLevel.Error, Message = "Unexpected error")]
    private static partial void LogUnexpected(this ILogger log, Exception exception);

    [LoggerMessage(Level = LogLevel.Error, Message = "The data folder is gone, read-only or broken")]
    private static partial void LogStorage(this ILogger log, Exception exception);

    [LoggerMessage(Level = LogLevel.Warning, Message = "A server behind us does not answer")]
    private static partial void LogUnavailable(this ILogger log, Exception exception);
}
