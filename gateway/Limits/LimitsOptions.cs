using System.ComponentModel.DataAnnotations;

namespace Palimpsest.Gateway;

/// <summary>Section <c>Limits</c>: what one tenant may use. <c>Limits:Tenants:NAME:…</c> sets other figures for one tenant.</summary>
public sealed class LimitsOptions : TenantQuota, IValidatableObject
{
    /// <summary>Section name.</summary>
    public const string Section = "Limits";

    /// <summary>Figures of tenants that have their own.</summary>
    public IDictionary<string, TenantQuota> Tenants { get; } = new Dictionary<string, TenantQuota>(StringComparer.Ordinal);

    /// <summary>The figures of a tenant.</summary>
    public TenantQuota For(string tenant) => Tenants.TryGetValue(tenant, out var own) ? own : this;

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        foreach (var (tenant, quota) in Tenants)
        {
            var wrong = new List<ValidationResult>();
            Validator.TryValidateObject(quota, new ValidationContext(quota), wrong, validateAllProperties: true);
            foreach (var result in wrong)
            {
                yield return new ValidationResult($"Tenants:{tenant}: {result.ErrorMessage}", result.MemberNames);
            }
        }
    }
}

/// <summary>The figures. Generous: they stop accidents and abuse, not work.</summary>
public class TenantQuota
{
    /// <summary>Requests a second in the long run.</summary>
    [Range(0.01, 1_000_000)]
    public double RequestsPerSecond { get; set; } = 100;

    /// <summary>Requests at once after a pause.</summary>
    [Range(1, 10_000_000)]
    public int Burst { get; set; } = 200;

    /// <summary>Bytes of request bodies and fetched pictures a day; the allowance fills up evenly.</summary>
    [Range(1, long.MaxValue)]
    public long BytesPerDay { get; set; } = 50_000_000_000;

    /// <summary>Requests that are open at the same time in one gateway; each may hold 128 kB while it sends a picture.</summary>
    [Range(1, 1_000_000)]
    public int OpenRequests { get; set; } = 256;

    /// <summary>Beside them, requests that only wait for an analysis: streams of events, and submissions under <c>Prefer: wait</c> once they are accepted. Beyond it those are answered 202 at once.</summary>
    [Range(1, 1_000_000)]
    public int OpenWaits { get; set; } = 1_000;

    /// <summary>Analyses accepted and not finished. Two full batches; a fifth of what the platform takes from all tenants (<c>Intake:MaxPending</c>), so that one cannot close it to the others.</summary>
    [Range(1, int.MaxValue)]
    public int JobsInFlight { get; set; } = 2_000;
}
