using System.Reflection;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.WebUtilities;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Gateway;

/// <summary>The OpenAPI 3.1 document of the whole API.</summary>
internal static class ApiDocument
{
    private static readonly (int Status, string[] Codes, string Text)[] Problems =
    [
        (400, [ErrorCodes.MalformedRequest, ErrorCodes.ImageMissing, ErrorCodes.ImageEmpty], "The request cannot be understood, or carries no image."),
        (401, [ErrorCodes.Unauthenticated], "No key, or not one of ours."),
        (403, [ErrorCodes.Forbidden], "The key lacks the scope."),
        (404, [ErrorCodes.NotFound], "There is no such thing for this tenant."),
        (405, [ErrorCodes.MethodNotAllowed], "The address exists, the method does not."),
        (408, [ErrorCodes.MalformedRequest], "The request took too long to arrive."),
        (409, [ErrorCodes.IdempotencyInFlight, ErrorCodes.Conflict], "Not now: in flight, or not in the state for it."),
        (410, [ErrorCodes.Erased], "Erased on request or after its retention time."),
        (413, [ErrorCodes.ImageTooLarge], "More bytes than accepted."),
        (415, [ErrorCodes.UnsupportedFormat], "Not a format that is accepted, by its bytes."),
        (422, [ErrorCodes.InvalidOption, ErrorCodes.IdempotencyMismatch, ErrorCodes.AddressRefused, ErrorCodes.FetchFailed], "Understood, but not possible; errors names the fields."),
        (429, [ErrorCodes.RateLimited], "The tenant's quota is used up, or too many of its requests are open; Retry-After says for how long."),
        (500, [ErrorCodes.Internal], "Our mistake; the traceId finds it."),
        (503, [ErrorCodes.Overloaded, ErrorCodes.Unavailable], "We are full, or something behind us is away; Retry-After says when to come back."),
    ];

    /// <summary>Builds it.</summary>
    public static JsonObject Build(IntakeOptions intake)
    {
        var paths = new JsonObject();
        foreach (var operation in Operations.All(intake))
        {
            (paths[operation.Path] ??= new JsonObject())[operation.Method] = operation.Build();
        }

        return new JsonObject
        {
            ["openapi"] = "3.1.1",
            ["info"] = new JsonObject
            {
                ["title"] = "Palimpsest",
                ["version"] = typeof(ApiDocument).Assembly.GetName().Version?.ToString(3) ?? "1.0.0",
                ["summary"] = "Finds and localizes forgeries in pictures.",
                ["description"] = "Send a picture, get a verdict with a mask. Every error is an RFC 9457 problem with a stable code. Additional members may appear in answers; ignore what you do not know.",
            },
            ["servers"] = new JsonArray(new JsonObject { ["url"] = "/", ["description"] = "The gateway that serves this document." }),
            ["tags"] = new JsonArray([.. Operations.Tags.Select(t => (JsonNode)new JsonObject { ["name"] = t.Name, ["description"] = t.Text })]),
            ["paths"] = paths,
            ["webhooks"] = Webhooks(),
            ["components"] = new JsonObject
            {
                ["securitySchemes"] = new JsonObject
                {
                    ["bearer"] = new JsonObject { ["type"] = "http", ["scheme"] = "bearer", ["description"] = "Authorization: Bearer KEY. Scopes: submit, read, admin." },
                    ["apiKey"] = new JsonObject { ["type"] = "apiKey", ["in"] = "header", ["name"] = "X-Api-Key", ["description"] = "The same key in a header of its own, instead or as well." },
                },
                ["parameters"] = Parameters(intake),
                ["headers"] = Headers(),
                ["responses"] = new JsonObject(Problems.Select(p => KeyValuePair.Create($"Problem{p.Status}", (JsonNode?)ProblemResponse(p.Status, p.Codes, p.Text)))),
                ["schemas"] = AllSchemas(),
            },
        };
    }

    private static JsonObject Webhooks()
    {
        static JsonObject Post(string id, string text, string schema, JsonNode example) => new() { ["post"] = Operations.Delivery(id, text, Shape.Ref(schema), example, "Webhooks") };
        return new JsonObject
        {
            [WebhookEvents.AnalysisCompleted] = Post("onAnalysisCompleted", "A report exists, whole or partial", "AnalysisEvent", Examples.Event(WebhookEvents.AnalysisCompleted, Examples.Succeeded)),
            [WebhookEvents.AnalysisFailed] = Post("onAnalysisFailed", "The analysis ended without a report", "AnalysisEvent", Examples.Event(WebhookEvents.AnalysisFailed, Examples.Failed)),
            [WebhookEvents.BatchCompleted] = Post("onBatchCompleted", "Every item of a batch has ended", "BatchEvent", Examples.BatchEvent),
            [WebhookEvents.Test] = Post(
                "onWebhookTest", "Sent on request to try an endpoint", "TestEvent",
                Examples.Event(WebhookEvents.Test, JsonNode.Parse("""{"endpoint_id": "we_01a2043d8fad797cbb1cfa38ae68206a", "message": "This is a test. Verify the signature and answer 2xx."}""")!)),
        };
    }

