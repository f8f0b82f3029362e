//! How others verify service-account tokens: the issuer's keys and its OpenID configuration.

use crate::auth::tokens::Tokens;
use crate::http::{Body, respond};
use ::http::header::{CACHE_CONTROL, HeaderValue};
use ::http::{Response, StatusCode};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// How long the documents may be kept (upstream's value: an hour).
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=3600");

/// `/openid/v1/jwks`.
pub fn keys(tokens: &Tokens) -> Response<Body> {
    let key = json!(tokens.key().jwk());
    // In the order in which upstream's library writes them.
    let fields = ["use", "kty", "kid", "crv", "alg", "x", "y", "n", "e"];
    let fields = fields.into_iter().filter_map(|name| Some((name, key.get(name)?.clone())));
    cached("application/jwk-set+json", format!("{{\"keys\":[{}]}}", ordered(fields)))
}

/// `/.well-known/openid-configuration`. The keys are at the server itself, or below the issuer if it listens nowhere.
pub fn configuration(tokens: &Tokens, served_at: Option<SocketAddr>) -> Response<Body> {
    let issuer = tokens.issuer();
    let base = served_at.map_or_else(|| issuer.trim_end_matches('/').to_owned(), |at| format!("https://{at}"));
    let (_, algorithm) = tokens.key().decoding();
    // In the order in which upstream writes it.
    let fields = [
        ("issuer", json!(issuer)),
        ("jwks_uri", json!(format!("{base}/openid/v1/jwks"))),
        ("response_types_supported", json!(["id_token"])),
        ("subject_types_supported", json!(["public"])),
        ("id_token_signing_alg_values_supported", json!([format!("{algorithm:?}")])),
    ];
    cached("application/json", ordered(fields.into_iter()))
}

/// A map whose fields are in this order.
fn ordered(fields: impl Iterator<Item = (&'static str, Value)>) -> String {
    let fields: Vec<String> = fields.map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

fn cached(media_type: &'static str, text: String) -> Response<Body> {
    let mut response = respond::with_type(StatusCode::OK, HeaderValue::from_static(media_type), text.into());
    response.headers_mut().insert(CACHE_CONTROL, CACHE);
    response
}
