using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>Pictures that are being sent. Each stays in memory until its reader has it, however slowly that reads; hence there is room for so many bytes and no more.</summary>
internal sealed class PicturesUnderway(ReportingOptions options)
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, long> tenants = new(StringComparer.Ordinal);
    private long total;

    /// <summary>The picture, to be read once; disposing it makes room.</summary>
    /// <param name="tenant">Who reads.</param>
    /// <param name="picture">Encoded.</param>
    /// <exception cref="ApiException">503 overloaded.</exception>
    public Stream Open(string tenant, byte[] picture)
    {
        long most = (long)options.SendingMegabytes << 20;
        lock (gate)
        {
            long own = tenants.GetValueOrDefault(tenant);
            // A tenant that reads none may have one of any size, if all others leave room for it.
            if ((own > 0 && own + picture.Length > most / 4) || (total > 0 && total + picture.Length > most))
            {
                throw ApiException.Unavailable(ErrorCodes.Overloaded, "Too many pictures are on their way to you or others. Ask for fewer at once, or smaller ones ('max').", 5);
            }

            Add(tenant, picture.Length);
        }

        return new Underway(this, tenant, picture);
    }

    private void Close(string tenant, long bytes)
    {
        lock (gate)
        {
            Add(tenant, -bytes);
        }
    }

    private void Add(string tenant, long bytes)
    {
        total += bytes;
        long own = tenants.GetValueOrDefault(tenant) + bytes;
        if (own == 0)
        {
            tenants.Remove(tenant);
        }
        else
        {
            tenants[tenant] = own;
        }
    }

    private sealed class Underway(PicturesUnderway all, string tenant, byte[] picture) : MemoryStream(picture, writable: false)
    {
        private bool closed;

        protected override void Dispose(bool disposing)
        {
            if (!closed)
            {
                closed = true;
                all.Close(tenant, Length);
            }

            base.Dispose(disposing);
        }
    }
}
