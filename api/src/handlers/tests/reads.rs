//! GET and LIST.

use super::{MAPS, Server, map, pod};
use ::http::Method;
use serde_json::{Value, json};

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().expect("items").iter();
    items.map(|item| item["metadata"]["name"].as_str().expect("a name")).collect()
}

async fn with_maps(names: &[&str]) -> Server {
    let server = Server::start().await;
    for name in names {
        let mut object = map(name);
        object["metadata"]["labels"] = json!({"name": name, "odd": "yes"});
        server.post(MAPS, &object).await.expect(201);
    }
    server
}

// proves: AM-12
#[tokio::test]
async fn label_selectors_select_with_every_operator() {
    let server = with_maps(&["a", "b", "c"]).await;
    for (selector, want) in [
        ("name%3Da", vec!["a"]),
        ("name%3D%3Da", vec!["a"]),
        ("name!%3Da", vec!["b", "c"]),
        ("name%20in%20(a,c)", vec!["a", "c"]),
        ("name%20notin%20(a,c)", vec!["b"]),
        ("odd", vec!["a", "b", "c"]),
        ("!odd", vec![]),
        ("odd,name%3Db", vec!["b"]),
    ] {
        let list = server.get(&format!("{MAPS}?labelSelector={selector}")).await.expect(200);
        assert_eq!(names(&list), want, "{selector}");
    }
    let (code, reason, message) = server.get(&format!("{MAPS}?labelSelector=a%3D%3D%3Db")).await.refusal();
    assert_eq!((code, &*reason), (400, "BadRequest"));
    assert!(message.starts_with("unable to parse requirement: "), "{message}");
}

// proves: AM-13
#[tokio::test]
async fn field_selectors_select_what_the_kind_supports_and_nothing_else() {
    let server = with_maps(&["a", "b"]).await;
    let pods = "/api/v1/namespaces/default/pods";
    let mut bound = pod("bound");
    bound["spec"]["nodeName"] = "n1".into();
    server.post(pods, &bound).await.expect(201);
    server.post(pods, &pod("free")).await.expect(201);
    for (path, want) in [
        (format!("{MAPS}?fieldSelector=metadata.name%3Da"), vec!["a"]),
        (format!("{MAPS}?fieldSelector=metadata.name!%3Da"), vec!["b"]),
        (format!("{pods}?fieldSelector=spec.nodeName%3Dn1"), vec!["bound"]),
        (format!("{pods}?fieldSelector=spec.nodeName%3D"), vec!["free"]),
        (format!("{pods}?fieldSelector=status.phase%3DPending,metadata.namespace%3Ddefault"), vec!["bound", "free"]),
        ("/api/v1/pods?fieldSelector=metadata.namespace%3Dother".to_owned(), vec![]),
    ] {
        assert_eq!(names(&server.get(&path).await.expect(200)), want, "{path}");
    }
    for (path, message) in [
        (format!("{pods}?fieldSelector=spec.foo%3Dx"), "field label not supported: spec.foo"),
        (
            format!("{MAPS}?fieldSelector=data.k%3Dx"),
            "\"data.k\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
        ),
        (format!("{pods}?fieldSelector=x"), "invalid selector: 'x'; can't understand 'x'"),
    ] {
        assert_eq!(server.get(&path).await.refusal(), (400, "BadRequest".into(), message.into()));
    }
}

// proves: AM-14
#[tokio::test]
async fn pages_show_one_revision_and_count_what_remains() {
    let server = with_maps(&["a", "b", "c", "d", "e"]).await;
    let first = server.get(&format!("{MAPS}?limit=2")).await.expect(200);
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    server.delete(&format!("{MAPS}/c")).await.expect(200);
    let token = first["metadata"]["continue"].as_str().expect("a token");
    let second = server.get(&format!("{MAPS}?limit=2&continue={token}")).await.expect(200);
    assert_eq!(names(&second), ["c", "d"]);
    assert_eq!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    let token = second["metadata"]["continue"].as_str().expect("a token");
    let third = server.get(&format!("{MAPS}?limit=2&continue={token}")).await.expect(200);
    assert_eq!(names(&third), ["e"]);
    assert_eq!(third["metadata"].get("continue"), None);
    let selected = server.get(&format!("{MAPS}?limit=2&labelSelector=odd")).await.expect(200);
    assert_eq!(selected["metadata"].get("remainingItemCount"), None);
    assert_eq!(server.get(&format!("{MAPS}?continue=forged")).await.code, 400);
    let both = server.get(&format!("{MAPS}?limit=2&continue={token}&resourceVersion=5")).await;
    assert_eq!(both.refusal().2, "specifying resource version is not allowed when using continue");
}

