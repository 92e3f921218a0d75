using System.Text.Json.Nodes;

namespace Palimpsest.Gateway;

/// <summary>One operation of the API, written down as code; <see cref="ApiDocument"/> makes OpenAPI of it.</summary>
internal sealed class Operation(string method, string path, string id, string tag, string summary)
{
    private readonly JsonObject responses = [];
    private readonly JsonArray parameters = [];
    private readonly SortedSet<int> problems = [405];
    private string? scope;
    private JsonObject? body;
    private JsonObject? callbacks;
    private string? description;

    public string Method => method;

    public string Path => path;

    /// <summary>What the key must allow; without a call the operation is public.</summary>
    public Operation Needs(string name)
    {
        scope = name;
        problems.UnionWith([401, 403, 429, 500, 503]);
        return this;
    }

    public Operation Describe(string text)
    {
        description = text;
        return this;
    }

    public Operation Parameter(string place, string name, JsonObject schema, string text, JsonNode? example = null)
    {
        var parameter = new JsonObject { ["name"] = name, ["in"] = place, ["required"] = place == "path", ["description"] = text, ["schema"] = schema };
        if (example is not null)
        {
            parameter["example"] = example;
        }

        parameters.Add((JsonNode)parameter);
        return this;
    }

    public Operation Reference(params string[] names)
    {
        foreach (string name in names)
        {
            parameters.Add((JsonNode)new JsonObject { ["$ref"] = "#/components/parameters/" + name });
        }

        return this;
    }

    public Operation Body(JsonObject content)
    {
        body = new JsonObject { ["required"] = true, ["content"] = content };
        return this;
    }

    /// <summary>A success.</summary>
    public Operation Answers(int status, string text, JsonObject? content = null, params string[] headers)
    {
        var response = new JsonObject { ["description"] = text };
        if (content is not null)
        {
            response["content"] = content;
        }

        var all = new JsonObject();
        foreach (string name in headers.Concat(scope is null ? [] : ["RateLimit", "RateLimit-Policy"]))
        {
            all[name] = new JsonObject { ["$ref"] = "#/components/headers/" + name };
        }

        if (all.Count > 0)
        {
            response["headers"] = all;
        }

        responses[status.ToString()] = response;
        return this;
    }

    public Operation Fails(params int[] statuses)
    {
        problems.UnionWith(statuses);
        return this;
    }

    public Operation CallsBack(JsonObject value)
    {
        callbacks = value;
        return this;
    }

    public JsonObject Build()
    {
        var operation = new JsonObject { ["operationId"] = id, ["tags"] = new JsonArray(tag), ["summary"] = summary };
        if (description is not null)
        {
            operation["description"] = description;
        }

        operation["security"] = scope is null
            ? new JsonArray()
            : new JsonArray(new JsonObject { ["bearer"] = new JsonArray(scope) }, new JsonObject { ["apiKey"] = new JsonArray(scope) });
        if (parameters.Count > 0)
        {
            operation["parameters"] = parameters;
        }

        if (body is not null)
        {
            operation["requestBody"] = body;
        }

        foreach (int status in problems)
        {
            responses[status.ToString()] = new JsonObject { ["$ref"] = $"#/components/responses/Problem{status}" };
        }

        operation["responses"] = new JsonObject(responses.OrderBy(r => r.Key, StringComparer.Ordinal).Select(r => KeyValuePair.Create(r.Key, r.Value?.DeepClone())));
        if (callbacks is not null)
        {
            operation["callbacks"] = callbacks;
        }

        return operation;
    }
}

/// <summary>Short forms of JSON Schema.</summary>
internal static class Shape
{
    public static JsonObject Ref(string name) => new() { ["$ref"] = "#/components/schemas/" + name };

    public static JsonObject Text(string? format = null, string? description = null) => With(new JsonObject { ["type"] = "string" }, format, description);

    public static JsonObject OneOf(params string[] values) => new() { ["type"] = "string", ["enum"] = new JsonArray([.. values.Select(v => (JsonNode)v)]) };

    public static JsonObject Default(this JsonObject schema, JsonNode value)
    {
        schema["default"] = value;
        return schema;
    }

    public static JsonObject Integer(int from, int to) => new() { ["type"] = "integer", ["minimum"] = from, ["maximum"] = to };

    public static JsonObject Integer(int from) => new() { ["type"] = "integer", ["minimum"] = from };

    public static JsonObject Any(params JsonNode[] schemas) => new() { ["anyOf"] = new JsonArray(schemas) };

    public static JsonObject List(JsonObject items, int? most = null)
    {
        var list = new JsonObject { ["type"] = "array", ["items"] = items };
        if (most is { } number)
        {
            list["maxItems"] = number;
        }

        return list;
    }

    public static JsonObject Nullable(string type, string? format = null) => With(new JsonObject { ["type"] = new JsonArray(type, "null") }, format, null);

    /// <summary>An object; all members are required unless they are named in <paramref name="optional"/>.</summary>
    public static JsonObject Object(string? description, string[] optional, params (string Name, JsonObject Schema)[] members)
    {
        var result = new JsonObject { ["type"] = "object" };
        if (description is not null)
        {
            result["description"] = description;
        }

        result["required"] = new JsonArray([.. members.Where(m => !optional.Contains(m.Name)).Select(m => (JsonNode)m.Name)]);
        result["properties"] = new JsonObject(members.Select(m => KeyValuePair.Create(m.Name, (JsonNode?)m.Schema)));
        return result;
    }

    public static JsonObject Page(JsonObject items) => Object(null, [], ("items", List(items)), ("next_cursor", Nullable("string")));

    public static JsonObject Json(JsonObject schema, JsonNode? example = null) => Content("application/json", schema, example);

    public static JsonObject Content(string type, JsonObject schema, JsonNode? example = null)
    {
        var media = new JsonObject { ["schema"] = schema };
        if (example is not null)
        {
            media["example"] = example;
        }

        return new JsonObject { [type] = media };
    }

    public static JsonObject And(this JsonObject content, JsonObject other)
    {
        foreach (var (type, media) in other)
        {
            content[type] = media!.DeepClone();
        }

        return content;
    }

    /// <summary>Bytes of a media type.</summary>
    public static JsonObject Binary(string type) => Content(type, new JsonObject { ["type"] = "string", ["contentMediaType"] = type });

    private static JsonObject With(JsonObject schema, string? format, string? description)
    {
        if (format is not null)
        {
            schema["format"] = format;
        }

        if (description is not null)
        {
            schema["description"] = description;
        }

        return schema;
    }
}
