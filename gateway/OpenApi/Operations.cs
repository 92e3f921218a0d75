using System.Text.Json.Nodes;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Gateway;

/// <summary>
/// The whole API, whoever answers it: in distributed mode reporting is another process, and the document has to be complete there too. A test holds this list
/// against the endpoints that are mapped.
/// </summary>
internal static class Operations
{
    private const string Analyses = "Analyses";
    private const string Pictures = "Pictures";
    private const string Batches = "Batches";
    private const string Webhooks = "Webhooks";
    private const string Feedback = "Feedback";
    private const string Detectors = "Detectors";
    private const string Service = "Service";

    public static IReadOnlyList<(string Name, string Text)> Tags { get; } =
    [
        (Analyses, "One picture, one analysis."), (Pictures, "Masks and other pictures of a finished analysis."), (Batches, "Many pictures at once."),
        (Webhooks, "Being told instead of asking. Deliveries follow Standard Webhooks 1.0."), (Feedback, "What a moderator knows better."),
        (Detectors, "Which localizers live, with which models."), (Service, "The service itself; no key needed."),
    ];

    public static IEnumerable<Operation> All(IntakeOptions intake) =>
        [.. OfAnalyses(intake), .. OfPictures(), .. OfBatches(intake), .. OfWebhooks(), .. OfFeedback(), .. OfService()];

    private static IEnumerable<Operation> OfAnalyses(IntakeOptions intake)
    {
        var options = Options(intake).ToList();
        (string, JsonObject)[] fields = [.. options.Select(o => (o.Name, (JsonObject)o.Schema.DeepClone()))];
        string[] names = [.. options.Select(o => o.Name)];
        var submit = new Operation("post", "/v1/analyses", "submitAnalysis", Analyses, "Submit a picture")
            .Needs(Scopes.Submit)
            .Describe("The 202 is a promise: the bytes are stored and the work survives the death of any process. Options may be form fields, members of the JSON body, or query parameters (each once). "
                + "A picture that was analysed before with the same models and options is answered at once: 202 with status succeeded and cached true.")
            .Reference("IdempotencyKey", "Prefer")
            .Body(
                Shape.Content("multipart/form-data", Shape.Object(null, names, [("image", new JsonObject { ["type"] = "string", ["contentMediaType"] = "application/octet-stream", ["description"] = "The picture." }), .. fields]))
                    .And(Shape.Content("image/*", new JsonObject { ["type"] = "string", ["contentMediaType"] = "image/*" }))
                    .And(Shape.Json(
                        Shape.Object(null, names, [("url", Shape.Text("uri", "Where the picture is: http(s), a public address, no redirects.")), .. options.Select(o => (o.Name, JsonForm(o.Name, o.Schema)))]),
                        JsonNode.Parse("""{"url": "https://images.example.com/a.jpg", "detectors": "both", "metadata": {"post": 4711}}"""))))
            .Answers(202, "Accepted.", Shape.Json(Shape.Ref("Analysis"), Examples.Queued), "Location", "Retry-After", "Idempotent-Replayed")
            .Answers(200, "Finished within the time of Prefer: wait.", Shape.Json(Shape.Ref("Analysis"), Examples.Succeeded), "Location", "Preference-Applied")
            .Fails(400, 408, 409, 413, 415, 422)
            .CallsBack(Callback("analysisFinished", "analysis.completed or analysis.failed, as the webhooks of the same names.", Shape.Ref("AnalysisEvent"), Examples.Event("analysis.completed", Examples.Succeeded)));
        foreach (var (name, schema, text) in options)
        {
            submit.Parameter("query", name, (JsonObject)schema.DeepClone(), text);
        }

        yield return submit;
        yield return new Operation("get", "/v1/analyses", "listAnalyses", Analyses, "Your analyses, newest first; 'Accept: text/csv' exports")
            .Needs(Scopes.Read)
            .Describe("As CSV all of them in one answer, or with a limit page by page like JSON. What was deleted is in no list, but for what had not ended: it is found by status canceled.")
            .Parameter("query", "status", Shape.OneOf(AnalysisStatuses.Queued, AnalysisStatuses.Running, AnalysisStatuses.Succeeded, AnalysisStatuses.Failed, AnalysisStatuses.Canceled), "Only those of this status.")
            .Parameter("query", "verdict", Shape.OneOf(Verdicts.LikelyReal, Verdicts.LikelyFake, Verdicts.Uncertain), "Only those with this verdict.")
            .Parameter("query", "sha256", new JsonObject { ["type"] = "string", ["pattern"] = "^[0-9a-fA-F]{64}$" }, "Only those of this picture.")
            .Reference("Limit", "Cursor")
            .Answers(200, "A page.", Shape.Json(Shape.Page(Shape.Ref("Analysis"))).And(Shape.Content("text/csv", Shape.Text())), "Link")
            .Fails(422);
        yield return new Operation("get", "/v1/analyses/{id}", "getAnalysis", Analyses, "One analysis: status, verdict, regions, detectors")
            .Describe("One that was deleted before it ended is canceled and says no more; one that was deleted later is 410.")
            .Needs(Scopes.Read).Reference("AnalysisId").Parameter("header", "If-None-Match", Shape.Text(), "An ETag seen before.")
            .Answers(200, "The analysis.", Shape.Json(Shape.Ref("Analysis"), Examples.Succeeded), "ETag", "Retry-After").Answers(304, "Unchanged.").Fails(404, 410);
        yield return new Operation("delete", "/v1/analyses/{id}", "deleteAnalysis", Analyses, "Cancel what has not run; erase image, masks and report")
            .Needs(Scopes.Submit).Reference("AnalysisId").Answers(204, "Gone.").Fails(404);
        yield return new Operation("get", "/v1/analyses/{id}/events", "streamEvents", Analyses, "Progress as server-sent events")
            .Needs(Scopes.Read).Reference("AnalysisId").Parameter("header", "Last-Event-ID", Shape.Text(), "The last event seen; the stream goes on after it.")
            .Describe("Events progress, completed and failed; their data is the analysis, their id its version. A comment every 15 s keeps the line open.")
            .Answers(200, "Events until the analysis ends.", Shape.Content("text/event-stream", Shape.Text())).Answers(204, "Nothing will come any more.").Fails(404, 410);
        yield return new Operation("get", "/v1/analyses/{id}/report", "getReport", Analyses, "The report as one HTML file; '?format=json' or 'csv'")
            .Needs(Scopes.Read).Reference("AnalysisId").Parameter("query", "format", Shape.OneOf("html", "json", "csv").Default("html"), "Form of the report.")
            .Answers(200, "The report.", Shape.Content("text/html", Shape.Text()).And(Shape.Json(Shape.Ref("Analysis"))).And(Shape.Content("text/csv", Shape.Text()))).Fails(404, 409, 410, 422);
    }

