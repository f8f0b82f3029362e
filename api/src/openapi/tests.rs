use super::*;
use crate::registry::Strategy;
use crate::resources::{authentication::TOKEN_REVIEW, core::pod::Pod};
use http_body_util::BodyExt;
use serde_json::Value;

fn openapi() -> OpenApi {
    OpenApi::of([TOKEN_REVIEW.info(), Pod.info()].into_iter())
}

async fn json(response: Response<Body>) -> Value {
    let bytes = response.into_body().collect().await.expect("in memory").to_bytes();
    serde_json::from_slice(&bytes).expect("JSON")
}

fn get(openapi: &OpenApi, url: &str, headers: &HeaderMap) -> Response<Body> {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    openapi.answer(path, query, headers).expect("a document")
}

// proves: AM-44
#[tokio::test]
async fn the_index_leads_to_documents_that_never_change_under_their_hash() {
    let (openapi, none) = (openapi(), HeaderMap::new());
    let index = json(get(&openapi, "/openapi/v3", &none)).await;
    let url = index["paths"]["api/v1"]["serverRelativeURL"].as_str().expect("a URL").to_owned();
    assert!(index["paths"]["apis/authentication.k8s.io/v1"].is_object());
    let document = get(&openapi, &url, &none);
    assert_eq!(document.headers()[CACHE_CONTROL], "public, immutable");
    let mut known = HeaderMap::new();
    known.insert(::http::header::IF_NONE_MATCH, document.headers()[::http::header::ETAG].clone());
    assert_eq!(get(&openapi, &url, &known).status(), 304);
    let moved = get(&openapi, "/openapi/v3/api/v1?hash=OLD", &none);
    assert_eq!((moved.status().as_u16(), moved.headers()[LOCATION].to_str().expect("text")), (301, url.as_str()));
    assert!(openapi.answer("/openapi/v3/apis/batch/v1", "", &none).is_none());
}

// proves: AM-44
#[tokio::test]
async fn a_document_has_what_kubectl_looks_for() {
    let document = json(get(&openapi(), "/openapi/v3/api/v1", &HeaderMap::new())).await;
    let patch = &document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"];
    assert_eq!(
        patch["x-kubernetes-group-version-kind"],
        serde_json::json!({"group": "", "version": "v1", "kind": "Pod"})
    );
    assert_eq!(
        (&patch["x-kubernetes-action"], &patch["operationId"]),
        (&"patch".into(), &"patchCoreV1NamespacedPod".into())
    );
    let names: Vec<&str> =
        patch["parameters"].as_array().expect("a list").iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["dryRun", "fieldManager", "fieldValidation", "force"]);
    let spec = &document["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
    assert_eq!(spec["x-kubernetes-patch-merge-key"], "name");
    let all = &document["paths"]["/api/v1/pods"];
    assert!(all["get"].is_object() && all["post"].is_null());
    assert!(document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}/log"]["get"].is_object());
    assert!(paths::all_parameters().count() > 20);
}

// proves: AM-44
#[tokio::test]
async fn every_reference_in_a_document_leads_somewhere() {
    let openapi = openapi();
    for group in ["api/v1", "apis/authentication.k8s.io/v1"] {
        let document = json(get(&openapi, &format!("/openapi/v3/{group}"), &HeaderMap::new())).await;
        let mut references = Vec::new();
        collect(&document, &mut references);
        assert!(!references.is_empty());
        for reference in references {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{group}: {reference}");
        }
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value.as_str() {
                    Some(text) if key == "$ref" => references.push(text.to_owned()),
                    _ => collect(value, references),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}

#[test]
fn compressed_and_plain_are_the_same_document() {
    let openapi = openapi();
    let document = openapi.groups[0].document();
    let mut headers = HeaderMap::new();
    headers.insert(::http::header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    assert_eq!(get(&openapi, "/openapi/v3/api/v1", &headers).headers()[CONTENT_ENCODING], "gzip");
    assert!(document.content().len() > 5 * document.gzip.len());
    headers.insert(ACCEPT, HeaderValue::from_static("application/com.github.proto-openapi.spec.v3@v1.0+protobuf"));
    assert_eq!(get(&openapi, "/openapi/v3/api/v1", &headers).status(), 406);
}

// proves: AM-43
#[tokio::test]
async fn the_v2_document_is_json_or_protobuf_and_nothing_else() {
    let openapi = openapi();
    let accept = |media_type: &'static str| HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(media_type))]);
    let document = json(get(&openapi, "/openapi/v2", &accept("application/json, */*"))).await;
    assert_eq!(document["swagger"], "2.0");
    let pod = &document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"];
    let validated = pod["patch"]["parameters"].as_array().expect("parameters");
    assert!(validated.iter().any(|parameter| parameter["name"] == "fieldValidation"));
    let protobuf = get(&openapi, "/openapi/v2", &accept(openapi_v2::PROTOBUF_MEDIA_TYPES[0]));
    assert_eq!(protobuf.headers()[::http::header::CONTENT_TYPE], openapi_v2::PROTOBUF_MEDIA_TYPES[1]);
    let bytes = protobuf.into_body().collect().await.expect("in memory").to_bytes();
    assert_eq!(bytes[..5], *b"\x0a\x032.0");
    assert_eq!(get(&openapi, "/openapi/v2", &accept("text/html")).status(), StatusCode::NOT_ACCEPTABLE);
}
