using System.Runtime.Intrinsics;

namespace Palimpsest.Decoder.Evidence;

/// <summary>
/// The 8×8 discrete cosine transform of ITU-T T.81 A.3.3 (orthonormal), 64 floats row-major, vectorised over rows of eight. Out = M·X·Mᵀ with the cosine matrix or its transpose.
/// </summary>
internal static unsafe class BlockTransform
{
    private static readonly float[] Cosines = CreateCosines();
    private static readonly float[] Transposed = Transpose(Cosines);

    /// <summary>Natural (row-major) index of a zigzag position, T.81 figure A.6.</summary>
    public static ReadOnlySpan<byte> ZigzagToNatural =>
    [
        0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
        35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
    ];

    /// <summary>Coefficients of a block of a plane; 128 is not subtracted, so only the first differs from a JPEG's.</summary>
    /// <param name="source">The block's first pixel.</param>
    /// <param name="stride">Floats from row to row.</param>
    /// <param name="block">64 coefficients, row-major.</param>
    public static void Forward(float* source, int stride, float* block) => Multiply(source, stride, block, Cosines, Transposed);

    /// <summary>Pixels of 64 coefficients.</summary>
    public static void Inverse(float* block, float* pixels) => Multiply(block, 8, pixels, Transposed, Cosines);

    /// <summary>A table in zigzag order as steps in row-major order.</summary>
    public static float[] Natural(IReadOnlyList<int> zigzag)
    {
        var natural = new float[64];
        for (int k = 0; k < 64; k++)
        {
            natural[ZigzagToNatural[k]] = Math.Max(1, zigzag[k]);
        }

        return natural;
    }

    private static void Multiply(float* source, int stride, float* target, float[] matrix, float[] transposed)
    {
        float* middle = stackalloc float[64];
        fixed (float* m = matrix, t = transposed)
        {
            for (int k = 0; k < 8; k++)
            {
                var sum = Vector256<float>.Zero;
                for (int n = 0; n < 8; n++)
                {
                    sum += Vector256.Create(m[(k * 8) + n]) * Vector256.Load(source + (n * stride));
                }

                sum.Store(middle + (k * 8));
            }

            for (int k = 0; k < 8; k++)
            {
                var sum = Vector256<float>.Zero;
                for (int n = 0; n < 8; n++)
                {
                    sum += Vector256.Create(middle[(k * 8) + n]) * Vector256.Load(t + (n * 8));
                }

                sum.Store(target + (k * 8));
            }
        }
    }

    private static float[] CreateCosines()
    {
        var matrix = new float[64];
        for (int k = 0; k < 8; k++)
        {
            for (int n = 0; n < 8; n++)
            {
                matrix[(k * 8) + n] = (float)((k == 0 ? Math.Sqrt(0.125) : 0.5) * Math.Cos(((2 * n) + 1) * k * Math.PI / 16));
            }
        }

        return matrix;
    }

    private static float[] Transpose(float[] matrix)
    {
        var transposed = new float[64];
        for (int i = 0; i < 64; i++)
        {
            transposed[((i & 7) * 8) + (i >> 3)] = matrix[i];
        }

        return transposed;
    }
}
