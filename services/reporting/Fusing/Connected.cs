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
                Grow(cells, cells[at], map, visited);
            }

            yield return cells;
        }
    }

    /// <summary>Adds the neighbours of a cell that belong to its region.</summary>
    private static void Grow(List<int> cells, int cell, ProbabilityMap map, bool[] visited)
    {
        int x = cell % map.Width, y = cell / map.Width, left = Math.Max(0, x - 1), right = Math.Min(map.Width - 1, x + 1), bottom = Math.Min(map.Height - 1, y + 1);
        for (int ny = Math.Max(0, y - 1); ny <= bottom; ny++)
        {
            for (int next = (ny * map.Width) + left; next <= (ny * map.Width) + right; next++)
            {
                if (!visited[next] && map.Values[next] >= Fusion.MaskThreshold)
                {
                    visited[next] = true;
                    cells.Add(next);
                }
            }
        }
    }

    /// <summary>A cell and its neighbours inside the picture.</summary>
    public static IEnumerable<int> Around(int cell, ProbabilityMap map)
    {
        int x = cell % map.Width, y = cell / map.Width;
        for (int ny = Math.Max(0, y - 1); ny <= Math.Min(map.Height - 1, y + 1); ny++)
        {
            for (int nx = Math.Max(0, x - 1); nx <= Math.Min(map.Width - 1, x + 1); nx++)
            {
                yield return (ny * map.Width) + nx;
            }
        }
    }
}
