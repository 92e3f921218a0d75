using System.Diagnostics;
using Microsoft.Extensions.Options;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting.Webhooks;

/// <summary>The HTTP face: endpoints (scope admin) and the delivery log (scope read).</summary>
internal static class WebhookEndpoints
{
    private static readonly string[] States = ["pending", "delivered", "failed"];

    /// <summary>What a client sends to create or change an endpoint.</summary>
    internal sealed record EndpointRequest(string? Url, IReadOnlyList<string>? Events, string? Description, bool? Enabled);

    /// <summary>A page of a listing.</summary>
    internal sealed record Page<T>(IReadOnlyList<T> Items, string? NextCursor);

    public static void Map(IEndpointRouteBuilder routes)
    {
        var endpoints = routes.MapGroup("/v1/webhook-endpoints").WithTags("Webhooks");
        endpoints.MapGet("", ListAsync).WithName("listWebhookEndpoints").WithSummary("Your webhook endpoints");
        endpoints.MapPost("", CreateAsync).WithName("createWebhookEndpoint").WithSummary("Add an endpoint; the answer shows its signing secret, once")
            .Produces<WebhookEndpointDocument>(201);
        endpoints.MapGet("/{id}", FindAsync).WithName("getWebhookEndpoint").WithSummary("One endpoint");
        endpoints.MapPatch("/{id}", ChangeAsync).WithName("changeWebhookEndpoint").WithSummary("Change address, events or description; enable or disable");
        endpoints.MapDelete("/{id}", RemoveAsync).WithName("deleteWebhookEndpoint").WithSummary("Remove an endpoint").Produces(204);
        endpoints.MapPost("/{id}/test", TestAsync).WithName("testWebhookEndpoint").WithSummary("Send a webhook.test event").Produces<WebhookDeliveryDocument>(202);
        endpoints.MapPost("/{id}/rotate-secret", RotateAsync).WithName("rotateWebhookSecret").WithSummary("New secret; for a while deliveries carry both signatures");
        var deliveries = routes.MapGroup("/v1/webhook-deliveries").WithTags("Webhooks");
        deliveries.MapGet("", LogAsync).WithName("listWebhookDeliveries").WithSummary("The delivery log, newest first");
        deliveries.MapGet("/{id}", DeliveryAsync).WithName("getWebhookDelivery").WithSummary("One delivery with its body and attempts");
        deliveries.MapPost("/{id}/redeliver", RedeliverAsync).WithName("redeliverWebhook").WithSummary("Send a delivery again, under the same id").Produces<WebhookDeliveryDocument>(202);
    }

    private static async Task<Page<WebhookEndpointDocument>> ListAsync(HttpContext context, EndpointStore store) => new(await store.ListAsync(Admin(context), context.RequestAborted), null);

    private static async Task<IResult> CreateAsync(HttpContext context, EndpointRequest request, EndpointStore store, GuardedHttp http, IOptions<WebhookOptions> options)
    {
        string tenant = Admin(context);
        if (request.Url is not { Length: > 0 } url)
        {
            throw ApiException.InvalidOption("url", "Send the 'url' that events are to be posted to.");
        }

        await CheckAsync(request, http, context.RequestAborted);
        var created = await store.AddAsync(tenant, url, request.Description, request.Events ?? [], options.Value.MaxEndpoints, context.RequestAborted)
            ?? throw new ApiException(409, ErrorCodes.Conflict, $"There are {options.Value.MaxEndpoints} endpoints already; delete one first.");
        return Results.Created("/v1/webhook-endpoints/" + created.Id, created);
    }

    private static async Task<WebhookEndpointDocument> FindAsync(HttpContext context, string id, EndpointStore store) =>
        await store.FindAsync(Admin(context), id, context.RequestAborted) ?? throw ApiException.NotFound("webhook endpoint");

    private static async Task<WebhookEndpointDocument> ChangeAsync(HttpContext context, string id, EndpointRequest request, EndpointStore store, GuardedHttp http)
    {
        string tenant = Admin(context);
        await CheckAsync(request, http, context.RequestAborted);
        return await store.ChangeAsync(tenant, id, new EndpointChange(request.Url, request.Description, request.Events, request.Enabled), context.RequestAborted)
            ? (await store.FindAsync(tenant, id, context.RequestAborted))!
            : throw ApiException.NotFound("webhook endpoint");
    }

    private static async Task<IResult> RemoveAsync(HttpContext context, string id, EndpointStore store) =>
        await store.RemoveAsync(Admin(context), id, context.RequestAborted) ? Results.NoContent() : throw ApiException.NotFound("webhook endpoint");

