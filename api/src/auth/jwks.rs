//! How others verify service-account tokens: the issuer's keys and its OpenID configuration.

use crate::auth::tokens::Tokens;
use crate::http::{Body, respond};
use ::http::header::{CACHE_CONTROL, HeaderValue};
use ::http::{Response, StatusCode};
use serde_json::json;

/// How long the documents may be kept (upstream's value: an hour).
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=3600");

/// `/openid/v1/jwks`.
pub fn keys(tokens: &Tokens) -> Response<Body> {
    let document = json!({ "keys": [tokens.key().jwk()] });
    cached("application/jwk-set+json", document.to_string())
}

/// `/.well-known/openid-configuration`.
pub fn configuration(tokens: &Tokens) -> Response<Body> {
    let issuer = tokens.issuer();
    let (_, algorithm) = tokens.key().decoding();
    // In the order in which upstream writes it.
    let fields = [
        ("issuer", json!(issuer)),
        ("jwks_uri", json!(format!("{}/openid/v1/jwks", issuer.trim_end_matches('/')))),
        ("response_types_supported", json!(["id_token"])),
        ("subject_types_supported", json!(["public"])),
        ("id_token_signing_alg_values_supported", json!([format!("{algorithm:?}")])),
    ];
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    cached("application/json", format!("{{{}}}", fields.join(",")))
}

fn cached(media_type: &'static str, text: String) -> Response<Body> {
    let mut response = respond::with_type(StatusCode::OK, HeaderValue::from_static(media_type), text.into());
    response.headers_mut().insert(CACHE_CONTROL, CACHE);
    response
}
