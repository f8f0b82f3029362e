//! `/openapi/v3`: an index with a hash for each group and version, and one document for each, which clients may keep
//! for ever under its hash.
//!
//! Documents are made when first asked for and kept compressed: few clients ask, and most of them once. `/openapi/v2` is
//! not served: kubectl has preferred v3 since 1.27 and falls back to its own types where it wants v2.

mod operations;
mod paths;

use crate::filters::compress;
use crate::filters::request_info;
use crate::http::{Body, respond};
use crate::registry::kind::Kinds;
use crate::registry::strategy::KindInfo;
use ::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_ENCODING, EXPIRES, HeaderMap, HeaderValue, LOCATION, VARY};
use ::http::{Response, StatusCode};
use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

/// For how long a document may be kept under its hash (upstream's value: a year).
const IMMUTABLE_SECONDS: u64 = 365 * 24 * 3600;

/// All documents.
#[derive(Debug)]
pub struct OpenApi {
    groups: Vec<Group>,
    index: OnceLock<Bytes>,
}

/// One group and version.
#[derive(Debug)]
struct Group {
    /// `api/v1`, `apis/apps/v1`.
    path: String,
    kinds: Vec<&'static KindInfo>,
    document: OnceLock<Document>,
}

/// A document that has been made.
#[derive(Debug)]
struct Document {
    gzip: Bytes,
    etag: HeaderValue,
    hash: String,
}

impl OpenApi {
    /// Documents of these kinds; none is made yet.
    pub fn new(kinds: &Kinds) -> Self {
        Self::of(kinds.iter().map(|kind| kind.info))
    }

    fn of(kinds: impl Iterator<Item = &'static KindInfo>) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for info in kinds {
            let path = match info.group {
                "" => format!("api/{}", info.version),
                group => format!("apis/{group}/{}", info.version),
            };
            match groups.iter_mut().find(|group| group.path == path) {
                Some(group) => group.kinds.push(info),
                None => groups.push(Group { path, kinds: vec![info], document: OnceLock::new() }),
            }
        }
        groups.sort_by(|a, b| a.path.cmp(&b.path));
        Self { groups, index: OnceLock::new() }
    }

    /// Answers a path below `/openapi/`.
    pub fn answer(&self, path: &str, query: &str, headers: &HeaderMap) -> Option<Response<Body>> {
        if path == "/openapi/v3" {
            return Some(respond::json(StatusCode::OK, self.index()));
        }
        let path = path.strip_prefix("/openapi/v3/")?;
        let group = self.groups.iter().find(|group| group.path == path)?;
        if !takes_json(headers) {
            return Some(respond::text(StatusCode::NOT_ACCEPTABLE, ""));
        }
        let document = group.document();
        let asked = request_info::parameter(query, "hash");
        if asked.as_deref().is_some_and(|asked| asked != document.hash) {
            let mut response = respond::text(StatusCode::MOVED_PERMANENTLY, "");
            let to = HeaderValue::from_str(&group.url()).expect("paths and hexadecimal digits");
            response.headers_mut().insert(LOCATION, to);
            return Some(response);
        }
        let mut response = if compress::wanted(headers) {
            let mut response = respond::tagged(headers, &document.etag, respond::JSON, document.gzip.clone());
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response
        } else {
            respond::tagged(headers, &document.etag, respond::JSON, document.json())
        };
        let headers = response.headers_mut();
        headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
        if asked.is_some() {
            let until = jiff::Timestamp::try_from(SystemTime::now() + Duration::from_secs(IMMUTABLE_SECONDS));
            let until = until.map(|until| until.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
            if let Ok(until) = until.map_err(drop).and_then(|until| HeaderValue::from_str(&until).map_err(drop)) {
                headers.insert(EXPIRES, until);
            }
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, immutable"));
        } else {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
        }
        Some(response)
    }

    fn index(&self) -> Bytes {
        let make = || {
            let paths: serde_json::Map<String, serde_json::Value> = self
                .groups
                .iter()
                .map(|group| (group.path.clone(), json!({ "serverRelativeURL": group.url() })))
                .collect();
            Bytes::from(json!({ "paths": paths }).to_string())
        };
        self.index.get_or_init(make).clone()
    }
}

impl Group {
    fn url(&self) -> String {
        format!("/openapi/v3/{}?hash={}", self.path, self.document().hash)
    }

    fn document(&self) -> &Document {
        self.document.get_or_init(|| Document::new(&paths::document(&self.path, &self.kinds).to_string()))
    }
}

impl Document {
    fn new(json: &str) -> Self {
        let hash: String = Sha256::digest(json.as_bytes()).iter().map(|byte| format!("{byte:02X}")).collect();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        let gzip = encoder.write_all(json.as_bytes()).and_then(|()| encoder.finish());
        let gzip = Bytes::from(gzip.expect("a vector takes everything"));
        let etag = HeaderValue::from_str(&format!("\"{hash}\"")).expect("hexadecimal digits");
        Self { gzip, etag, hash }
    }

    fn json(&self) -> Bytes {
        let mut json = Vec::new();
        GzDecoder::new(&self.gzip[..]).read_to_end(&mut json).expect("what was compressed here");
        Bytes::from(json)
    }
}

/// Only JSON is served; clients that want protobuf alone are told so.
fn takes_json(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    accepted.peek().is_none()
        || accepted.flat_map(|value| value.split(',')).any(|clause| {
            let media_type = clause.split(';').next().unwrap_or_default().trim();
            matches!(media_type, "application/json" | "application/*" | "*/*" | "")
        })
}

#[cfg(test)]
mod tests;
