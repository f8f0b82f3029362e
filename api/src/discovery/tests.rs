use super::*;
use crate::registry::strategy::{ALL_VERBS, CREATE_ONLY, NameRule, Subresource};
use http_body_util::BodyExt;
use serde_json::{Value, json};

static PODS: KindInfo = KindInfo {
    group: "",
    version: "v1",
    kind: "Pod",
    resource: "pods",
    singular: "pod",
    short_names: &["po"],
    categories: &["all"],
    namespaced: true,
    verbs: ALL_VERBS,
    subresources: &[Subresource::STATUS],
    name_rule: NameRule::Subdomain,
    stored: true,
};

static DEPLOYMENTS: KindInfo = KindInfo {
    group: "apps",
    version: "v1",
    kind: "Deployment",
    resource: "deployments",
    singular: "deployment",
    short_names: &["deploy"],
    categories: &["all"],
    namespaced: true,
    verbs: ALL_VERBS,
    subresources: &[Subresource::SCALE],
    name_rule: NameRule::Subdomain,
    stored: true,
};

static REVIEWS: KindInfo = KindInfo {
    group: "authentication.k8s.io",
    version: "v1",
    kind: "TokenReview",
    resource: "tokenreviews",
    singular: "tokenreview",
    short_names: &[],
    categories: &[],
    namespaced: false,
    verbs: CREATE_ONLY,
    subresources: &[],
    name_rule: NameRule::Subdomain,
    stored: false,
};

fn discovery() -> Discovery {
    let kinds = [&REVIEWS, &DEPLOYMENTS, &PODS].into_iter();
    Discovery::of(kinds, &Elsewhere::new(), &["/livez".to_owned()], Some(([192, 0, 2, 1], 6443).into()))
}

fn accept(value: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static(value));
    headers
}

async fn get(path: &str, headers: &HeaderMap) -> Value {
    let response = discovery().answer(path, headers).expect("acceptable").expect("a document");
    let bytes = response.into_body().collect().await.expect("in memory").to_bytes();
    serde_json::from_slice(&bytes).expect("JSON")
}

// proves: AM-42
#[tokio::test]
async fn the_old_documents_list_what_is_served_with_its_verbs() {
    let none = HeaderMap::new();
    assert_eq!(get("/api", &none).await["versions"], json!(["v1"]));
    let groups = get("/apis", &none).await;
    let names: Vec<&str> =
        groups["groups"].as_array().expect("a list").iter().filter_map(|group| group["name"].as_str()).collect();
    assert_eq!(names, ["apps", "authentication.k8s.io"]);
    assert_eq!(
        get("/apis/apps", &none).await,
        json!({"kind": "APIGroup", "apiVersion": "v1", "name": "apps",
            "versions": [{"groupVersion": "apps/v1", "version": "v1"}],
            "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"}})
    );
    let apps = get("/apis/apps/v1", &none).await;
    assert_eq!(
        apps["resources"][1],
        json!({"name": "deployments/scale", "singularName": "", "namespaced": true, "group": "autoscaling",
            "version": "v1", "kind": "Scale", "verbs": ["get", "patch", "update"]})
    );
    assert_eq!(apps["resources"][0]["storageVersionHash"], "8aSe+NMegvE=", "as upstream computes it");
    assert_eq!(apps["resources"][0]["shortNames"], json!(["deploy"]));
    let reviews = get("/apis/authentication.k8s.io/v1", &none).await;
    assert_eq!(reviews["resources"][0]["verbs"], json!(["create"]));
    assert_eq!(reviews["resources"][0]["storageVersionHash"], Value::Null);
    assert!(discovery().answer("/apis/batch", &none).expect("acceptable").is_none());
}

// proves: AM-42
#[tokio::test]
async fn clients_that_ask_get_everything_in_one_document() {
    let kubectl = accept(
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
         application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json",
    );
    let core = get("/api", &kubectl).await;
    assert_eq!(core["kind"], "APIGroupDiscoveryList");
    assert_eq!(core["items"][0]["versions"][0]["resources"][0]["subresources"][0]["subresource"], "status");
    let named = get("/apis", &kubectl).await;
    assert_eq!(named["items"][0]["metadata"]["name"], "apps");
    let old = accept("application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json");
    let core = get("/api", &old).await;
    assert_eq!(core["kind"], "APIVersions");
    assert_eq!(core["serverAddressByClientCIDRs"][0]["serverAddress"], "192.0.2.1:6443");
}

