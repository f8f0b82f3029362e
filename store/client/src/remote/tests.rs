use super::*;

#[test]
fn errors_are_told_by_their_text() {
    for documented in Error::DOCUMENTED {
        let status = Status::new(Grpc::from_i32(documented.code as i32), documented.message.to_string());
        assert_eq!(error(&status), *documented);
    }
    let through_a_proxy = Status::unknown("etcdserver: mvcc: required revision has been compacted");
    assert_eq!(error(&through_a_proxy), Error::COMPACTED);
    assert_eq!(error(&Status::unavailable("tcp connect error")).code, Code::Unavailable);
}

#[test]
fn a_broken_connection_leaves_the_outcome_open() {
    let broken = Status::from_error(Box::new(std::io::Error::from(std::io::ErrorKind::ConnectionReset)));
    let error = error(&broken);
    assert!(error.code == Code::Unavailable && error.outcome_unknown() && error.retryable());
}

#[tokio::test]
async fn unusable_options_are_refused_before_any_request() {
    let options = |url: &str| RemoteOptions { endpoints: vec![url.to_owned()], tls: None };
    assert!(matches!(RemoteStore::new(&RemoteOptions::default()), Err(RemoteError::NoEndpoint)));
    assert!(matches!(RemoteStore::new(&options("https://localhost:1")), Err(RemoteError::TlsMissing(_))));
    assert!(matches!(RemoteStore::new(&options("::")), Err(RemoteError::Endpoint(..))));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    // The port was free a moment ago and nobody listens on it.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let options = RemoteOptions { endpoints: vec![format!("http://127.0.0.1:{port}")], tls: None };
    let store = RemoteStore::new(&options).unwrap();
    let refused = store.range(pb::RangeRequest { key: "k".into(), ..Default::default() }).await.unwrap_err();
    assert_eq!(refused.code, Code::Unavailable);
    assert!(refused.retryable());
    let refused = store.watch(pb::WatchCreateRequest { key: "k".into(), ..Default::default() }).await.unwrap_err();
    assert_eq!(refused.code, Code::Unavailable);
}