    private static IEnumerable<Operation> OfPictures()
    {
        Operation Picture(string part, string id, string summary) => new Operation("get", "/v1/analyses/{id}/" + part, id, Pictures, summary).Needs(Scopes.Read).Reference("AnalysisId").Fails(404, 409, 410);
        yield return Picture("mask", "getMask", "Manipulation mask: 8-bit grey PNG of the upload's size, value = 255 × probability")
            .Parameter("query", "max", Shape.Integer(16, 4_096), "Longest side, pixels; its default is the upload's own size.").Answers(200, "The mask.", Shape.Binary("image/png")).Fails(422);
        yield return Picture("overlay", "getOverlay", "The picture with the mask drawn over it").Answers(200, "The overlay.", Shape.Binary("image/png"));
        yield return Picture("thumbnail", "getThumbnail", "The picture, small")
            .Parameter("query", "max", Shape.Integer(16, 4_096), "Longest side, pixels; never more than the picture has.")
            .Parameter("query", "format", Shape.OneOf("webp", "png").Default("webp"), "Small, or without loss.").Answers(200, "The thumbnail.", Shape.Binary("image/webp").And(Shape.Binary("image/png"))).Fails(422);
        yield return new Operation("get", "/v1/analyses/{id}/evidence", "listEvidence", Pictures, "All evidence; what has been made is filled in, '?make=true' makes the rest first")
            .Needs(Scopes.Read).Reference("AnalysisId").Parameter("query", "make", new JsonObject { ["type"] = "boolean", ["default"] = false }, "Make what is only available; takes some seconds.")
            .Answers(200, "The evidence.", Shape.Json(Shape.Ref("EvidenceList"))).Fails(404, 409, 410, 422);
        yield return Picture("evidence/{name}", "getEvidence", "One piece of evidence: its map as a picture, or '?format=json' what it found")
            .Describe("Made on the first request and then kept. Legends are the same for every picture.")
            .Parameter("path", "name", Shape.Text(), "As the analysis' evidence and detectors name it, e.g. ela or mask-shallowfake.", "mask-shallowfake")
            .Parameter("query", "format", Shape.OneOf("png", "json").Default("png"), "The map, or the findings.")
            .Parameter("query", "max", Shape.Integer(16, 4_096), "Longest side of the map, pixels; its default is the picture's own size.")
            .Answers(200, "The map or the findings.", Shape.Binary("image/png").And(Shape.Json(Shape.Ref("Evidence")))).Fails(422);
    }

