//! `/openapi/v3`: an index with a hash for each group and version, and one document for each, which clients may keep
//! for ever under its hash. `/openapi/v2`: one document for all of them, which kubectl before 1.30 patches, explains and
//! validates with, and wants as protobuf.
//!
//! Documents are made when first asked for and kept compressed: few clients ask, and most of them once.

mod operations;
mod paths;

use crate::filters::compress;
use crate::filters::request_info;
use crate::http::{Body, respond};
use crate::registry::kind::Kinds;
use crate::registry::strategy::KindInfo;
use ::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_ENCODING, EXPIRES, HeaderMap, HeaderValue, LOCATION, VARY};
use ::http::{Response, StatusCode};
use api_machinery::schema::openapi_v2;
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
    v2_json: OnceLock<Document>,
    v2_protobuf: OnceLock<Document>,
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
        Self { groups, index: OnceLock::new(), v2_json: OnceLock::new(), v2_protobuf: OnceLock::new() }
    }

    /// Answers a path below `/openapi/`.
    pub fn answer(&self, path: &str, query: &str, headers: &HeaderMap) -> Option<Response<Body>> {
        if path == "/openapi/v3" {
            // Upstream does not say that it is JSON.
            return Some(respond::with_type(StatusCode::OK, respond::TEXT, self.index()));
        }
        if path == "/openapi/v2" {
            let mut response = self.v2(headers);
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
            return Some(response);
        }
        let path = path.strip_prefix("/openapi/v3/")?;
        let group = self.groups.iter().find(|group| group.path == path)?;
        if !takes_json(headers) {
            return Some(not_acceptable());
        }
        let document = group.document();
        let asked = request_info::parameter(query, "hash");
        if asked.as_deref().is_some_and(|asked| asked != document.hash) {
            let mut response = respond::text(StatusCode::MOVED_PERMANENTLY, "");
            let to = HeaderValue::from_str(&group.url()).expect("paths and hexadecimal digits");
            response.headers_mut().insert(LOCATION, to);
            return Some(response);
        }
        let mut response = document.answer(headers, respond::JSON);
        let headers = response.headers_mut();
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

    fn v2(&self, headers: &HeaderMap) -> Response<Body> {
        let make = || {
            let documents: Vec<serde_json::Value> =
                self.groups.iter().map(|group| paths::document(&group.path, &group.kinds)).collect();
            openapi_v2::from_v3("Kubernetes", "1.37", &documents)
        };
        if accepts(headers, |media_type| openapi_v2::PROTOBUF_MEDIA_TYPES.contains(&media_type)) {
            let document = self.v2_protobuf.get_or_init(|| Document::new(&openapi_v2::to_protobuf(&make())));
            return document.answer(headers, HeaderValue::from_static(openapi_v2::PROTOBUF_MEDIA_TYPES[1]));
        }
        if takes_json(headers) {
            return self
                .v2_json
                .get_or_init(|| Document::new(make().to_string().as_bytes()))
                .answer(headers, respond::JSON);
        }
        not_acceptable()
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
        self.document.get_or_init(|| Document::new(paths::document(&self.path, &self.kinds).to_string().as_bytes()))
    }
}

impl Document {
    fn new(content: &[u8]) -> Self {
        let hash: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02X}")).collect();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        let gzip = encoder.write_all(content).and_then(|()| encoder.finish());
        let gzip = Bytes::from(gzip.expect("a vector takes everything"));
        let etag = HeaderValue::from_str(&format!("\"{hash}\"")).expect("hexadecimal digits");
        Self { gzip, etag, hash }
    }

    fn content(&self) -> Bytes {
        let mut content = Vec::new();
        GzDecoder::new(&self.gzip[..]).read_to_end(&mut content).expect("what was compressed here");
        Bytes::from(content)
    }

    fn answer(&self, headers: &HeaderMap, media_type: HeaderValue) -> Response<Body> {
        let mut response = if compress::wanted(headers) {
            let mut response = respond::tagged(headers, &self.etag, media_type, self.gzip.clone());
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response
        } else {
            respond::tagged(headers, &self.etag, media_type, self.content())
        };
        response.headers_mut().insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
        response
    }
}

/// Upstream's 406 of documents, which says nothing.
fn not_acceptable() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_ACCEPTABLE;
    response
}

/// Whether JSON will do; a client that names no media type takes it.
fn takes_json(headers: &HeaderMap) -> bool {
    !headers.contains_key(ACCEPT)
        || accepts(headers, |media_type| matches!(media_type, "application/json" | "application/*" | "*/*" | ""))
}

fn accepts(headers: &HeaderMap, known: impl Fn(&str) -> bool) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|clause| known(clause.split(';').next().unwrap_or_default().trim()))
}

#[cfg(test)]
mod tests;
