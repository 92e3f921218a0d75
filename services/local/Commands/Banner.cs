using Palimpsest.Gateway;

namespace Palimpsest.Local.Commands;

/// <summary>What a person needs next: address, key, a line to paste.</summary>
internal static class Banner
{
    public static async Task WriteAsync(ApiKeys keys, UpSettings settings, CancellationToken cancellationToken)
    {
        string address = $"http://localhost:{settings.Port}";
        string? given = Environment.GetEnvironmentVariable("PALIMPSEST_API_KEY") is { Length: > 0 } own ? own : null;
        var first = settings.NoAuth || given is not null ? null : await keys.EnsureFirstAsync(cancellationToken);
        Console.WriteLine($"Palimpsest is ready at {address}   (console: {address}/)");
        if (first is not null)
        {
            // A fragment stays in the browser: it is in no request and in no log of ours.
            Console.WriteLine($"Console with this key:      {address}/#key={first.Key}");
            Console.WriteLine($"API key, shown once:        {first.Key}");
            if (first.WebhookSecret is { } secret)
            {
                Console.WriteLine($"Webhook secret, shown once: {secret}");
            }
        }

        // The key is printed only when it was made just now: logs outlive terminals.
        string shown = first?.Key ?? (given is not null ? "$PALIMPSEST_API_KEY" : "YOUR_KEY");
        string header = settings.NoAuth ? "" : $" -H \"Authorization: Bearer {shown}\"";
        Console.WriteLine("Try it (put a picture of yours for photo.jpg):");
        Console.WriteLine($"  curl{header} -F image=@photo.jpg {address}/v1/analyses");
        if (first is null && given is null && !settings.NoAuth)
        {
            Console.WriteLine("Lost the key? ./palimpsest keys create");
        }

        if (first?.WebhookSecret is null && Environment.GetEnvironmentVariable("PALIMPSEST_WEBHOOK_SECRET") is not { Length: > 0 })
        {
            Console.WriteLine("Webhook secret not known? ./palimpsest keys webhook-secret");
        }

        Console.WriteLine("Stop with Ctrl-C.");
    }
}