    private static IEnumerable<Operation> OfBatches(IntakeOptions intake)
    {
        var options = Options(intake).ToList();
        string[] names = [.. options.Select(o => o.Name)];
        var submit = new Operation("post", "/v1/batches", "submitBatch", Batches, "Submit many pictures with common options")
            .Needs(Scopes.Submit)
            .Describe("Each picture becomes an analysis of its own. One that is refused is listed with its reason and does not spoil the others. A bare list of addresses takes its options from the query. batch.completed is sent once, when all have ended.")
            .Reference("IdempotencyKey")
            .Body(
                Shape.Content("multipart/form-data", Shape.Object(null, names, [("image", Shape.List(new JsonObject { ["type"] = "string", ["contentMediaType"] = "application/octet-stream" }, intake.MaxBatchItems)), .. options.Select(o => (o.Name, (JsonObject)o.Schema.DeepClone()))]))
                    .And(Shape.Json(
                        Shape.Any(Shape.List(Shape.Text("uri"), intake.MaxBatchItems), Shape.Object(null, names, [("urls", Shape.List(Shape.Text("uri"), intake.MaxBatchItems)), .. options.Select(o => (o.Name, JsonForm(o.Name, o.Schema)))])),
                        JsonNode.Parse("""{"urls": ["https://images.example.com/a.jpg", "https://images.example.com/b.jpg"], "detectors": "auto"}"""))))
            .Answers(202, "Accepted.", Shape.Json(Shape.Ref("Batch"), Examples.Batch), "Location", "Retry-After", "Idempotent-Replayed")
            .Fails(400, 408, 409, 413, 415, 422)
            .CallsBack(Callback("batchFinished", "batch.completed, as the webhook of the same name.", Shape.Ref("BatchEvent"), Examples.BatchEvent));
        foreach (var (name, schema, text) in options)
        {
            submit.Parameter("query", name, (JsonObject)schema.DeepClone(), text);
        }

        yield return submit;
        yield return new Operation("get", "/v1/batches", "listBatches", Batches, "Your batches, newest first")
            .Needs(Scopes.Read).Reference("Limit", "Cursor").Answers(200, "A page.", Shape.Json(Shape.Page(Shape.Ref("BatchSummary"))), "Link").Fails(422);
        yield return new Operation("get", "/v1/batches/{id}", "getBatch", Batches, "A batch and its items")
            .Needs(Scopes.Read).Reference("BatchId").Answers(200, "The batch.", Shape.Json(Shape.Ref("Batch"), Examples.Batch)).Fails(404);
        yield return new Operation("get", "/v1/batches/{id}/results.csv", "getBatchResults", Batches, "One CSV row for each item")
            .Needs(Scopes.Read).Reference("BatchId").Answers(200, "The rows.", Shape.Content("text/csv", Shape.Text())).Fails(404);
    }

