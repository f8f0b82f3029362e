//! Who signs client certificates, told to API servers that others run: the ConfigMap that their delegated authentication
//! reads (upstream: `pkg/controlplane/controller/clusterauthenticationtrust`).

use super::Bootstrap;
use crate::registry::Part;
use api_machinery::status::Status;
use api_machinery::value;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use x509_parser::prelude::{FromDer, X509Certificate};

const NAMESPACE: &str = "kube-system";
const NAME: &str = "extension-apiserver-authentication";
const KEY: &str = "client-ca-file";
/// Characters in a line of a PEM block.
const LINE_CHARS: usize = 64;

/// Adds the certificates to those that are published. Other servers' stay until they expire: while a CA is being
/// replaced, some servers know the new one and some do not.
pub(super) async fn write(bootstrap: &Bootstrap<'_>, client_ca: &[CertificateDer<'static>]) -> Result<(), Status> {
    let kind = bootstrap.kind("", "configmaps")?;
    let cx = bootstrap.cx(NAMESPACE);
    let wanted = |known: &str| combined(known, client_ca, cx.now);
    match bootstrap.find(kind, NAMESPACE, NAME).await? {
        Some(map) if wanted(published(&map)) == published(&map) => Ok(()),
        Some(_) => {
            let change = |old: &Value| {
                let mut new = old.clone();
                value::set(&mut new, &["data", KEY], wanted(published(old)));
                Ok(new)
            };
            bootstrap.registry.update(kind, &cx, NAME, Part::Main, change).await.map(drop)
        }
        None => {
            let metadata = json!({"name": NAME, "namespace": NAMESPACE});
            let data = json!({KEY: wanted("")});
            bootstrap
                .create(kind, json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata, "data": data}))
                .await
        }
    }
}

fn published(map: &Value) -> &str {
    value::str_or_empty(map, &["data", KEY])
}

/// The certificates that are known and those that are ours, each once, as PEM; without the expired.
fn combined(known: &str, ours: &[CertificateDer<'static>], now: Timestamp) -> String {
    let mut all: Vec<CertificateDer<'static>> = Vec::new();
    let known = CertificateDer::pem_slice_iter(known.as_bytes()).filter_map(Result::ok);
    for certificate in known.chain(ours.iter().cloned()) {
        if is_in_force(&certificate, now) && !all.contains(&certificate) {
            all.push(certificate);
        }
    }
    all.iter().map(pem).collect()
}

fn is_in_force(certificate: &CertificateDer<'_>, now: Timestamp) -> bool {
    X509Certificate::from_der(certificate)
        .is_ok_and(|(_, parsed)| parsed.validity().not_after.timestamp() > now.as_second())
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    let text = STANDARD.encode(certificate);
    let mut out = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(LINE_CHARS) {
        out.extend(line.iter().copied().map(char::from));
        out.push('\n');
    }
    out + "-----END CERTIFICATE-----\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    fn ca(not_after_year: i32) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(not_after_year, 1, 1);
        params.self_signed(&KeyPair::generate().expect("a key")).expect("signed").der().clone()
    }

    #[test]
    fn what_others_publish_stays_until_it_expires_and_each_certificate_is_told_once() {
        let (ours, other, expired) = (ca(2090), ca(2080), ca(2021));
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let published = combined(&(pem(&other) + "rubbish\n" + &pem(&expired)), std::slice::from_ref(&ours), now);
        assert_eq!(published, pem(&other) + &pem(&ours));
        assert_eq!(combined(&published, &[ours], now), published);
        assert!(published.lines().all(|line| line.len() <= LINE_CHARS));
    }
}