    private static JsonObject Parameters(IntakeOptions intake)
    {
        static JsonObject Of(string place, string name, JsonObject schema, string text, JsonNode? example = null)
        {
            var parameter = new JsonObject { ["name"] = name, ["in"] = place, ["required"] = place == "path", ["description"] = text, ["schema"] = schema };
            if (example is not null)
            {
                parameter["example"] = example;
            }

            return parameter;
        }

        return new JsonObject
        {
            ["AnalysisId"] = Of("path", "id", Shape.Text(), "The analysis. Another tenant's is 404.", "an_01a2043d89e87cfbaca262f895879c8e"),
            ["BatchId"] = Of("path", "id", Shape.Text(), "The batch.", "ba_01a2043d8fad797cbb1cfa38ae68206a"),
            ["EndpointId"] = Of("path", "id", Shape.Text(), "The endpoint.", "we_01a2043d8fad797cbb1cfa38ae68206a"),
            ["DeliveryId"] = Of("path", "id", Shape.Text(), "The delivery.", "wd_01a2043d8fad797cbb1cfa38ae68206a"),
            ["Limit"] = Of("query", "limit", Shape.Integer(1).Default(50), "Rows of a page; more than 200 are taken as 200."),
            ["Cursor"] = Of("query", "cursor", Shape.Text(), "next_cursor of the page before."),
            ["IdempotencyKey"] = Of(
                "header", "Idempotency-Key", new JsonObject { ["type"] = "string", ["minLength"] = 1, ["maxLength"] = 255, ["pattern"] = "^[!-~]+$" },
                $"Remembered for {intake.IdempotencyHours} hours: the same request under the same key gets the same answer, with Prefer: wait the analysis as it is, and makes nothing new.", "order-4711"),
            ["Prefer"] = Of("header", "Prefer", Shape.Text(), $"wait=N: hold the answer up to N seconds (at most {intake.MaxWaitSeconds}) until the analysis has ended.", "wait=10"),
        };
    }

    private static JsonObject Headers()
    {
        static JsonObject Of(string text, JsonObject schema) => new() { ["description"] = text, ["schema"] = schema };
        return new JsonObject
        {
            ["Location"] = Of("Where the new thing is.", Shape.Text("uri-reference")),
            ["Retry-After"] = Of("Seconds.", new JsonObject { ["type"] = "integer" }),
            ["Preference-Applied"] = Of("The wait that was kept.", Shape.Text()),
            ["Idempotent-Replayed"] = Of("true: this answer was given before.", Shape.Text()),
            ["ETag"] = Of("Changes with every change of the analysis.", Shape.Text()),
            ["Link"] = Of("rel=next: the next page.", Shape.Text()),
            ["RateLimit"] = Of("What is left of each quota (draft-ietf-httpapi-ratelimit-headers-10).", Shape.Text()),
            ["RateLimit-Policy"] = Of("The quotas.", Shape.Text()),
        };
    }

    private static JsonObject ProblemResponse(int status, string[] codes, string text)
    {
        var media = new JsonObject { ["schema"] = Shape.Ref("Problem"), ["examples"] = new JsonObject(codes.Select(c => KeyValuePair.Create(c, (JsonNode?)new JsonObject { ["value"] = ProblemExample(status, c) }))) };
        var headers = new JsonObject();
        if (status is 409 or 429 or 503)
        {
            headers["Retry-After"] = new JsonObject { ["$ref"] = "#/components/headers/Retry-After" };
        }

        var response = new JsonObject { ["description"] = text, ["content"] = new JsonObject { ["application/problem+json"] = media } };
        if (headers.Count > 0)
        {
            response["headers"] = headers;
        }

        return response;
    }

    private static JsonObject ProblemExample(int status, string code)
    {
        var problem = new JsonObject
        {
            ["type"] = "urn:palimpsest:problem:" + code, ["title"] = ReasonPhrases.GetReasonPhrase(status), ["status"] = status, ["detail"] = "What is wrong and what to do.",
            ["instance"] = "/v1/analyses", ["code"] = code, ["traceId"] = "428244ef97be0296319ccf387285c703",
        };
        if (code == ErrorCodes.InvalidOption)
        {
            problem["errors"] = new JsonObject { ["detectors"] = new JsonArray("Must be one of auto, shallowfake, deepfake, both.") };
        }

        return problem;
    }

