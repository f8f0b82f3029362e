//! What is served, told to clients: versions, groups, resources and their verbs, in the old documents ([`legacy`]) and
//! in the aggregated one ([`aggregated`]).
//!
//! Everything comes from the table of kinds; nothing is listed that is not served. The documents never change while the
//! server runs: they are made once and told apart by an entity tag.

mod aggregated;
mod legacy;

use crate::handlers::negotiate::{self, Encoding};
use crate::http::{Body, respond};
use crate::registry::kind::Kinds;
use crate::registry::strategy::KindInfo;
use ::http::header::{ACCEPT, HeaderMap, HeaderValue, VARY};
use ::http::{Response, StatusCode};
use api_machinery::codec;
use api_machinery::status::Status;
use base64::Engine;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::net::SocketAddr;

/// A document and its tag.
#[derive(Debug)]
struct Document {
    bytes: Bytes,
    etag: HeaderValue,
    media_type: HeaderValue,
}

/// All documents.
#[derive(Debug)]
pub struct Discovery {
    legacy: HashMap<String, Document>,
    aggregated: HashMap<&'static str, Document>,
}

/// Resources by group and name whose objects are stored as those of another group, with that group.
type Elsewhere = HashMap<(&'static str, &'static str), &'static str>;

/// Paths beside those of resources and of health, for the index at `/`.
const PATHS: &[&str] = &[
    "/.well-known/openid-configuration",
    "/metrics",
    "/metrics/slis",
    "/openapi/v2",
    "/openapi/v3",
    "/openid/v1/jwks",
    "/version",
];

/// A group and its versions, in the order of preference.
#[derive(Clone, Debug)]
pub struct Group {
    /// Name; empty for the core group.
    pub name: &'static str,
    /// Versions and their kinds, in the order of the table.
    pub versions: Vec<(&'static str, Vec<&'static KindInfo>)>,
}

impl Discovery {
    /// Makes the documents for these kinds. `health` are the paths of health, `advertise` is where clients outside find
    /// this server.
    pub fn new(kinds: &Kinds, health: &[String], advertise: Option<SocketAddr>) -> Self {
        let elsewhere =
            kinds.iter().filter_map(|kind| Some(((kind.info.group, kind.info.resource), kind.strategy.form()?.group)));
        Self::of(kinds.iter().map(|kind| kind.info), &elsewhere.collect(), health, advertise)
    }

    fn of(
        kinds: impl Iterator<Item = &'static KindInfo>,
        elsewhere: &Elsewhere,
        health: &[String],
        advertise: Option<SocketAddr>,
    ) -> Self {
        let groups = groups(kinds);
        let json = HeaderValue::from_static("application/json");
        let mut legacy: HashMap<String, Document> = legacy::documents(&groups, elsewhere, advertise)
            .into_iter()
            .map(|(path, bytes)| (path, Document::new(bytes, json.clone())))
            .collect();
        let known = legacy.keys().chain(health).map(String::as_str);
        let mut paths: Vec<&str> = known.chain(PATHS.iter().copied()).collect();
        paths.sort_unstable();
        let root = serde_json::json!({ "paths": paths });
        // Alone among the documents, upstream's index is written to be read by people.
        legacy.insert(String::new(), Document::new(format!("{root:#}").into(), json));
        let aggregated_type = HeaderValue::from_static(aggregated::MEDIA_TYPE);
        let aggregated = ["/api", "/apis"]
            .into_iter()
            .map(|path| {
                let document = aggregated::document(&groups, path == "/api");
                (path, Document::new(document.to_string().into(), aggregated_type.clone()))
            })
            .collect();
        Self { legacy, aggregated }
    }

    /// Whether there is a document at this path.
    pub fn serves(&self, path: &str) -> bool {
        self.legacy.contains_key(path)
    }

    /// Whether upstream's router has the path, and not its mux: it takes no method but GET and looks at Accept.
    pub fn routes(&self, path: &str) -> bool {
        let segments = path.split('/').skip(1).count();
        let below = if path.starts_with("/apis") { 3 } else { 1 };
        segments >= below && !path.is_empty() && self.serves(path)
    }

