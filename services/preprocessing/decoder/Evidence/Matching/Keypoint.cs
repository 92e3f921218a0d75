namespace Palimpsest.Decoder.Evidence.Matching;

/// <summary>A keypoint of D. Lowe, "Distinctive image features from scale-invariant keypoints" (2004).</summary>
/// <param name="X">Pixels of the plane it was found in.</param>
/// <param name="Y">Pixels.</param>
/// <param name="Scale">Standard deviation of its blur, pixels.</param>
/// <param name="Angle">Direction of its strongest gradients, radians.</param>
/// <param name="Strength">Absolute difference of Gaussians.</param>
/// <param name="Descriptor">128 values of unit length.</param>
internal sealed record Keypoint(float X, float Y, float Scale, float Angle, float Strength, float[] Descriptor);
