using System.Buffers.Text;
using System.Text;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>Pages of listings: a cursor names the last row seen, so that rows added meanwhile neither repeat nor hide others.</summary>
internal static class Paging
{
    private const int Most = 200;

    /// <summary>Rows a page: what is asked for, <see cref="Most"/> at most.</summary>
    /// <exception cref="ApiException">422.</exception>
    public static int Limit(string? value) =>
        value is null or "" ? 50
        : long.TryParse(value, out long limit) && limit >= 1 ? (int)Math.Min(limit, Most)
        : throw ApiException.InvalidOption("limit", $"limit is a number from 1; a page has {Most} rows at most.");

    /// <summary>The cursor after a row.</summary>
    public static string Cursor(DateTimeOffset createdAt, string id) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes($"{createdAt.ToUnixTimeMilliseconds()}.{id}"));

    /// <summary>The row that a cursor names; null for the first page.</summary>
    /// <exception cref="ApiException">422.</exception>
    public static (DateTimeOffset CreatedAt, string Id)? Open(string? cursor)
    {
        if (cursor is null or "")
        {
            return null;
        }

        if (Base64Url.IsValid(cursor))
        {
            string[] parts = Encoding.UTF8.GetString(Base64Url.DecodeFromChars(cursor)).Split('.', 2);
            if (parts.Length == 2 && long.TryParse(parts[0], out long at) && at is >= 0 and < 253_402_300_800_000)
            {
                return (DateTimeOffset.FromUnixTimeMilliseconds(at), parts[1]);
            }
        }

        throw ApiException.InvalidOption("cursor", "cursor is the next_cursor of a page before; leave it away for the first page.");
    }

    /// <summary><c>Link: …; rel="next"</c> when there is a next page.</summary>
    public static void LinkNext(HttpContext context, string? next)
    {
        if (next is not null)
        {
            var query = QueryString.Create(context.Request.Query.Where(q => q.Key != "cursor")).Add("cursor", next);
            context.Response.Headers.Link = $"<{context.Request.Path}{query}>; rel=\"next\"";
        }
    }
}
