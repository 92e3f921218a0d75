using System.CommandLine;
using Microsoft.Extensions.Logging.Abstractions;
using Palimpsest.Gateway;
using Palimpsest.Hosting;
using Palimpsest.Local.Servers;

namespace Palimpsest.Local.Commands;

/// <summary><c>keys</c>: administers API keys in the database of <c>--data</c>, or of POSTGRES_URL.</summary>
internal static class KeysCommand
{
    public static Command Create()
    {
        var data = new Option<string?>("--data") { Description = "Folder given to 'up' (default: data, or PALIMPSEST_DATA); finds the database that a running 'up --distributed' started there. POSTGRES_URL wins.", Recursive = true };
        var command = new Command("keys", "Creates, lists and revokes API keys, and replaces webhook secrets.") { data };

        var tenant = new Option<string>("--tenant") { Description = "Whose key.", DefaultValueFactory = _ => ApiKeys.DefaultTenant };
        var name = new Option<string>("--name") { Description = "For people.", DefaultValueFactory = _ => "key" };
        var scopes = new Option<string[]>("--scope") { Description = string.Join(", ", Scopes.All) + " (default: all).", AllowMultipleArgumentsPerToken = true };
        var days = new Option<int?>("--expires-days") { Description = "Days until it stops working (default: never)." };
        scopes.AcceptOnlyFromAmong([.. Scopes.All]);
        days.Validators.Add(result =>
        {
            if (int.TryParse(result.Tokens.SingleOrDefault()?.Value, out int value) && value < 1)
            {
                result.AddError("--expires-days must be at least 1.");
            }
        });
        var create = new Command("create", "Makes a key and prints it once.") { tenant, name, scopes, days };
        create.SetAction((parsed, token) => WithKeysAsync(parsed.GetValue(data), token, async keys =>
        {
            string[] wanted = parsed.GetValue(scopes) is { Length: > 0 } given ? given : [.. Scopes.All];
            DateTimeOffset? expires = parsed.GetValue(days) is { } d ? TimeProvider.System.GetUtcNow().AddDays(d) : null;
            var created = await keys.CreateAsync(parsed.GetValue(tenant)!, parsed.GetValue(name)!, wanted, expires, token);
            Console.WriteLine(created.Key);
            if (created.WebhookSecret is { } secret)
            {
                await Console.Error.WriteLineAsync($"The tenant is new; its webhook secret, shown once: {secret}");
            }

            return 0;
        }));

        var only = new Option<string?>("--tenant") { Description = "Only this tenant's." };
        var list = new Command("list", "Lists keys, without their secrets.") { only };
        list.SetAction((parsed, token) => WithKeysAsync(parsed.GetValue(data), token, async keys =>
        {
            foreach (var key in await keys.ListAsync(parsed.GetValue(only), token))
            {
                string state = key.RevokedAt is { } gone ? $"revoked {gone:u}" : key.ExpiresAt is { } end ? $"expires {end:u}" : "live";
                Console.WriteLine($"{key.Id,-20} {key.Tenant,-16} {string.Join(',', key.Scopes),-20} {key.CreatedAt:u}  {state,-30} {key.Name}");
            }

            return 0;
        }));

        var id = new Argument<string>("ID") { Description = "The key's public part, as 'keys list' shows it." };
        var revoke = new Command("revoke", "Revokes a key; running gateways refuse it within 60 s.") { id };
        revoke.SetAction((parsed, token) => WithKeysAsync(parsed.GetValue(data), token, async keys =>
        {
            if (await keys.RevokeAsync(parsed.GetValue(id)!, token))
            {
                return 0;
            }

            await Console.Error.WriteLineAsync($"There is no live key '{parsed.GetValue(id)}'; see 'keys list'.");
            return 1;
        }));

        var whose = new Option<string>("--tenant") { Description = "Whose secret.", DefaultValueFactory = _ => ApiKeys.DefaultTenant };
        var webhookSecret = new Command(
            "webhook-secret", "Replaces the secret that signs a tenant's callback_url webhooks and prints the new one once; the old one signs nothing more. For the tenant 'default', "
            + "PALIMPSEST_WEBHOOK_SECRET wins at the next start where it is set.") { whose };
        webhookSecret.SetAction((parsed, token) => WithKeysAsync(parsed.GetValue(data), token, async keys =>
        {
            string secret = WebhookSignature.CreateSecret();
            if (await keys.SetWebhookSecretAsync(parsed.GetValue(whose)!, secret, token))
            {
                Console.WriteLine(secret);
                return 0;
            }

            await Console.Error.WriteLineAsync($"There is no tenant '{parsed.GetValue(whose)}'; see 'keys list'.");
            return 1;
        }));
        command.Subcommands.Add(create);
        command.Subcommands.Add(list);
        command.Subcommands.Add(revoke);
        command.Subcommands.Add(webhookSecret);
        return command;
    }

    private static async Task<int> WithKeysAsync(string? data, CancellationToken cancellationToken, Func<ApiKeys, Task<int>> work)
    {
        var overrides = new Dictionary<string, string?>(StringComparer.Ordinal) { ["Logging:LogLevel:Default"] = "Error", ["RABBITMQ_URL"] = "", ["REDIS_URL"] = "" };
        if (data is not null)
        {
            overrides["PALIMPSEST_DATA"] = data;
        }

        string folder = Path.GetFullPath(data ?? Environment.GetEnvironmentVariable("PALIMPSEST_DATA") ?? "data");
        string? beside = Environment.GetEnvironmentVariable("POSTGRES_URL") is { Length: > 0 } ? null : LocalServers.RunningPostgres(folder);
        if (beside is not null)
        {
            overrides["POSTGRES_URL"] = beside;
        }

        try
        {
            var platform = PlatformBuilder.Create([], "keys", overrides);
            await using var database = new PlatformDatabase(platform.Settings);
            await new SchemaMigrator(database, TimeProvider.System, NullLogger<SchemaMigrator>.Instance).StartAsync(cancellationToken);
            return await work(new ApiKeys(database, TimeProvider.System));
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or System.Data.Common.DbException or IOException or UnauthorizedAccessException)
        {
            await Console.Error.WriteLineAsync(CommandLine.Plain(e));
            if (beside is not null && e is System.Data.Common.DbException)
            {
                await Console.Error.WriteLineAsync($"{folder} belongs to 'up --distributed': start that again, or remove {Path.Combine(folder, "servers", "postgres.url")} if it is never to be used any more.");
            }

            return 1;
        }
    }
}
