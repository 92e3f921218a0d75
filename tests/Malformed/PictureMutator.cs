namespace Palimpsest.Malformed;

/// <summary>Breaks pictures as transports, editors and attackers do; the same random numbers, the same damage.</summary>
internal static class PictureMutator
{
    public static byte[] Mutate(byte[] picture, Random random)
    {
        byte[] broken = [.. picture];
        switch (random.Next(7))
        {
            case 0:
                return broken[..random.Next(broken.Length)];
            case 1:
                broken[random.Next(broken.Length)] ^= (byte)(1 << random.Next(8));
                return broken;
            case 2:
                for (int n = random.Next(1, 12); n > 0; n--)
                {
                    broken[random.Next(broken.Length)] = (byte)random.Next(256);
                }

                return broken;
            case 3: // header edits: large numbers where sizes and offsets are
                for (int n = random.Next(1, 4); n > 0; n--)
                {
                    broken[random.Next(Math.Min(200, broken.Length))] = (byte)(random.Next(2) == 0 ? 0xFF : 0x7F);
                }

                return broken;
            case 4:
                int from = random.Next(broken.Length), to = random.Next(broken.Length), length = Math.Min(random.Next(1, 300), broken.Length - Math.Max(from, to));
                picture.AsSpan(from, length).CopyTo(broken.AsSpan(to));
                return broken;
            case 5:
                int at = random.Next(broken.Length);
                return [.. broken[..at], .. broken[(at / 2)..at], .. broken[at..]];
            default: // something behind the end
                byte[] tail = new byte[random.Next(1, 500)];
                random.NextBytes(tail);
                return [.. broken, .. tail];
        }
    }
}
