//! status, scale, binding, token, log, reviews.

use super::{Server, deployment, pod};
use serde_json::json;

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const PODS: &str = "/api/v1/namespaces/default/pods";

// proves: AM-35
#[tokio::test]
async fn the_status_is_written_apart_from_the_rest() {
    let server = Server::start().await;
    let path = format!("{DEPLOYMENTS}/d");
    let mut object = server.post(DEPLOYMENTS, &deployment("d")).await.expect(201);
    object["status"] = json!({"replicas": 2, "observedGeneration": 1});
    object["spec"]["replicas"] = 9.into();
    let updated = server.put(&format!("{path}/status"), &object).await.expect(200);
    assert_eq!((&updated["status"]["replicas"], &updated["spec"]["replicas"]), (&json!(2), &json!(2)));
    assert_eq!(updated["metadata"]["generation"], 1);
    let patch = json!({"status": {"replicas": 4}});
    let patched = server.patch(&format!("{path}/status"), "merge-patch", &patch).await.expect(200);
    assert_eq!(patched["status"]["replicas"], 4);
    assert_eq!(server.get(&format!("{path}/status")).await.expect(200), patched);
    let main = server.patch(&path, "merge-patch", &json!({"status": {"replicas": 7}})).await.expect(200);
    assert_eq!(main["status"]["replicas"], 4);
}

// proves: AM-35
#[tokio::test]
async fn scale_reads_and_changes_the_replicas() {
    let server = Server::start().await;
    let path = format!("{DEPLOYMENTS}/d/scale");
    server.post(DEPLOYMENTS, &deployment("d")).await.expect(201);
    let mut scale = server.get(&path).await.expect(200);
    assert_eq!((&scale["kind"], &scale["apiVersion"]), (&json!("Scale"), &json!("autoscaling/v1")));
    assert_eq!((&scale["spec"]["replicas"], &scale["status"]["selector"]), (&json!(2), &json!("a=b")));
    let stale = scale.clone();
    scale["spec"]["replicas"] = 5.into();
    assert_eq!(server.put(&path, &scale).await.expect(200)["spec"]["replicas"], 5);
    assert_eq!(server.put(&path, &stale).await.code, 409);
    let patched = server.patch(&path, "merge-patch", &json!({"spec": {"replicas": 6}})).await.expect(200);
    assert_eq!(patched["spec"]["replicas"], 6);
    let object = server.get(&format!("{DEPLOYMENTS}/d")).await.expect(200);
    assert_eq!((&object["spec"]["replicas"], &object["metadata"]["generation"]), (&json!(6), &json!(3)));
    let negative = server.patch(&path, "merge-patch", &json!({"spec": {"replicas": -1}})).await;
    assert_eq!(
        negative.refusal().2,
        "Scale.autoscaling \"d\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0"
    );
}

// proves: AM-30
#[tokio::test]
async fn the_table_of_a_scale_has_columns_of_its_own() {
    let server = Server::start().await;
    server.post(DEPLOYMENTS, &deployment("d")).await.expect(201);
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let answer = server.get_as(&format!("{DEPLOYMENTS}/d/scale"), accept).await;
    let table = answer.expect(200);
    let columns: Vec<_> = table["columnDefinitions"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(columns, ["Name", "Desired", "Available", "Age"]);
    assert_eq!(table["rows"][0]["cells"].as_array().unwrap()[..3], [json!("d"), json!(2), json!(0)]);
    let scale = server.get(&format!("{DEPLOYMENTS}/d/scale")).await.expect(200);
    assert_eq!(table["metadata"]["resourceVersion"], scale["metadata"]["resourceVersion"]);
}

#[tokio::test]
async fn an_eviction_deletes_a_pod_and_says_so_in_its_status() {
    let server = Server::start().await;
    let mut bound = pod("p");
    bound["spec"]["nodeName"] = "n".into();
    let uid = server.post(PODS, &bound).await.expect(201)["metadata"]["uid"].clone();
    let path = format!("{PODS}/p/eviction");
    let eviction = |name: &str, options: serde_json::Value| json!({"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": name}, "deleteOptions": options});
    let other = server.post(&path, &eviction("q", json!({}))).await;
    assert_eq!(other.refusal().2, "name in URL does not match name in Eviction object");
    let foreign = server.post(&path, &eviction("p", json!({"preconditions": {"uid": "x"}}))).await;
    let message = format!(
        "Operation cannot be fulfilled on Pod \"p\": the UID in the precondition (x) does not match the UID in record \
         ({}). The object might have been deleted and then recreated",
        uid.as_str().unwrap()
    );
    assert_eq!(foreign.refusal(), (409, "Conflict".into(), message));
    server.post(&path, &eviction("p", json!({"dryRun": ["All"]}))).await.expect(201);
    let untouched = server.get(&format!("{PODS}/p")).await.expect(200);
    assert_eq!(
        (&untouched["metadata"]["deletionTimestamp"], &untouched["status"]["conditions"]),
        (&json!(null), &json!(null))
    );
    let version = untouched["metadata"]["resourceVersion"].clone();
    let options = json!({"preconditions": {"resourceVersion": version}, "gracePeriodSeconds": 7});
    assert_eq!(server.post(&path, &eviction("p", options)).await.expect(201)["status"], "Success");
    let evicted = server.get(&format!("{PODS}/p")).await.expect(200);
    assert_eq!(evicted["metadata"]["deletionGracePeriodSeconds"], 7);
    let condition = &evicted["status"]["conditions"][0];
    assert_eq!(
        (&condition["type"], &condition["reason"]),
        (&json!("DisruptionTarget"), &json!("EvictionByEvictionAPI"))
    );
    assert_eq!(condition.get("observedGeneration"), None, "told by nobody who runs the pod");
    let missing = server.post(&format!("{PODS}/q/eviction"), &eviction("q", json!({}))).await;
    assert_eq!(missing.refusal(), (404, "NotFound".into(), "pods \"q\" not found".into()));
}

