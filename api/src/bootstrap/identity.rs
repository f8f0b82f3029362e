//! The Lease by which this server is known in the cluster, and the end of those whose servers are gone (upstream:
//! `pkg/controlplane/controller/apiserverleasegc` and the identity Lease of `pkg/controlplane/apiserver`).

use super::Bootstrap;
use crate::registry::Part;
use crate::registry::options::DeleteOptions;
use api_machinery::status::Status;
use api_machinery::{meta, time, value};
use api_storage::ListOptions;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::net::SocketAddr;

const NAMESPACE: &str = "kube-system";
/// The label that tells such Leases from others, and its value for servers of this kind.
const IDENTITY: (&str, &str) = ("apiserver.kubernetes.io/identity", "kube-apiserver");
const HOSTNAME: &str = "kubernetes.io/hostname";
/// The annotation that says where other servers find this one.
const PEER_ADDRESS: &str = "kubernetes.io/peer-advertise-address";
/// How long a server that stopped renewing counts as there; upstream's hour.
const LEASE_SECONDS: i64 = 3600;
/// Bytes of the hash that go into the name.
const NAME_BYTES: usize = 16;

/// Who this server is.
#[derive(Clone, Debug)]
pub struct Identity {
    hostname: String,
    lease: String,
    holder: String,
    address: Option<SocketAddr>,
}

