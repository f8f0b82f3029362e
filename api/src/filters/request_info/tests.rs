use super::*;

fn show(method: Method, path: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    match RequestInfo::from_parts(&method, path, query) {
        Err(error) => format!("refused: {error}"),
        Ok(info) if !info.is_resource() => format!("{} {}", info.verb().as_str(), info.path()),
        Ok(info) => format!(
            "{} {}/{} ns={} {} name={} sub={} for={}",
            info.verb().as_str(),
            info.group(),
            info.version(),
            info.namespace(),
            info.resource(),
            info.name(),
            info.subresource(),
            info.authorized_name()
        ),
    }
}

#[test]
fn paths_mean_what_upstream_says_they_mean() {
    let cases = [
        ("GET", "/", "get /"),
        ("GET", "/api", "get /api"),
        ("POST", "/api/v1", "post /api/v1"),
        ("GET", "/apis/apps/v1", "get /apis/apps/v1"),
        ("GET", "/healthz/etcd/x", "get /healthz/etcd/x"),
        ("GET", "/api/v1/pods", "list /v1 ns= pods name= sub= for="),
        ("GET", "/api/v1/pods/", "list /v1 ns= pods name= sub= for="),
        ("GET", "/api/v1/pods?watch=true", "watch /v1 ns= pods name= sub= for="),
        ("GET", "/api/v1/pods?watch=1", "watch /v1 ns= pods name= sub= for="),
        ("GET", "/api/v1/pods?watch=0", "list /v1 ns= pods name= sub= for="),
        ("GET", "/api/v1/pods?watch=False", "list /v1 ns= pods name= sub= for="),
        ("GET", "/api/v1/namespaces", "list /v1 ns= namespaces name= sub= for="),
        ("GET", "/api/v1/namespaces/a", "get /v1 ns=a namespaces name=a sub= for=a"),
        ("PUT", "/api/v1/namespaces/a/finalize", "update /v1 ns=a namespaces name=a sub=finalize for=a"),
        ("PATCH", "/api/v1/namespaces/a/status", "patch /v1 ns=a namespaces name=a sub=status for=a"),
        ("POST", "/api/v1/namespaces/a/pods", "create /v1 ns=a pods name= sub= for="),
        ("DELETE", "/api/v1/namespaces/a/pods", "deletecollection /v1 ns=a pods name= sub= for="),
        ("DELETE", "/api/v1/namespaces/a/pods/p", "delete /v1 ns=a pods name=p sub= for=p"),
        ("HEAD", "/api/v1/namespaces/a/pods/p/log", "get /v1 ns=a pods name=p sub=log for=p"),
        ("GET", "/apis/apps/v1/deployments", "list apps/v1 ns= deployments name= sub= for="),
        (
            "GET",
            "/apis/apps/v1/namespaces/a/deployments/d/scale",
            "get apps/v1 ns=a deployments name=d sub=scale for=d",
        ),
        ("GET", "/api/v1/watch/namespaces/a/pods/p", "watch /v1 ns=a pods name=p sub= for=p"),
        (
            "GET",
            "/api/v1/namespaces/a/secrets?fieldSelector=metadata.name%3Dtop",
            "list /v1 ns=a secrets name= sub= for=top",
        ),
        ("FOO", "/api/v1/pods", " /v1 ns= pods name= sub= for="),
        ("GET", "/api/v1/nodes/n%20x", "get /v1 ns= nodes name=n x sub= for=n x"),
    ];
    for (method, path, want) in cases {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        assert_eq!(show(method.clone(), path), want, "{method} {path}");
    }
}

#[test]
fn paths_that_could_be_read_in_two_ways_are_refused() {
    for path in [
        "/api/v1/../secrets",
        "/api/v1/./pods",
        "/api/v1/%2e%2e/pods",
        "/api/v1/pods/a%2Fb",
        "/api/v1/pods/a%2fb",
        "/api/v1/pods/a%00",
        "/api/v1/pods/%ff",
        "/api/v1/pods/%4",
        "/api/v1/watch",
    ] {
        assert!(show(Method::GET, path).starts_with("refused: "), "{path}: {}", show(Method::GET, path));
    }
}

#[test]
fn only_what_streams_is_long_running() {
    let long = |path: &str| {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        RequestInfo::from_parts(&Method::GET, path, query).expect("good").is_long_running()
    };
    assert!(long("/api/v1/pods?watch=true"));
    assert!(long("/api/v1/namespaces/a/pods/p/log"));
    assert!(!long("/api/v1/pods"));
    assert!(!long("/api/v1/namespaces/a/pods/log"));
}