    private static async Task<IResult> TestAsync(HttpContext context, string id, EndpointStore store, WebhookSchedule schedule)
    {
        string tenant = Admin(context);
        var endpoint = await store.FindAsync(tenant, id, context.RequestAborted) ?? throw ApiException.NotFound("webhook endpoint");
        RefuseDisabled(endpoint);
        string delivery = await store.AddTestAsync(tenant, endpoint, Activity.Current?.Id, context.RequestAborted);
        schedule.Wake();
        return await AcceptedAsync(tenant, delivery, store, context.RequestAborted);
    }

    private static async Task<WebhookEndpointDocument> RotateAsync(HttpContext context, string id, EndpointStore store, IOptions<WebhookOptions> options) =>
        await store.RotateAsync(Admin(context), id, TimeSpan.FromHours(options.Value.RotationHours), context.RequestAborted) ?? throw ApiException.NotFound("webhook endpoint");

    private static async Task<Page<WebhookDeliveryDocument>> LogAsync(
        HttpContext context, EndpointStore store, string? endpoint_id = null, string? analysis_id = null, string? state = null, string? limit = null, string? cursor = null)
    {
        string tenant = Reader(context);
        int count = Paging.Limit(limit);
        if (state is not null && !States.Contains(state))
        {
            throw ApiException.InvalidOption("state", "state is pending, delivered or failed.");
        }

        var rows = await store.DeliveriesAsync(tenant, new DeliveryFilter(endpoint_id, analysis_id, state, count + 1, Paging.Open(cursor)), context.RequestAborted);
        string? next = rows.Count > count ? Paging.Cursor(rows[count - 1].CreatedAt, rows[count - 1].Id) : null;
        Paging.LinkNext(context, next);
        return new Page<WebhookDeliveryDocument>([.. rows.Take(count)], next);
    }

    private static async Task<WebhookDeliveryDocument> DeliveryAsync(HttpContext context, string id, EndpointStore store) =>
        await store.DeliveryAsync(Reader(context), id, context.RequestAborted) ?? throw ApiException.NotFound("webhook delivery");

    private static async Task<IResult> RedeliverAsync(HttpContext context, string id, EndpointStore store, WebhookSchedule schedule)
    {
        string tenant = Admin(context);
        var delivery = await store.DeliveryAsync(tenant, id, context.RequestAborted) ?? throw ApiException.NotFound("webhook delivery");
        if (delivery.EndpointId is { } endpointId)
        {
            RefuseDisabled(await store.FindAsync(tenant, endpointId, context.RequestAborted) ?? throw new ApiException(409, ErrorCodes.Conflict, "The endpoint of this delivery was deleted."));
        }

        if (await store.RedeliverAsync(tenant, id, context.RequestAborted) == 0)
        {
            throw new ApiException(410, ErrorCodes.Erased, "The analysis was erased, and with it the body of this delivery.");
        }

        schedule.Wake();
        return await AcceptedAsync(tenant, id, store, context.RequestAborted);
    }

    private static async Task<IResult> AcceptedAsync(string tenant, string id, EndpointStore store, CancellationToken cancellationToken) =>
        Results.Accepted("/v1/webhook-deliveries/" + id, await store.DeliveryAsync(tenant, id, cancellationToken));

    private static async Task CheckAsync(EndpointRequest request, GuardedHttp http, CancellationToken cancellationToken)
    {
        if (request.Events is { } events && (events.Any(e => !WebhookEvents.All.Contains(e)) || events.Distinct(StringComparer.Ordinal).Count() < events.Count))
        {
            throw ApiException.InvalidOption("events", $"Choose from {string.Join(", ", WebhookEvents.All)}, each once, or leave the list empty for all.");
        }

        if (request.Description is { } description && (description.Length > 200 || description.Contains('\0')))
        {
            throw ApiException.InvalidOption("description", "description has at most 200 characters, none of them U+0000.");
        }

        if (request.Url is not null && await http.CheckAsync(request.Url, cancellationToken) is { } refusal)
        {
            throw new ApiException(422, ErrorCodes.AddressRefused, refusal) { Errors = new Dictionary<string, string[]>(StringComparer.Ordinal) { ["url"] = [refusal] } };
        }
    }

    private static void RefuseDisabled(WebhookEndpointDocument endpoint)
    {
        if (!endpoint.Enabled)
        {
            throw new ApiException(409, ErrorCodes.Conflict, $"The endpoint is disabled ({endpoint.DisabledReason}) Enable it first: PATCH it with {{\"enabled\": true}}.");
        }
    }

    private static string Admin(HttpContext context) => Caller(context, Scopes.Admin);

    private static string Reader(HttpContext context) => Caller(context, Scopes.Read);

    private static string Caller(HttpContext context, string scope)
    {
        var caller = TenantContext.Of(context);
        caller.Require(scope);
        return caller.Tenant;
    }
}
