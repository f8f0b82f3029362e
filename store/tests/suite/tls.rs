//! Members and clients that speak gRPC over mutual TLS.

use crate::support::*;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use store::{Member, Tls, start};
use store_client::Store;
use store_client::remote::{RemoteOptions, RemoteStore, RemoteTls};
use store_types::etcdserverpb as pb;

/// An authority with one certificate for the loopback address, in files.
fn make_tls(directory: &Path) -> Tls {
    fs::create_dir_all(directory).unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    let file = |name: &str, text: String| {
        let path = directory.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    Tls {
        cert_file: file("cert.pem", leaf.pem()),
        key_file: file("key.pem", key.serialize_pem()),
        trusted_ca_file: file("ca.pem", authority.pem()),
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

// proves: ST-32
#[tokio::test]
async fn clients_need_a_certificate_of_the_trusted_authority() {
    let directory = tempfile::tempdir().unwrap();
    let tls = make_tls(&directory.path().join("pki"));
    let stranger = make_tls(&directory.path().join("other"));
    let mut config = single(&directory.path().join("data"));
    config.listen_client_urls = vec!["https://127.0.0.1:0".into()];
    config.client_tls = Some(tls.clone());
    let member = start(config, &daemon::Supervisor::new()).await.unwrap();
    let endpoints = vec![format!("https://{}", member.client_addresses()[0])];
    let connect = |own: Option<&Tls>| {
        let read = |path: &Path| fs::read(path).unwrap();
        let identity_pem = own.map(|own| (read(&own.cert_file), read(&own.key_file)));
        let tls = RemoteTls { trusted_ca_pem: read(&tls.trusted_ca_file), identity_pem };
        RemoteStore::new(&RemoteOptions { endpoints: endpoints.clone(), tls: Some(tls) }).unwrap()
    };
    assert!(connect(Some(&tls)).put(put("a", "1")).await.is_ok());
    assert!(connect(None).put(put("a", "2")).await.is_err());
    assert!(connect(Some(&stranger)).put(put("a", "3")).await.is_err());
    assert_eq!(member.client().range(get("a")).await.unwrap().kvs[0].value.as_ref(), b"1");
    member.shut_down().await;
}

// proves: ST-32
#[tokio::test]
async fn new_connections_use_the_certificates_that_the_files_hold_then() {
    let directory = tempfile::tempdir().unwrap();
    let pki = directory.path().join("pki");
    let tls = make_tls(&pki);
    let mut config = single(&directory.path().join("data"));
    config.listen_client_urls = vec!["https://127.0.0.1:0".into()];
    config.client_tls = Some(tls.clone());
    let member = start(config, &daemon::Supervisor::new()).await.unwrap();
    let endpoints = vec![format!("https://{}", member.client_addresses()[0])];
    // With what the files hold now.
    let client = || {
        let read = |path: &Path| fs::read(path).unwrap();
        let identity_pem = Some((read(&tls.cert_file), read(&tls.key_file)));
        let tls = RemoteTls { trusted_ca_pem: read(&tls.trusted_ca_file), identity_pem };
        RemoteStore::new(&RemoteOptions { endpoints: endpoints.clone(), tls: Some(tls) }).unwrap()
    };
    let (connected, late) = (client(), client());
    connected.put(put("a", "1")).await.unwrap();
    make_tls(&pki);
    client().put(put("a", "2")).await.unwrap();
    connected.put(put("a", "3")).await.unwrap();
    assert!(late.put(put("a", "4")).await.is_err(), "the old authority is not trusted any more");
    let newest = client();
    fs::write(&tls.cert_file, "nonsense").unwrap();
    newest.put(put("a", "5")).await.unwrap();
    assert_eq!(member.client().range(get("a")).await.unwrap().kvs[0].value.as_ref(), b"5");
    member.shut_down().await;
}

// proves: ST-32
#[tokio::test(flavor = "multi_thread")]
async fn three_members_form_a_cluster_over_mutual_tls() {
    let directory = tempfile::tempdir().unwrap();
    let tls = make_tls(&directory.path().join("pki"));
    let urls: Vec<String> = (0..3).map(|_| format!("https://127.0.0.1:{}", free_port())).collect();
    let configure = |index: usize| {
        let mut config = single(&directory.path().join(format!("m{index}")));
        config.name = format!("m{index}");
        config.initial_cluster =
            urls.iter().enumerate().map(|(index, url)| (format!("m{index}"), url.clone())).collect();
        config.listen_peer_urls = vec![urls[index].clone()];
        config.peer_tls = Some(tls.clone());
        config.advertise_client_urls = vec![format!("https://10.0.0.{index}:2379")];
        config
    };
    let start_member = |index| async move { start(configure(index), &daemon::Supervisor::new()).await.unwrap() };
    let mut members: Vec<Member> = futures::future::join_all((0..3).map(start_member)).await;
    let stores: Vec<Arc<dyn Store>> = members.iter().map(Member::client).collect();
    eventually("the cluster takes a write", || async { stores[0].put(put("k", "v")).await.ok() }).await;
    for store in &stores {
        assert_eq!(store.range(get("k")).await.unwrap().kvs[0].value.as_ref(), b"v");
    }
    let listed = stores[1].member_list(pb::MemberListRequest { linearizable: true }).await.unwrap().members;
    let mut client_urls: Vec<_> = listed.into_iter().flat_map(|member| member.client_ur_ls).collect();
    client_urls.sort_unstable();
    assert_eq!(client_urls, ["https://10.0.0.0:2379", "https://10.0.0.1:2379", "https://10.0.0.2:2379"]);
    // All of another authority: who comes back finds the others, and they find it.
    make_tls(&directory.path().join("pki"));
    members.pop().expect("three run").shut_down().await;
    members.push(start_member(2).await);
    let back = members[2].client();
    eventually("the member is back", || async { back.put(put("k", "w")).await.ok() }).await;
    for member in members {
        member.shut_down().await;
    }
}