// proves: SC-15
#[tokio::test]
async fn a_pod_is_bound_once() {
    let server = Server::start().await;
    server.post(PODS, &pod("p")).await.expect(201);
    let binding = json!({"kind": "Binding", "apiVersion": "v1", "metadata": {"name": "p"},
        "target": {"kind": "Node", "apiVersion": "v1", "name": "n"}});
    let path = format!("{PODS}/p/binding");
    assert_eq!(server.post(&path, &binding).await.expect(201)["status"], "Success");
    let bound = server.get(&format!("{PODS}/p")).await.expect(200);
    assert_eq!(bound["spec"]["nodeName"], "n");
    assert_eq!(bound["status"]["conditions"][0]["type"], "PodScheduled");
    let message = "Operation cannot be fulfilled on pods/binding \"p\": pod p is already assigned to node \"n\"";
    assert_eq!(server.post(&path, &binding).await.refusal(), (409, "Conflict".into(), message.into()));

    let mut gated = pod("g");
    gated["spec"]["schedulingGates"] = json!([{"name": "example.com/gate"}]);
    server.post(PODS, &gated).await.expect(201);
    let mut other = binding.clone();
    other["metadata"]["name"] = "g".into();
    let message = "Operation cannot be fulfilled on pods/binding \"g\": pod g has non-empty .spec.schedulingGates";
    let path = format!("{PODS}/g/binding");
    assert_eq!(server.post(&path, &other).await.refusal(), (409, "Conflict".into(), message.into()));
    other["target"] = json!({"kind": "Node"});
    assert_eq!(server.post(&path, &other).await.refusal(), (500, String::new(), "target.name: Required value".into()));
    assert_eq!(server.get(&format!("{PODS}/g")).await.expect(200)["spec"].get("nodeName"), None);
}

// proves: SE-04
#[tokio::test]
async fn a_token_is_issued_and_recognized_until_its_pod_is_gone() {
    let server = Server::start().await;
    server.post(PODS, &pod("p")).await.expect(201);
    let path = "/api/v1/namespaces/default/serviceaccounts/default/token";
    let request = json!({"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {
        "expirationSeconds": 600, "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "p"}}});
    let issued = server.post(path, &request).await.expect(201);
    assert!(issued["status"]["expirationTimestamp"].is_string());
    let review = json!({"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1",
        "spec": {"token": issued["status"]["token"]}});
    let reviews = "/apis/authentication.k8s.io/v1/tokenreviews";
    let answer = server.post(reviews, &review).await.expect(201);
    assert_eq!(answer["status"]["authenticated"], true, "{answer}");
    assert_eq!(answer["status"]["user"]["username"], "system:serviceaccount:default:default");
    assert_eq!(answer["status"]["user"]["extra"]["authentication.kubernetes.io/pod-name"], json!(["p"]));
    server.delete(&format!("{PODS}/p")).await.expect(200);
    let answer = server.post(reviews, &review).await.expect(201);
    assert_ne!(answer["status"]["authenticated"], true, "{answer}");

    let short = json!({"spec": {"expirationSeconds": 60}});
    assert!(server.post(path, &short).await.refusal().2.contains("may not specify a duration less than 10 minutes"));
    let config_map = json!({"spec": {"boundObjectRef": {"kind": "ConfigMap", "apiVersion": "v1", "name": "x"}}});
    let message = "cannot bind token to object of type /v1, Kind=ConfigMap";
    assert_eq!(server.post(path, &config_map).await.refusal().2, message);
}

#[tokio::test]
async fn logs_are_refused_with_upstreams_texts() {
    let server = Server::start().await;
    server.post(PODS, &pod("p")).await.expect(201);
    assert_eq!(server.get(&format!("{PODS}/p/log")).await.code, 204);
    let message = "container x is not valid for pod p";
    assert_eq!(server.get(&format!("{PODS}/p/log?container=x")).await.refusal().2, message);
    let message = "PodLogOptions \"p\" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0";
    assert_eq!(server.get(&format!("{PODS}/p/log?tailLines=-1")).await.refusal().2, message);
    assert_eq!(server.get(&format!("{PODS}/none/log")).await.code, 404);
}

// proves: SE-13
#[tokio::test]
async fn reviews_are_answered_and_not_stored() {
    let server = Server::start().await;
    let authorization = "/apis/authorization.k8s.io/v1";
    let of = |kind: &str, spec: serde_json::Value| json!({"kind": kind, "apiVersion": "authorization.k8s.io/v1", "spec": spec});
    let attributes = json!({"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "default"}});
    let own = of("SelfSubjectAccessReview", attributes.clone());
    let answer = server.post(&format!("{authorization}/selfsubjectaccessreviews"), &own).await.expect(201);
    assert_eq!(answer["status"]["allowed"], true);
    let mut other = of("SubjectAccessReview", attributes.clone());
    other["spec"]["user"] = "nobody".into();
    let answer = server.post(&format!("{authorization}/subjectaccessreviews"), &other).await.expect(201);
    assert_eq!(answer["status"]["allowed"], false);
    let mut local = of("LocalSubjectAccessReview", attributes);
    local["spec"]["user"] = "nobody".into();
    local["metadata"]["namespace"] = "kube-system".into();
    let path = format!("{authorization}/namespaces/kube-system/localsubjectaccessreviews");
    assert_eq!(server.post(&path, &local).await.code / 100, 4);
    let whoami = json!({"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"});
    let answer = server.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", &whoami).await.expect(201);
    assert_eq!(answer["status"]["userInfo"]["username"], "tester");
}
