using Microsoft.Extensions.Options;
using Palimpsest.Hosting;

namespace Palimpsest.Gateway;

/// <summary>
/// Before the first request: the key of <c>PALIMPSEST_API_KEY</c>, or with <c>--no-auth</c> the tenant it acts for; and <c>PALIMPSEST_WEBHOOK_SECRET</c>, which signs that tenant's
/// <c>callback_url</c> webhooks instead of the secret made with it. Runs after the schema, which was registered first.
/// </summary>
internal sealed partial class FirstKey(ApiKeys keys, IConfiguration configuration, IOptions<IntakeOptions> options, ILogger<FirstKey> log) : IHostedService
{
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        string? key = configuration["PALIMPSEST_API_KEY"];
        if (IsLoopbackOnly(configuration))
        {
            keys.Shortest = 1;
            if (key is { Length: > 0 and < KeyFormat.ShortestOwnKey })
            {
                LogShort(KeyFormat.ShortestOwnKey);
            }
        }

        if (key is { Length: > 0 } && await keys.ImportAsync(key, ApiKeys.DefaultTenant, "PALIMPSEST_API_KEY", cancellationToken) is { } created)
        {
            LogImported(created.Record.Id);
        }

        string? secret = configuration["PALIMPSEST_WEBHOOK_SECRET"] is { Length: > 0 } given ? given : null;
        if (options.Value.NoAuth || secret is not null)
        {
            await keys.EnsureTenantAsync(ApiKeys.DefaultTenant, cancellationToken);
        }

        if (secret is not null)
        {
            await keys.SetWebhookSecretAsync(ApiKeys.DefaultTenant, secret, cancellationToken);
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Every address served is one of this machine's own; false when that is not known.</summary>
    internal static bool IsLoopbackOnly(IConfiguration configuration) =>
        !configuration.GetSection("Kestrel:Endpoints").Exists() && configuration["urls"] is { Length: > 0 } urls
        && urls.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).All(url => Uri.TryCreate(url, UriKind.Absolute, out var uri) && uri.IsLoopback);

    [LoggerMessage(Level = LogLevel.Warning, Message = "PALIMPSEST_API_KEY has fewer than {Shortest} characters and could be guessed; it is taken because only this machine is served")]
    private partial void LogShort(int shortest);

    [LoggerMessage(Level = LogLevel.Information, Message = "PALIMPSEST_API_KEY is key {KeyId}")]
    private partial void LogImported(string keyId);
}