    private static IEnumerable<Operation> OfWebhooks()
    {
        var request = Shape.Object(
            null, ["events", "description", "enabled"], ("url", Shape.Text("uri", "Where events are posted: http(s), a public address.")),
            ("events", Shape.List(Shape.OneOf([.. WebhookEvents.All]))), ("description", Shape.Text()), ("enabled", new JsonObject { ["type"] = "boolean" }));
        var change = (JsonObject)request.DeepClone();
        change["required"] = new JsonArray();
        var example = JsonNode.Parse("""{"url": "https://platform.example.com/hooks/palimpsest", "events": ["analysis.completed", "analysis.failed"]}""");
        Operation Endpoint(string method, string rest, string id, string summary) => new Operation(method, "/v1/webhook-endpoints" + rest, id, Webhooks, summary).Needs(Scopes.Admin);
        yield return Endpoint("get", "", "listWebhookEndpoints", "Your webhook endpoints").Answers(200, "All of them.", Shape.Json(Shape.Page(Shape.Ref("WebhookEndpoint"))));
        yield return Endpoint("post", "", "createWebhookEndpoint", "Add an endpoint; the answer shows its signing secret, once")
            .Body(Shape.Json(request, example)).Answers(201, "Added.", Shape.Json(Shape.Ref("WebhookEndpoint")), "Location").Fails(400, 409, 415, 422);
        yield return Endpoint("get", "/{id}", "getWebhookEndpoint", "One endpoint").Reference("EndpointId").Answers(200, "The endpoint.", Shape.Json(Shape.Ref("WebhookEndpoint"))).Fails(404);
        yield return Endpoint("patch", "/{id}", "changeWebhookEndpoint", "Change address, events or description; enable or disable")
            .Reference("EndpointId").Body(Shape.Json(change, JsonNode.Parse("""{"enabled": true}"""))).Answers(200, "Changed.", Shape.Json(Shape.Ref("WebhookEndpoint"))).Fails(400, 404, 415, 422);
        yield return Endpoint("delete", "/{id}", "deleteWebhookEndpoint", "Remove an endpoint").Reference("EndpointId").Answers(204, "Gone.").Fails(404);
        yield return Endpoint("post", "/{id}/test", "testWebhookEndpoint", "Send a webhook.test event")
            .Reference("EndpointId").Answers(202, "On its way.", Shape.Json(Shape.Ref("WebhookDelivery")), "Location").Fails(404, 409);
        yield return Endpoint("post", "/{id}/rotate-secret", "rotateWebhookSecret", "New secret; for a while deliveries carry both signatures")
            .Reference("EndpointId").Answers(200, "The endpoint with its new secret.", Shape.Json(Shape.Ref("WebhookEndpoint"))).Fails(404);
        yield return new Operation("get", "/v1/webhook-deliveries", "listWebhookDeliveries", Webhooks, "The delivery log, newest first")
            .Needs(Scopes.Read).Parameter("query", "endpoint_id", Shape.Text(), "Only those to this endpoint.").Parameter("query", "analysis_id", Shape.Text(), "Only those about this analysis.")
            .Parameter("query", "state", Shape.OneOf("pending", "delivered", "failed"), "Only those in this state.").Reference("Limit", "Cursor")
            .Answers(200, "A page.", Shape.Json(Shape.Page(Shape.Ref("WebhookDelivery"))), "Link").Fails(422);
        yield return new Operation("get", "/v1/webhook-deliveries/{id}", "getWebhookDelivery", Webhooks, "One delivery with its body and attempts")
            .Needs(Scopes.Read).Reference("DeliveryId").Answers(200, "The delivery.", Shape.Json(Shape.Ref("WebhookDelivery"))).Fails(404);
        yield return new Operation("post", "/v1/webhook-deliveries/{id}/redeliver", "redeliverWebhook", Webhooks, "Send a delivery again, under the same id")
            .Needs(Scopes.Admin).Reference("DeliveryId").Answers(202, "On its way.", Shape.Json(Shape.Ref("WebhookDelivery")), "Location").Fails(404, 409, 410);
    }

    private static IEnumerable<Operation> OfFeedback()
    {
        yield return new Operation("post", "/v1/analyses/{id}/feedback", "giveFeedback", Feedback, "Say what the picture really is")
            .Needs(Scopes.Submit).Reference("AnalysisId")
            .Body(Shape.Json(
                Shape.Object(null, ["note"], ("label", Shape.OneOf("real", "fake")), ("note", new JsonObject { ["type"] = new JsonArray("string", "null"), ["maxLength"] = 2_000 })),
                JsonNode.Parse("""{"label": "fake", "note": "the lamp was added"}""")))
            .Answers(200, "Kept; a second judgement replaces the first.", Shape.Json(Shape.Ref("Feedback"))).Fails(400, 404, 410, 415, 422);
        yield return new Operation("get", "/v1/analyses/{id}/feedback", "getFeedback", Feedback, "The judgement kept of one analysis")
            .Needs(Scopes.Read).Reference("AnalysisId").Answers(200, "The judgement.", Shape.Json(Shape.Ref("Feedback"))).Answers(204, "None has been given.").Fails(404);
        yield return new Operation("get", "/v1/feedback", "exportFeedback", Feedback, "All feedback as an eval manifest (CSV); '?format=zip' with the pictures, '?format=json' as a list")
            .Needs(Scopes.Read).Parameter("query", "format", Shape.OneOf("csv", "zip", "json").Default("csv"), "Form of the export.")
            .Answers(200, "The export.", Shape.Content("text/csv", Shape.Text()).And(Shape.Binary("application/zip")).And(Shape.Json(Shape.Object(null, [], ("items", Shape.List(Shape.Ref("Feedback"))))))).Fails(422);
    }