    /// Answers a path of discovery.
    ///
    /// # Errors
    /// 406 where the client takes neither JSON nor YAML.
    pub fn answer(&self, path: &str, headers: &HeaderMap) -> Result<Option<Response<Body>>, Status> {
        if let Some(Document { bytes, etag, media_type }) =
            self.aggregated.get(path).filter(|_| wants_aggregated(headers))
        {
            let mut response = respond::tagged(headers, etag, media_type.clone(), bytes.clone());
            response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
            return Ok(Some(response));
        }
        let Some(Document { bytes, media_type, .. }) = self.legacy.get(path) else { return Ok(None) };
        let encoding = if path.is_empty() { Encoding::Json } else { negotiate::document(headers, self.routes(path))? };
        // Upstream tags only what it aggregates.
        let response = match encoding {
            Encoding::Json => respond::with_type(StatusCode::OK, media_type.clone(), bytes.clone()),
            Encoding::Yaml => {
                let yaml = codec::json_to_yaml(bytes).map_err(Status::internal_error)?;
                respond::with_type(StatusCode::OK, HeaderValue::from_static(Encoding::Yaml.content_type()), yaml)
            }
        };
        Ok(Some(response))
    }
}

impl Document {
    fn new(bytes: Bytes, media_type: HeaderValue) -> Self {
        let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02X}")).collect();
        let etag = HeaderValue::from_str(&format!("\"{digest}\"")).expect("hexadecimal digits");
        Self { bytes, etag, media_type }
    }
}

/// Whether the first acceptable type is the aggregated document in a version that is served.
fn wants_aggregated(headers: &HeaderMap) -> bool {
    let clauses = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
    for clause in clauses {
        let mut parts = clause.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default();
        if !matches!(media_type, "application/json" | "application/*" | "*/*") {
            continue;
        }
        let (mut group, mut version, mut kind) = (None, None, None);
        for part in parts {
            match part.split_once('=') {
                Some(("g", value)) => group = Some(value),
                Some(("v", value)) => version = Some(value),
                Some(("as", value)) => kind = Some(value),
                _ => {}
            }
        }
        match (kind, group, version) {
            (None, ..) => return false,
            (Some("APIGroupDiscoveryList"), Some("apidiscovery.k8s.io"), Some("v2")) => return true,
            _ => {}
        }
    }
    false
}

/// The groups of these kinds, sorted by name, their kinds sorted by resource.
fn groups(kinds: impl Iterator<Item = &'static KindInfo>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for info in kinds {
        let at = groups.iter().position(|group| group.name == info.group).unwrap_or_else(|| {
            groups.push(Group { name: info.group, versions: Vec::new() });
            groups.len() - 1
        });
        let versions = &mut groups[at].versions;
        match versions.iter_mut().find(|(version, _)| *version == info.version) {
            Some((_, kinds)) => kinds.push(info),
            None => versions.push((info.version, vec![info])),
        }
    }
    for (_, kinds) in groups.iter_mut().flat_map(|group| &mut group.versions) {
        kinds.sort_by_key(|info| info.resource);
    }
    groups.sort_by_key(|group| (priority(group.name), group.name));
    groups
}

/// Upstream's order of groups, which clients take as the order of preference.
fn priority(group: &str) -> usize {
    const ORDER: &[&str] = &[
        "",
        "apiregistration.k8s.io",
        "apps",
        "events.k8s.io",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "autoscaling",
        "batch",
        "certificates.k8s.io",
        "networking.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "storage.k8s.io",
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "scheduling.k8s.io",
        "coordination.k8s.io",
        "node.k8s.io",
        "discovery.k8s.io",
    ];
    ORDER.iter().position(|known| *known == group).unwrap_or(ORDER.len())
}

/// Upstream's `storageVersionHash`: a digest of group, version and kind as stored.
fn storage_version_hash(info: &KindInfo, elsewhere: &Elsewhere) -> String {
    let group = elsewhere.get(&(info.group, info.resource)).unwrap_or(&info.group);
    let text = format!("{group}/{}/{}", info.version, info.kind);
    base64::engine::general_purpose::STANDARD.encode(&Sha256::digest(text.as_bytes())[..8])
}

#[cfg(test)]
mod tests;
