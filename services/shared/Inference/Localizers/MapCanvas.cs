using System.Buffers;
using System.Numerics.Tensors;
using Palimpsest.Imaging;

namespace Palimpsest.Inference;

/// <summary>
/// Collects the planes of tiles or faces on the map's grid of <see cref="ProbabilityMap.Cell"/>² analysed pixels. Tiles are blended with
/// weights that fall off over their overlap; faces keep the higher value.
/// </summary>
internal sealed class MapCanvas
{
    private const int Cell = ProbabilityMap.Cell;

    private readonly int width, height;
    private readonly float[] values;
    private float[]? weights; // only where tiles are blended

    public MapCanvas(int analysedWidth, int analysedHeight)
    {
        (width, height) = ((analysedWidth + Cell - 1) / Cell, (analysedHeight + Cell - 1) / Cell);
        values = ArrayPool<float>.Shared.Rent(width * height);
        values.AsSpan(0, width * height).Clear();
    }

    /// <summary>Draws the one plane of a picture that was looked at as a whole: there is nothing to blend it with.</summary>
    public void Only(Plane plane, Region region) => Draw(plane, region, (line, x0, y) => line.CopyTo(values.AsSpan((y * width) + x0)));

    /// <summary>Blends a plane that covers <paramref name="region"/>.</summary>
    /// <param name="plane">The network's plane.</param>
    /// <param name="region">The analysed pixels it was made from.</param>
    /// <param name="overlap">Pixels over which its weight rises from its edges; 0: none.</param>
    public void Blend(Plane plane, Region region, int overlap)
    {
        if (weights is null)
        {
            weights = ArrayPool<float>.Shared.Rent(width * height);
            weights.AsSpan(0, width * height).Clear();
        }

        float[] rampX = Ramp(region.X, region.Width, width, overlap), rampY = Ramp(region.Y, region.Height, height, overlap);
        Draw(plane, region, (line, x0, y) =>
        {
            var sums = values.AsSpan((y * width) + x0, line.Length);
            var shares = weights.AsSpan((y * width) + x0, line.Length);
            var ramp = rampX.AsSpan(x0, line.Length);
            float vertical = rampY[y];
            for (int i = 0; i < line.Length; i++)
            {
                float weight = ramp[i] * vertical;
                sums[i] += line[i] * weight;
                shares[i] += weight;
            }
        });
    }

    /// <summary>Keeps the higher of what is there and a plane that covers <paramref name="region"/>.</summary>
    public void Highest(Plane plane, Region region) => Draw(plane, region, (line, x0, y) =>
    {
        var highest = values.AsSpan((y * width) + x0, line.Length);
        for (int i = 0; i < line.Length; i++)
        {
            highest[i] = Math.Max(highest[i], line[i]);
        }
    });

    /// <summary>The map; cells nothing was drawn on are 0. Ends the canvas: its memory goes back to the pool.</summary>
    /// <param name="relative">True for activation maps, which have no upper bound: values above 1 scale the map to its own maximum.</param>
    public ProbabilityMap ToMap(bool relative = false)
    {
        var sums = values.AsSpan(0, width * height);
        if (weights is not null)
        {
            var shares = weights.AsSpan(0, width * height);
            for (int i = 0; i < sums.Length; i++)
            {
                sums[i] = shares[i] > 0 ? sums[i] / shares[i] : 0;
            }

            ArrayPool<float>.Shared.Return(weights);
        }

        float top = 1;
        for (int i = 0; relative && i < sums.Length; i++)
        {
            top = sums[i] > top ? sums[i] : top;
        }

        var bytes = new byte[width * height];
        float factor = 255 / top;
        for (int i = 0; i < bytes.Length; i++)
        {
            bytes[i] = (byte)Math.Clamp((sums[i] * factor) + 0.5f, 0, 255);
        }

        ArrayPool<float>.Shared.Return(values);
        return new ProbabilityMap(width, height, bytes);
    }

    private void Draw(Plane plane, Region region, Action<ReadOnlySpan<float>, int, int> put)
    {
        // Cells whose centre lies in the region.
        int x0 = Math.Max(0, CeilDivide(region.X - (Cell / 2))), x1 = Math.Min(width, CeilDivide(region.X + region.Width - (Cell / 2)));
        int y0 = Math.Max(0, CeilDivide(region.Y - (Cell / 2))), y1 = Math.Min(height, CeilDivide(region.Y + region.Height - (Cell / 2)));
        if (x1 <= x0 || y1 <= y0)
        {
            return;
        }

        double sx = (double)plane.Width / region.Width, sy = (double)plane.Height / region.Height;
        var columns = ResampleAxis.Sample(((x0 * Cell) - region.X) * sx, Cell * sx, plane.Width, x1 - x0);
        var rows = ResampleAxis.Sample(((y0 * Cell) - region.Y) * sy, Cell * sy, plane.Height, y1 - y0);
        float[] mixed = new float[plane.Width], drawn = new float[x1 - x0];
        for (int y = y0; y < y1; y++)
        {
            Array.Clear(mixed);
            for (int t = (y - y0) * rows.Taps; t < (y - y0 + 1) * rows.Taps; t++)
            {
                if (rows.Weight[t] != 0)
                {
                    TensorPrimitives.MultiplyAdd(plane.Values.AsSpan(rows.Index[t] * plane.Width, plane.Width), rows.Weight[t], mixed, mixed);
                }
            }

            ReadOnlySpan<int> index = columns.Index;
            ReadOnlySpan<float> share = columns.Weight;
            for (int x = 0, t = 0; x < drawn.Length; x++)
            {
                float value = 0;
                for (int tap = 0; tap < columns.Taps; tap++, t++)
                {
                    value += mixed[index[t]] * share[t];
                }

                drawn[x] = value;
            }

            put(drawn, x0, y);
        }
    }

    /// <summary>
    /// A weight for every column (or row) of the canvas: 1 inside the tile, falling over the middle half of the overlap towards edges that a
    /// neighbour covers. The outer quarter counts for nothing: there the network saw padding instead of the picture.
    /// </summary>
    private static float[] Ramp(int start, int extent, int cells, int overlap)
    {
        var ramp = new float[cells];
        for (int i = 0; i < cells; i++)
        {
            double centre = (i + 0.5) * Cell, left = start <= 0 ? double.MaxValue : centre - start;
            double right = start + extent >= cells * Cell ? double.MaxValue : start + extent - centre;
            ramp[i] = overlap == 0 ? 1 : (float)Math.Clamp((Math.Min(left, right) - (overlap / 4.0)) / (overlap / 2.0), 1e-4, 1);
        }

        return ramp;
    }

    private static int CeilDivide(int pixels) => (int)Math.Ceiling((double)pixels / Cell);
}
