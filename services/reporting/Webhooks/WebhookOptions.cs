using System.ComponentModel.DataAnnotations;

namespace Palimpsest.Reporting.Webhooks;

/// <summary>Section <c>Webhooks</c>.</summary>
internal sealed class WebhookOptions
{
    /// <summary>Section name.</summary>
    public const string Section = "Webhooks";

    /// <summary>Time for one attempt, seconds.</summary>
    [Range(0.05, 30)]
    public double TimeoutSeconds { get; set; } = 15;

    /// <summary>Deliveries at once to one endpoint (or, for a tenant's callback URLs, to the hosts that share one of its 64 places), over all processes.</summary>
    [Range(1, 64)]
    public int MaxPerTarget { get; set; } = 4;

    /// <summary>Deliveries at once for one tenant, over all processes; and no more than twice what is then left of <see cref="MaxInFlight"/> for others: the first delivery of the next one finds a place though all before it hang.</summary>
    [Range(1, 1024)]
    public int MaxPerTenant { get; set; } = 16;

    /// <summary>Deliveries at once from this process.</summary>
    [Range(1, 1024)]
    public int MaxInFlight { get; set; } = 64;

    /// <summary>Longest time between two looks at the schedule, seconds. What this process scheduled itself goes out without waiting for it.</summary>
    [Range(0.01, 60)]
    public double PollSeconds { get; set; } = 1;

    /// <summary>An endpoint that fails for this long is disabled, days.</summary>
    [Range(0.01, 365)]
    public double DisableAfterDays { get; set; } = 5;

    /// <summary>How long deliveries carry a second signature by the old secret after a rotation, hours.</summary>
    [Range(0, 720)]
    public double RotationHours { get; set; } = 24;

    /// <summary>How long finished deliveries stay in the log, days.</summary>
    [Range(1, 365)]
    public double LogDays { get; set; } = 30;

    /// <summary>Endpoints of one tenant.</summary>
    [Range(1, 1000)]
    public int MaxEndpoints { get; set; } = 20;

    public TimeSpan Timeout => TimeSpan.FromSeconds(TimeoutSeconds);

    public TimeSpan Poll => TimeSpan.FromSeconds(PollSeconds);

    /// <summary>How long a process may take over one attempt before another one makes it as well.</summary>
    public TimeSpan Claim => Timeout + TimeSpan.FromSeconds(15);
}
