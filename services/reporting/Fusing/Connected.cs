using Palimpsest.Imaging;

namespace Palimpsest.Reporting;

/// <summary>Regions of a map: cells at or above the mask threshold that touch, corners included.</summary>
internal static class Connected
{
    /// <summary>The cells of each region. The list is used again for the next one: read it before going on.</summary>
    public static IEnumerable<IReadOnlyList<int>> Regions(ProbabilityMap map)
    {
        var visited = new bool[map.Values.Length];
        var cells = new List<int>();
        int[] nine = new int[9];
        for (int start = 0; start < visited.Length; start++)
        {
            if (visited[start] || map.Values[start] < Fusion.MaskThreshold)
            {
                continue;
            }

            cells.Clear();
            cells.Add(start);
            visited[start] = true;
            for (int at = 0; at < cells.Count; at++)
            {
                foreach (int next in Around(cells[at], map, nine))
                {
                    if (!visited[next] && map.Values[next] >= Fusion.MaskThreshold)
                    {
                        visited[next] = true;
                        cells.Add(next);
                    }
                }
            }

            yield return cells;
        }
    }

    /// <summary>A cell and its neighbours inside the picture.</summary>
    /// <param name="cell">Index in the map.</param>
    /// <param name="map">The map.</param>
    /// <param name="nine">Room for them, used again by the next call.</param>
    public static ReadOnlySpan<int> Around(int cell, ProbabilityMap map, int[] nine)
    {
        int x = cell % map.Width, y = cell / map.Width, count = 0;
        for (int ny = Math.Max(0, y - 1); ny <= Math.Min(map.Height - 1, y + 1); ny++)
        {
            for (int nx = Math.Max(0, x - 1); nx <= Math.Min(map.Width - 1, x + 1); nx++)
            {
                nine[count++] = (ny * map.Width) + nx;
            }
        }

        return nine.AsSpan(0, count);
    }
}
