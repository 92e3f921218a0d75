using Palimpsest.Contracts;

namespace Palimpsest.Hosting;

/// <summary>Queue names: one durable queue for each consumer.</summary>
public static class Queues
{
    /// <summary>Commands to preprocessing.</summary>
    public const string Preprocess = "preprocess-image";

    /// <summary>Events to routing.</summary>
    public const string Route = "route-image";

    /// <summary>Events to reporting.</summary>
    public const string Report = "report-analysis";

    /// <summary>Messages the broker gave up on (delivery limit), and their exchange.</summary>
    public const string DeadLetter = "dead-letter";

    /// <summary>Commands to one localizer, e.g. <c>localize-shallowfake</c>.</summary>
    public static string Localize(string detector) => "localize-" + detector;

    /// <summary>
    /// Address to send a command to. <c>exchange:</c>, not <c>queue:</c>: the latter would declare the queue with classic arguments and clash with the quorum queue.
    /// </summary>
    public static Uri Address(string queue) => new("exchange:" + queue);

    /// <summary>All command and event queues.</summary>
    public static IReadOnlyList<string> All { get; } = [Preprocess, Route, .. DetectorNames.All.Select(Localize), Report];
}