// proves: AM-15
#[tokio::test]
async fn every_form_of_resource_version_is_understood() {
    let server = with_maps(&["a"]).await;
    let revision = |list: &Value| list["metadata"]["resourceVersion"].as_str().expect("one").to_owned();
    let before = revision(&server.get(MAPS).await.expect(200));
    server.post(MAPS, &map("b")).await.expect(201);
    let of = |query: String| {
        let server = &server;
        async move { server.get(&format!("{MAPS}?{query}")).await }
    };
    let exact = of(format!("resourceVersion={before}&resourceVersionMatch=Exact")).await.expect(200);
    assert_eq!((names(&exact), revision(&exact)), (vec!["a"], before.clone()));
    let newer = of(format!("resourceVersion={before}&resourceVersionMatch=NotOlderThan")).await.expect(200);
    assert!(names(&newer).contains(&"a"));
    assert_eq!(of("resourceVersion=0".into()).await.code, 200);
    let ahead = of("resourceVersion=abc".into()).await;
    assert_eq!((ahead.code, ahead.refusal().1), (400, "BadRequest".into()));
}

// proves: AM-15
#[tokio::test(start_paused = true)]
async fn a_revision_from_the_future_is_waited_for_and_then_refused() {
    let server = with_maps(&["a"]).await;
    server.get(MAPS).await.expect(200);
    let answer = server.get(&format!("{MAPS}?resourceVersion=999999&resourceVersionMatch=NotOlderThan")).await;
    let (code, reason, message) = answer.refusal();
    assert_eq!((code, &*reason), (504, "Timeout"));
    assert!(message.starts_with("Timeout: Too large resource version: 999999, current: "), "{message}");
    assert_eq!(answer.json()["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");
}

#[tokio::test]
async fn a_large_list_is_streamed_and_whole() {
    let server = Server::start().await;
    let text = "x".repeat(2000);
    for number in 0..100 {
        let mut object = map(&format!("m{number:03}"));
        object["data"]["k"] = text.clone().into();
        server.post(MAPS, &object).await.expect(201);
    }
    let list = server.get(MAPS).await.expect(200);
    assert_eq!(names(&list).len(), 100);
    assert_eq!(list["items"][99]["data"]["k"], text);
}

#[tokio::test]
async fn paths_that_are_not_served_are_not_found_and_verbs_that_are_not_are_not_allowed() {
    let server = Server::start().await;
    for (method, path, code) in [
        (Method::GET, "/api/v1/namespaces/default/widgets", 404),
        (Method::GET, "/api/v1/configmaps/a", 404),
        (Method::GET, "/api/v1/namespaces/default/nodes", 404),
        (Method::GET, "/api/v1/namespaces/default/configmaps/a/status", 404),
        (Method::POST, "/api/v1/configmaps", 405),
        (Method::POST, "/api/v1/namespaces/default/configmaps/a", 405),
        (Method::PUT, "/api/v1/namespaces/default/configmaps", 405),
        (Method::PATCH, "/api/v1/namespaces/default/configmaps", 405),
        (Method::GET, "/apis/authorization.k8s.io/v1/subjectaccessreviews", 405),
        (Method::GET, "/apis/authorization.k8s.io/v1/subjectaccessreviews/a", 404),
        (Method::DELETE, "/api/v1/namespaces/default/pods/a/status", 405),
    ] {
        let refusal = server.send(method.clone(), path, &[], "").await.refusal();
        let (reason, message) = match code {
            404 => ("NotFound", "the server could not find the requested resource"),
            _ => ("MethodNotAllowed", "the server does not allow this method on the requested resource"),
        };
        assert_eq!(refusal, (code, reason.to_owned(), message.to_owned()), "{method} {path}");
    }
    let foreign = server.send(Method::GET, "/apis/nobody/v1/things", &[], "").await;
    assert_eq!((foreign.code, &foreign.bytes[..]), (404, &b"404 page not found\n"[..]));
}

#[tokio::test]
async fn curl_gets_indented_json() {
    let server = with_maps(&["a"]).await;
    let path = format!("{MAPS}/a");
    let answer = server.send(Method::GET, &path, &[("user-agent", "curl/7.88.1")], "").await;
    assert!(answer.bytes.starts_with(b"{\n  \"kind\": \"ConfigMap\""), "{answer:?}");
    let plain = server.get(&format!("{path}?pretty=false")).await;
    assert!(plain.bytes.starts_with(b"{\"kind\":\"ConfigMap\"") && plain.bytes.ends_with(b"}\n"), "{plain:?}");
}