// proves: AM-42
#[test]
fn a_client_that_has_the_document_gets_304() {
    let kubectl = accept("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
    let first = discovery().answer("/apis", &kubectl).expect("acceptable").expect("a document");
    let mut again = kubectl.clone();
    again.insert(::http::header::IF_NONE_MATCH, first.headers()[::http::header::ETAG].clone());
    assert_eq!(discovery().answer("/apis", &again).expect("acceptable").expect("a document").status(), 304);
}

#[tokio::test]
async fn fields_come_in_the_order_of_upstreams_types() {
    let discovery = discovery();
    let text = async |path: &str| {
        let response = discovery.answer(path, &HeaderMap::new()).expect("acceptable").expect("a document");
        String::from_utf8(response.into_body().collect().await.expect("in memory").to_bytes().to_vec()).expect("text")
    };
    assert_eq!(
        text("/api").await,
        "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"],\"serverAddressByClientCIDRs\":[{\"clientCIDR\":\"0.0.0.0/0\",\
         \"serverAddress\":\"192.0.2.1:6443\"}]}\n"
    );
    assert!(text("/apis/apps").await.starts_with(
        "{\"kind\":\"APIGroup\",\"apiVersion\":\"v1\",\"name\":\"apps\",\"versions\":[{\"groupVersion\":\"apps/v1\",\"version\":\"v1\"}],\
         \"preferredVersion\":{"
    ));
    assert!(text("/api/v1").await.starts_with(
        "{\"kind\":\"APIResourceList\",\"groupVersion\":\"v1\",\"resources\":[{\"name\":\"pods\",\"singularName\":\"pod\",\
         \"namespaced\":true,\"kind\":\"Pod\",\"verbs\":["
    ));
}

// proves: AM-42
#[tokio::test]
async fn a_document_comes_as_json_or_yaml_and_paths_of_the_router_know_no_wildcard() {
    let ask = async |path: &str, text: &'static str| {
        let response = discovery().answer(path, &accept(text)).map_err(|status| status.message)?.expect("a document");
        let media_type = response.headers()[::http::header::CONTENT_TYPE].to_str().expect("text").to_owned();
        let bytes = response.into_body().collect().await.expect("in memory").to_bytes();
        Ok::<_, String>((media_type, String::from_utf8_lossy(&bytes).into_owned()))
    };
    let (media_type, yaml) = ask("/apis/apps", "application/yaml").await.expect("YAML");
    assert_eq!(media_type, "application/yaml");
    assert!(yaml.starts_with("apiVersion: v1\nkind: APIGroup\nname: apps\n"), "{yaml}");
    let router = "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml";
    let negotiation = "only the following media types are accepted: application/json, application/yaml";
    for path in ["/api", "/api/v1", "/apis/apps/v1"] {
        assert_eq!(ask(path, "application/*").await, Err(router.to_owned()), "{path}");
    }
    for path in ["/apis", "/apis/apps"] {
        assert_eq!(ask(path, "application/*").await.expect("JSON").0, "application/json");
        assert_eq!(ask(path, "text/html").await, Err(negotiation.to_owned()));
    }
    for path in ["/api", "/apis", "/apis/apps", "/apis/apps/v1"] {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
        assert_eq!(ask(path, table).await, Err(negotiation.to_owned()), "{path}");
    }
    assert_eq!(ask("", "text/html").await.expect("the index takes no heed").0, "application/json");
}

#[test]
fn objects_that_are_stored_as_those_of_another_group_have_its_hash() {
    let elsewhere = [(("apps", "deployments"), "")].into_iter().collect();
    assert_ne!(storage_version_hash(&DEPLOYMENTS, &elsewhere), storage_version_hash(&DEPLOYMENTS, &Elsewhere::new()));
}
