using System.Diagnostics;
using System.Net;
using Microsoft.AspNetCore.Authorization;
using Microsoft.Extensions.Options;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Gateway;

/// <summary>
/// Every endpoint needs a key unless it is one of the public ones: what is mapped later is closed until somebody opens it. Unknown addresses under /v1 answer 401 too,
/// so that a stranger learns nothing of what exists.
/// </summary>
internal sealed class KeyAuthentication(RequestDelegate next, ApiKeys keys, IOptions<IntakeOptions> options)
{
    private const string InternalPrefix = "X-Palimpsest-";

    private static readonly PathString[] Public = ["/health", "/metrics", "/openapi", "/docs"];

    private static readonly TenantContext Nobody = new(ApiKeys.DefaultTenant, "no-auth", Scopes.All.ToHashSet(StringComparer.Ordinal));

    public async Task InvokeAsync(HttpContext context)
    {
        // Ours alone: nobody outside may speak them to a service behind.
        foreach (string name in context.Request.Headers.Keys.Where(n => n.StartsWith(InternalPrefix, StringComparison.OrdinalIgnoreCase)).ToList())
        {
            context.Request.Headers.Remove(name);
        }

        if (NeedsKey(context))
        {
            var tenant = options.Value.NoAuth ? WithoutKey(context) : await WithKeyAsync(context);
            context.Features.Set(tenant);
            Activity.Current?.SetTag("palimpsest.tenant", tenant.Tenant);
        }

        await next(context);
    }

    private static bool NeedsKey(HttpContext context)
    {
        var path = context.Request.Path;
        if (path.StartsWithSegments("/v1", StringComparison.OrdinalIgnoreCase))
        {
            return true;
        }

        return context.GetEndpoint() is { } endpoint
            && endpoint.Metadata.GetMetadata<IAllowAnonymous>() is null
            && path != "/"
            && !Array.Exists(Public, p => path.StartsWithSegments(p, StringComparison.OrdinalIgnoreCase));
    }

    private async Task<TenantContext> WithKeyAsync(HttpContext context)
    {
        var (authorization, header) = (context.Request.Headers.Authorization, context.Request.Headers["X-Api-Key"]);
        if (authorization.Count > 1 || header.Count > 1 || (authorization.Count + header.Count == 2 && Bearer(authorization) != header[0]))
        {
            throw new ApiException(400, ErrorCodes.MalformedRequest, "Send one key, in 'Authorization: Bearer KEY' or in 'X-Api-Key', not different ones.");
        }

        string? key = header.Count == 1 ? header[0] : Bearer(authorization);
        return key is { Length: > 0 } && await keys.VerifyAsync(key, context.RequestAborted) is { } tenant ? tenant : throw ApiException.Unauthenticated();
    }

    private static string? Bearer(string? authorization) =>
        authorization is not null && authorization.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) ? authorization["Bearer ".Length..].Trim() : null;

    /// <summary>Loopback on both ends, and a Host that says so: a web page that rebinds its name to 127.0.0.1 sends its own.</summary>
    private static TenantContext WithoutKey(HttpContext context)
    {
        var connection = context.Connection;
        bool local = IsLoopback(connection.LocalIpAddress) && IsLoopback(connection.RemoteIpAddress);
        string host = context.Request.Host.Host.Trim('[', ']');
        bool named = host is "localhost" || (IPAddress.TryParse(host, out var address) && IPAddress.IsLoopback(address));
        return local && named ? Nobody : throw ApiException.Unauthenticated();
    }

    // Null: a server without sockets, in the same process.
    private static bool IsLoopback(IPAddress? address) => address is null || IPAddress.IsLoopback(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address);
}
