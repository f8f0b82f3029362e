//! The key that signs service-account tokens: ECDSA P-256 or RSA, from PKCS#8 PEM.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use rcgen::{KeyPair, PublicKeyData};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// Why a key cannot sign tokens.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No private key that can be read.
    #[error("service-account signing key: {0}")]
    Unreadable(String),
    /// Neither ECDSA P-256 nor RSA.
    #[error("service-account signing key: only ECDSA P-256 and RSA keys can sign tokens")]
    Unsupported,
}

/// Signs tokens, and holds what is needed to verify them and to tell others how.
pub struct SigningKey {
    header: Header,
    encoding: EncodingKey,
    decoding: DecodingKey,
    jwk: Jwk,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.key_id())
    }
}

impl SigningKey {
    /// Reads a private key.
    ///
    /// # Errors
    /// It cannot be read or is of another kind.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let unreadable = |error: &dyn std::fmt::Display| KeyError::Unreadable(error.to_string());
        let text = std::str::from_utf8(pem).map_err(|error| unreadable(&error))?;
        let pair = KeyPair::from_pem(text).map_err(|error| unreadable(&error))?;
        let (algorithm, encoding) = if pair.is_compatible(&rcgen::PKCS_ECDSA_P256_SHA256) {
            (Algorithm::ES256, EncodingKey::from_ec_pem(pem))
        } else if pair.is_compatible(&rcgen::PKCS_RSA_SHA256) {
            (Algorithm::RS256, EncodingKey::from_rsa_pem(pem))
        } else {
            return Err(KeyError::Unsupported);
        };
        let encoding = encoding.map_err(|error| unreadable(&error))?;
        let mut jwk = Jwk::from_encoding_key(&encoding, algorithm).map_err(|error| unreadable(&error))?;
        let decoding = DecodingKey::from_jwk(&jwk).map_err(|error| unreadable(&error))?;
        let key_id = BASE64.encode(Sha256::digest(pair.subject_public_key_info()));
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        jwk.common.key_id = Some(key_id.clone());
        let header = Header { typ: None, kid: Some(key_id), ..Header::new(algorithm) };
        Ok(Self { header, encoding, decoding, jwk })
    }

    /// The id that tokens name their key by: the hash of the public key, as upstream makes it.
    pub fn key_id(&self) -> &str {
        self.header.kid.as_deref().unwrap_or_default()
    }

    /// Signs.
    ///
    /// # Errors
    /// The key fails, which a key that could be read does not.
    pub fn sign(&self, claims: &impl Serialize) -> Result<String, KeyError> {
        jsonwebtoken::encode(&self.header, claims, &self.encoding)
            .map_err(|error| KeyError::Unreadable(error.to_string()))
    }

    /// What verifies its signatures.
    pub fn decoding(&self) -> (&DecodingKey, Algorithm) {
        (&self.decoding, self.header.alg)
    }

    /// The public key for `/openid/v1/jwks`.
    pub fn jwk(&self) -> &Jwk {
        &self.jwk
    }
}