impl Identity {
    /// The identity of a server on this host, which others find at `address`. The Lease is the host's; each start of a
    /// server is another holder.
    pub fn new(hostname: &str, address: Option<SocketAddr>) -> Self {
        let mut hash = Sha256::new();
        for text in [hostname, IDENTITY.1] {
            hash.update(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
            hash.update(text);
        }
        let lease = format!("apiserver-{}", base32(&hash.finalize()[..NAME_BYTES]));
        let holder = format!("{lease}_{}", uuid::Uuid::new_v4());
        Self { hostname: hostname.to_owned(), lease, holder, address }
    }

    /// The Lease as it is from now on, whatever else somebody has written into it.
    fn renewed(&self, lease: &Value, now: Timestamp) -> Value {
        let mut lease = lease.clone();
        meta::set_label(&mut lease, IDENTITY.0, IDENTITY.1);
        meta::set_label(&mut lease, HOSTNAME, &self.hostname);
        if let Some(address) = self.address {
            value::set(&mut lease, &["metadata", "annotations", PEER_ADDRESS], address.to_string());
        }
        value::set(&mut lease, &["spec", "holderIdentity"], self.holder.as_str());
        value::set(&mut lease, &["spec", "leaseDurationSeconds"], LEASE_SECONDS);
        value::set(&mut lease, &["spec", "renewTime"], time::format_micros(now));
        lease
    }
}

/// Renews the Lease, or brings it back.
pub(super) async fn renew(bootstrap: &Bootstrap<'_>, identity: &Identity) -> Result<(), Status> {
    let kind = bootstrap.kind("coordination.k8s.io", "leases")?;
    let cx = bootstrap.cx(NAMESPACE);
    if bootstrap.find(kind, NAMESPACE, &identity.lease).await?.is_none() {
        let metadata = json!({"name": identity.lease, "namespace": NAMESPACE});
        let lease = json!({"kind": "Lease", "apiVersion": "coordination.k8s.io/v1", "metadata": metadata});
        return bootstrap.create(kind, identity.renewed(&lease, cx.now)).await;
    }
    let change = |old: &Value| Ok(identity.renewed(old, cx.now));
    bootstrap.registry.update(kind, &cx, &identity.lease, Part::Main, change).await.map(drop)
}

/// Deletes the Leases of servers that have not renewed theirs in time.
pub(super) async fn collect(bootstrap: &Bootstrap<'_>) -> Result<(), Status> {
    let kind = bootstrap.kind("coordination.k8s.io", "leases")?;
    let cx = bootstrap.cx(NAMESPACE);
    let options = ListOptions { namespace: Some(NAMESPACE.to_owned()), ..ListOptions::default() };
    let leases = kind.store()?.list(options).await.map_err(|error| kind.status(&error, ""))?;
    for stored in leases.items {
        let lease = stored.decode().map_err(|error| kind.status(&error, stored.name()))?;
        if meta::label(&lease, IDENTITY.0) != Some(IDENTITY.1) || !is_expired(&lease, cx.now) {
            continue;
        }
        // Not one that has been renewed meanwhile.
        let resource_version = Some(stored.resource_version().to_string());
        let options = DeleteOptions { resource_version, ..DeleteOptions::default() };
        match bootstrap.registry.delete(kind, &cx, stored.name(), &options).await {
            Ok(_) => tracing::info!(lease = stored.name(), "a server is gone"),
            Err(status) => tracing::info!(lease = stored.name(), error = %status, "a server may be gone"),
        }
    }
    Ok(())
}

/// Whether its holder had to renew it before now. One that does not say when has no holder.
fn is_expired(lease: &Value, now: Timestamp) -> bool {
    let renewed = value::str_or_empty(lease, &["spec", "renewTime"]).parse::<Timestamp>();
    let (Ok(renewed), Some(seconds)) = (renewed, value::i64_at(lease, &["spec", "leaseDurationSeconds"])) else {
        return true;
    };
    renewed.saturating_add(SignedDuration::from_secs(seconds)).is_ok_and(|end| end < now)
}

/// RFC 4648 without padding, in lower case as names of objects are.
fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut out = String::new();
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in bytes {
        bits = (bits << 8 | u32::from(*byte)) & 0xfff;
        held += 8;
        while held >= 5 {
            held -= 5;
            out.push(char::from(ALPHABET[(bits >> held & 31) as usize]));
        }
    }
    if held > 0 {
        out.push(char::from(ALPHABET[(bits << (5 - held) & 31) as usize]));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_the_name_that_upstream_gives_to_its_host() {
        let identity = Identity::new("vm", None);
        assert_eq!(identity.lease, "apiserver-wlv32tlttr4jl3gtroqexyxapa");
        assert!(identity.holder.starts_with("apiserver-wlv32tlttr4jl3gtroqexyxapa_"));
        assert_ne!(Identity::new("vm", None).holder, identity.holder);
        assert_eq!(base32(b"foobar"), "mzxw6ytboi");
        assert_eq!(base32(b""), "");
    }

    #[test]
    fn a_lease_says_who_renewed_it_when_and_where_to_find_them() {
        let now: Timestamp = "2026-01-31T10:00:00Z".parse().expect("a time");
        let identity = Identity::new("vm", Some(SocketAddr::from(([10, 0, 0, 9], 6443))));
        let old = json!({"metadata": {"labels": {"own": "x"}}, "spec": {"holderIdentity": "other", "strategy": "x"}});
        assert_eq!(
            identity.renewed(&old, now),
            json!({
                "metadata": {
                    "labels": {"own": "x", "apiserver.kubernetes.io/identity": "kube-apiserver",
                        "kubernetes.io/hostname": "vm"},
                    "annotations": {"kubernetes.io/peer-advertise-address": "10.0.0.9:6443"},
                },
                "spec": {"holderIdentity": identity.holder, "leaseDurationSeconds": 3600, "strategy": "x",
                    "renewTime": "2026-01-31T10:00:00.000000Z"},
            })
        );
    }

    #[test]
    fn a_lease_ends_when_it_was_not_renewed_in_time_or_says_nothing_of_it() {
        let now: Timestamp = "2026-01-31T10:00:00Z".parse().expect("a time");
        let lease = |spec: Value| json!({"spec": spec});
        let at = |when: &str| lease(json!({"renewTime": when, "leaseDurationSeconds": 60}));
        assert!(!is_expired(&at("2026-01-31T09:59:00.000000Z"), now));
        assert!(is_expired(&at("2026-01-31T09:58:59.000000Z"), now));
        assert!(is_expired(&lease(json!({"renewTime": "2026-01-31T09:59:59.000000Z"})), now));
        assert!(is_expired(&lease(json!({"leaseDurationSeconds": 60})), now));
    }
}
