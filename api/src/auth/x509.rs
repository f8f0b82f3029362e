//! Who a client certificate stands for: the common name is the user, the organizations are the groups.
//!
//! A chain is verified against the client CA once a connection; later requests only look at the expiry.

use crate::auth::user::UserInfo;
use crate::http::Peer;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use sha2::{Digest, Sha256};
use std::sync::{Arc, OnceLock};
use x509_parser::prelude::*;

/// The subject attribute that carries a user's uid (upstream, KEP-4633).
const UID_ATTRIBUTE: &str = "1.3.6.1.4.1.57683.2";
/// The extra attribute that names the credential.
pub(crate) const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";

/// Why a certificate is nobody's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum X509Error {
    /// No CA of ours, out of its time, or not for clients.
    #[error("verifying certificate: {0}")]
    Untrusted(String),
    /// Not what a certificate should be.
    #[error("parsing certificate: {0}")]
    Malformed(String),
    /// The time to use it has passed since the connection began.
    #[error("certificate has expired")]
    Expired,
}

/// A verified certificate, kept with its connection.
#[derive(Debug, Default)]
pub struct CachedIdentity(OnceLock<Result<Option<Identity>, X509Error>>);

#[derive(Debug)]
struct Identity {
    user: Arc<UserInfo>,
    not_after_seconds: i64,
}

/// Trusts the certificates of one client CA.
#[derive(Debug)]
pub struct Verifier {
    webpki: Arc<dyn ClientCertVerifier>,
}

impl Verifier {
    /// A verifier of these CA certificates.
    ///
    /// # Errors
    /// None of them is a usable CA certificate.
    pub fn new(client_ca: &[CertificateDer<'static>]) -> Result<Self, X509Error> {
        let malformed = |error: &dyn std::fmt::Display| X509Error::Malformed(error.to_string());
        let mut roots = RootCertStore::empty();
        for certificate in client_ca {
            roots.add(certificate.clone()).map_err(|error| malformed(&error))?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let webpki = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| malformed(&error))?;
        Ok(Self { webpki })
    }

    /// Who the peer is; `None` if it shows no certificate or one without a name.
    ///
    /// # Errors
    /// It shows a certificate that is not to be trusted.
    pub fn authenticate(&self, peer: &Peer) -> Result<Option<Arc<UserInfo>>, X509Error> {
        if peer.chain.is_empty() {
            return Ok(None);
        }
        let now = UnixTime::now();
        match peer.identity.0.get_or_init(|| self.verify(&peer.chain, now)) {
            Ok(None) => Ok(None),
            Ok(Some(identity)) if (now.as_secs() as i64) > identity.not_after_seconds => Err(X509Error::Expired),
            Ok(Some(identity)) => Ok(Some(Arc::clone(&identity.user))),
            Err(error) => Err(error.clone()),
        }
    }

    fn verify(&self, chain: &[CertificateDer<'static>], now: UnixTime) -> Result<Option<Identity>, X509Error> {
        let (leaf, intermediates) = chain.split_first().expect("the caller looked");
        self.webpki
            .verify_client_cert(leaf, intermediates, now)
            .map_err(|error| X509Error::Untrusted(error.to_string()))?;
        let (_, parsed) = X509Certificate::from_der(leaf).map_err(|error| X509Error::Malformed(error.to_string()))?;
        let not_after_seconds = parsed.validity().not_after.timestamp();
        Ok(user(&parsed, leaf).map(|user| Identity { user: Arc::new(user), not_after_seconds }))
    }
}

fn user(certificate: &X509Certificate<'_>, der: &[u8]) -> Option<UserInfo> {
    let subject = certificate.subject();
    let text = |attribute: &AttributeTypeAndValue<'_>| attribute.as_str().map(str::to_owned).ok();
    let name = subject.iter_common_name().last().and_then(text).filter(|name| !name.is_empty())?;
    let mut user = UserInfo::new(name, subject.iter_organization().filter_map(text));
    user.uid = subject
        .iter_attributes()
        .find(|attribute| attribute.attr_type().to_id_string() == UID_ATTRIBUTE)
        .and_then(text)
        .unwrap_or_default();
    let fingerprint: String = Sha256::digest(der).iter().map(|byte| format!("{byte:02x}")).collect();
    user.extra.insert(CREDENTIAL_ID.to_owned(), vec![format!("X509SHA256={fingerprint}")]);
    Some(user)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
    use std::net::SocketAddr;

    struct Ca {
        issuer: Issuer<'static, KeyPair>,
        der: CertificateDer<'static>,
    }

    fn ca() -> Ca {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "test-ca");
        let key = KeyPair::generate().expect("a key");
        let der = params.self_signed(&key).expect("signs").der().clone();
        Ca { issuer: Issuer::new(params, key), der }
    }

    fn client(ca: &Ca, name: &str, groups: &[&str], usage: ExtendedKeyUsagePurpose, last_year: i32) -> Peer {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        if !name.is_empty() {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        for group in groups {
            params.distinguished_name.push(DnType::OrganizationName, *group);
        }
        params.extended_key_usages = vec![usage];
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(last_year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &ca.issuer).expect("signs");
        Peer::new(SocketAddr::from(([127, 0, 0, 1], 1)), vec![certificate.der().clone()])
    }

    // proves: SE-02
    #[test]
    fn the_common_name_is_the_user_and_organizations_are_groups() {
        let ca = ca();
        let verifier = Verifier::new(std::slice::from_ref(&ca.der)).expect("a CA");
        let peer = client(&ca, "jane", &["ops"], ExtendedKeyUsagePurpose::ClientAuth, 2100);
        let user = verifier.authenticate(&peer).expect("trusted").expect("has a name");
        assert_eq!((user.name.as_str(), user.groups.join(" ")), ("jane", "ops system:authenticated".to_owned()));
        assert!(user.extra[CREDENTIAL_ID][0].starts_with("X509SHA256="));
        let nobody = Peer::new(peer.address, Vec::new());
        assert_eq!(verifier.authenticate(&nobody), Ok(None));
    }

    // proves: SE-02
    #[test]
    fn strangers_expired_ones_and_certificates_for_servers_are_refused() {
        let (ours, theirs) = (ca(), ca());
        let verifier = Verifier::new(std::slice::from_ref(&ours.der)).expect("a CA");
        for (peer, why) in [
            (client(&theirs, "jane", &[], ExtendedKeyUsagePurpose::ClientAuth, 2100), "another CA"),
            (client(&ours, "jane", &[], ExtendedKeyUsagePurpose::ClientAuth, 2021), "expired"),
            (client(&ours, "jane", &[], ExtendedKeyUsagePurpose::ServerAuth, 2100), "not for clients"),
        ] {
            let outcome = verifier.authenticate(&peer);
            assert!(matches!(outcome, Err(X509Error::Untrusted(_))), "{why}: {outcome:?}");
        }
    }
}
