using Microsoft.AspNetCore.Http;

namespace Palimpsest.Hosting;

/// <summary>Who is asking. Set by the gateway's key check (embedded) or by a verified assertion (distributed); never from a client's header.</summary>
public sealed record TenantContext(string Tenant, string KeyId, IReadOnlySet<string> Scopes)
{
    /// <summary>The caller of this request.</summary>
    /// <exception cref="ApiException">401: nobody was authenticated.</exception>
    public static TenantContext Of(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.Features.Get<TenantContext>() ?? throw ApiException.Unauthenticated();
    }

    /// <summary>Refuses callers without a scope.</summary>
    /// <exception cref="ApiException">403.</exception>
    public void Require(string scope)
    {
        if (!Scopes.Contains(scope))
        {
            throw ApiException.Forbidden(scope);
        }
    }
}

/// <summary>What a key may do.</summary>
public static class Scopes
{
    /// <summary>Submit and cancel.</summary>
    public const string Submit = "submit";

    /// <summary>Read analyses, masks and reports.</summary>
    public const string Read = "read";

    /// <summary>Webhook endpoints and keys.</summary>
    public const string Admin = "admin";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<string> All { get; } = [Submit, Read, Admin];
}
