using System.Text.Json.Nodes;

namespace Portcullis.Sources.Kubernetes;

/// <summary>Objects as an API server holds them.</summary>
internal static class Some
{
    public static JsonObject Pod(string name, string address = "10.0.0.1", string app = "web", string space = "default") => Parse($$$$"""
        {"metadata":{"namespace":"{{{{space}}}}","name":"{{{{name}}}}","uid":"u-{{{{name}}}}","creationTimestamp":"2026-01-01T00:00:00Z","labels":{"app":"{{{{app}}}}"},
          "managedFields":[{"manager":"kubelet","fieldsV1":{"f:status":{}}}],"annotations":{"other":"text"}},
         "spec":{"nodeName":"node-a","containers":[{"name":"c","image":"i","ports":[{"name":"http","containerPort":8080,"protocol":"TCP"},{"containerPort":9}]}],
           "initContainers":[{"name":"s","restartPolicy":"Always","ports":[{"name":"dns","containerPort":53,"protocol":"UDP"}]},{"name":"i","ports":[{"name":"no","containerPort":1}]}]},
         "status":{"phase":"Running","podIP":"{{{{address}}}}","podIPs":[{"ip":"{{{{address}}}}"},{"ip":"fd00::1"}],"conditions":[{"type":"Ready","status":"True"}]}}
        """);

    public static JsonObject Namespace(string name) => Parse($$$$"""{"metadata":{"name":"{{{{name}}}}","labels":{"team":"a"}}}""");

    public static JsonObject Policy(string name, string spec = """{"podSelector":{},"policyTypes":["Ingress"]}""") =>
        Parse($$$$"""{"metadata":{"namespace":"default","name":"{{{{name}}}}","newField":{"from":"a newer server"}},"spec":{{{{spec}}}}}""");

    public static JsonObject ClusterPolicy(string name) => Parse($$$$"""
        {"apiVersion":"policy.networking.k8s.io/v1alpha2","kind":"ClusterNetworkPolicy","metadata":{"name":"{{{{name}}}}"},
         "spec":{"tier":"Admin","priority":10,"subject":{"namespaces":{}},"ingress":[{"action":"Deny","from":[{"namespaces":{}}]}]}}
        """);

    public static JsonObject Parse(string json) => JsonNode.Parse(json)!.AsObject();
}
