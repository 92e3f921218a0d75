using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>
/// The running analyses that this process saved last. The next event of an analysis follows within moments, and what was written need not be read back and parsed for it.
/// Others may have saved since: use it only for changes that the store makes on condition of the version.
/// </summary>
internal sealed class RecentRecords
{
    // One place for each remainder of the id's hash: bounded without book-keeping, and two that meet cost each other a read.
    private readonly AnalysisRecord?[] places = new AnalysisRecord?[1021];

    /// <summary>As last saved here; null when unknown.</summary>
    public AnalysisRecord? Find(string id) => Volatile.Read(ref Place(id)) is { } record && record.Id == id ? record : null;

    /// <summary>Keeps a record; one that has ended makes room.</summary>
    public void Remember(AnalysisRecord saved) => Volatile.Write(ref Place(saved.Id), AnalysisStatuses.IsTerminal(saved.Status) ? null : saved);

    private ref AnalysisRecord? Place(string id) => ref places[(uint)id.GetHashCode(StringComparison.Ordinal) % (uint)places.Length];
}