    private static JsonObject AllSchemas()
    {
        var schemas = new Schemas().Build();
        string[] codes = [.. typeof(ErrorCodes).GetFields(BindingFlags.Public | BindingFlags.Static).Select(f => (string)f.GetRawConstantValue()!).Order(StringComparer.Ordinal)];
        schemas["Problem"] = Shape.Object(
            "RFC 9457 problem details.", ["errors"], ("type", Shape.Text("uri")), ("title", Shape.Text()), ("status", new JsonObject { ["type"] = "integer" }), ("detail", Shape.Text()),
            ("instance", Shape.Text()), ("code", Shape.OneOf(codes)), ("traceId", Shape.Text()),
            ("errors", new JsonObject { ["type"] = "object", ["description"] = "What is wrong with which field.", ["additionalProperties"] = Shape.List(Shape.Text()) }));
        schemas["BatchSummary"] = Shape.Object(
            "A batch without its items.", [], ("id", Shape.Text()), ("status", Shape.OneOf("running", "completed")), ("created_at", Shape.Text("date-time")), ("completed_at", Shape.Nullable("string", "date-time")),
            ("counts", Shape.Ref("BatchCounts")), ("links", Shape.Ref("BatchLinks")));
        schemas["Feedback"] = Shape.Object(
            "A kept judgement.", [], ("analysis_id", Shape.Text()), ("label", Shape.OneOf("real", "fake")), ("note", Shape.Nullable("string")), ("created_at", Shape.Text("date-time")));
        schemas["DetectorList"] = Shape.Object("Localizers and the calibration of their scores.", [], ("detectors", Shape.List(Detector())), ("calibration", Calibration()));
        schemas["Health"] = Shape.Object(
            "Health of this process.", [], ("status", Shape.OneOf("Healthy", "Degraded", "Unhealthy")),
            ("checks", Shape.List(Shape.Object(null, [], ("name", Shape.Text()), ("status", Shape.Text()), ("detail", Shape.Nullable("string"))))));
        schemas["AnalysisEvent"] = Event("An analysis has ended.", Shape.OneOf(WebhookEvents.AnalysisCompleted, WebhookEvents.AnalysisFailed), Shape.Ref("Analysis"));
        schemas["BatchEvent"] = Event("A batch has ended.", Shape.OneOf(WebhookEvents.BatchCompleted), Shape.Object(
            null, [], ("id", Shape.Text()), ("created_at", Shape.Text("date-time")), ("completed_at", Shape.Text("date-time")), ("total", new JsonObject { ["type"] = "integer" }),
            ("succeeded", new JsonObject { ["type"] = "integer" }), ("failed", new JsonObject { ["type"] = "integer" }),
            ("verdicts", new JsonObject { ["type"] = "object", ["additionalProperties"] = new JsonObject { ["type"] = "integer" } }), ("metadata", Shape.Nullable("object")), ("links", Shape.Ref("BatchLinks"))));
        schemas["TestEvent"] = Event("A test.", Shape.OneOf(WebhookEvents.Test), Shape.Object(null, [], ("endpoint_id", Shape.Text()), ("message", Shape.Text())));
        return schemas;
    }

    private static JsonObject Event(string text, JsonObject type, JsonObject data) => Shape.Object(text, [], ("type", type), ("timestamp", Shape.Text("date-time")), ("data", data));

    private static JsonObject Detector() => Shape.Object(
        "A localizer.", [], ("name", Shape.Text()), ("state", Shape.OneOf("ready", "error")), ("reason", Shape.Nullable("string")),
        ("model", new JsonObject { ["anyOf"] = new JsonArray(Shape.Ref("ModelIdentity"), new JsonObject { ["type"] = "null" }) }), ("provider", Shape.Nullable("string")),
        ("threshold", Shape.Nullable("number")), ("limitations", Shape.List(Shape.Text())), ("metrics", new JsonObject { ["description"] = "Measured figures, from the model card." }),
        ("seen_at", Shape.Nullable("string", "date-time")));

    private static JsonObject Calibration() => Shape.Object(
        "Verdict thresholds on the fused score.", [], ("version", Shape.Text()), ("likely_fake", new JsonObject { ["type"] = "number" }), ("likely_real", new JsonObject { ["type"] = "number" }),
        ("false_alarm_rate", Shape.Nullable("number")), ("data", Shape.Nullable("string")));
}
