using System.Data.Common;

namespace Palimpsest.Hosting;

/// <summary>
/// The commit was sent and its answer never came: it may have happened, and it may still happen while the server, which has not noticed yet, goes on with it. Whoever looks and finds
/// nothing knows nothing.
/// </summary>
public sealed class CommitInDoubtException(Exception reason) : DbException("The database did not say whether the transaction was committed: " + reason?.Message, reason)
{
    /// <inheritdoc/>
    public override bool IsTransient => true;
}