    private static IEnumerable<Operation> OfService()
    {
        yield return new Operation("get", "/v1/detectors", "listDetectors", Detectors, "Localizers: state, model, thresholds, limitations, metrics")
            .Needs(Scopes.Read).Answers(200, "All of them.", Shape.Json(Shape.Ref("DetectorList")));
        yield return new Operation("get", "/health/live", "live", Service, "The process runs").Answers(200, "It does.", Shape.Json(Shape.Ref("Health")));
        yield return new Operation("get", "/health/ready", "ready", Service, "Submissions would be accepted")
            .Answers(200, "They would.", Shape.Json(Shape.Ref("Health"))).Answers(503, "Not yet, or not any more.", Shape.Json(Shape.Ref("Health")));
        yield return new Operation("get", "/metrics", "metrics", Service, "Prometheus text").Answers(200, "Metrics.", Shape.Content("text/plain", Shape.Text()));
        yield return new Operation("get", "/openapi/v1.json", "openapi", Service, "This document").Answers(200, "OpenAPI 3.1.", Shape.Json(new JsonObject { ["type"] = "object" }));
    }

    /// <summary>Options as form fields and query parameters.</summary>
    private static IEnumerable<(string Name, JsonObject Schema, string Text)> Options(IntakeOptions intake)
    {
        yield return ("detectors", Shape.OneOf([.. DetectorChoices.All]).Default("auto"), "Which localizers look; auto leaves it to the router.");
        yield return ("face_crop", new JsonObject { ["type"] = "boolean", ["default"] = true }, "Deepfake detection on face crops; false: on the whole picture.");
        yield return ("callback_url", Shape.Text("uri"), "Where the result is posted, signed with the tenant's webhook secret: shown with its first key, set by PALIMPSEST_WEBHOOK_SECRET, or replaced by './palimpsest keys webhook-secret'.");
        yield return ("metadata", Shape.Text(), $"A JSON object of at most {OptionCollector.MetadataBytes} bytes, echoed.");
        yield return ("retention", Shape.OneOf("default", "zero").Default("default"), $"zero: image and maps are erased once the result is delivered; default: after {intake.RetentionDays} days.");
    }

    /// <summary>In JSON, metadata is an object and not its text.</summary>
    private static JsonObject JsonForm(string name, JsonObject schema) => name == "metadata" ? new JsonObject { ["type"] = "object" } : (JsonObject)schema.DeepClone();

    private static JsonObject Callback(string name, string text, JsonObject schema, JsonNode example) => new()
    {
        [name] = new JsonObject { ["{$request.body#/callback_url}"] = new JsonObject { ["post"] = Delivery(name, text, schema, example, "Webhooks") } },
    };

    /// <summary>A request that we send.</summary>
    public static JsonObject Delivery(string id, string text, JsonObject schema, JsonNode example, string tag) => new()
    {
        ["operationId"] = id,
        ["tags"] = new JsonArray(tag),
        ["summary"] = text,
        ["security"] = new JsonArray(),
        ["parameters"] = new JsonArray(
            new JsonObject { ["name"] = "webhook-id", ["in"] = "header", ["required"] = true, ["schema"] = Shape.Text(), ["description"] = "The same on every attempt." },
            new JsonObject { ["name"] = "webhook-timestamp", ["in"] = "header", ["required"] = true, ["schema"] = Shape.Text(), ["description"] = "Unix seconds of this attempt." },
            new JsonObject { ["name"] = "webhook-signature", ["in"] = "header", ["required"] = true, ["schema"] = Shape.Text(), ["description"] = "v1,base64(HMAC-SHA256(id.timestamp.body)); several, separated by spaces, while a secret rotates." }),
        ["requestBody"] = new JsonObject { ["required"] = true, ["content"] = Shape.Json(schema, example.DeepClone()) },
        ["responses"] = new JsonObject
        {
            ["2XX"] = new JsonObject { ["description"] = "Received." },
            ["410"] = new JsonObject { ["description"] = "Never again: the endpoint is disabled." },
            ["4XX"] = new JsonObject { ["description"] = "Tried again later; so are 3XX, 5XX and silence for 15 s." },
        },
    };
}
