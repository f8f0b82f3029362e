//! Continue tokens: where the next page of a list begins, and at which revision.
//!
//! Opaque to clients and protected by a MAC, so that nobody can read keys at an arbitrary place or revision by
//! writing a token. A token is bound to its resource, namespace scope included, by the range that is part of the MAC.
//!
//! Bytes before base64url: version 1, revision (i64, little endian; -1 means the state of now), start key, MAC (16
//! bytes of HMAC-SHA-256 over range start, a zero byte and all before).

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::{DecodeError, Engine};
use bytes::Bytes;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use store_types::KeyRange;

/// Revision in a token that goes on with whatever the state is.
pub(crate) const LATEST: i64 = -1;

const VERSION: u8 = 1;
const MAC_BYTES: usize = 16;
/// A longer token is refused before it is decoded.
const TOKEN_BYTES_MAX: usize = 4096;

/// Key that tokens are signed with; the same on every server of a cluster.
#[derive(Clone)]
pub struct ContinueKey(Hmac<Sha256>);

impl ContinueKey {
    /// Derives the key from a secret of any length.
    pub fn new(secret: &[u8]) -> Self {
        Self(Hmac::new_from_slice(secret).expect("HMAC takes keys of any length"))
    }
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// Revision to list at, or [`LATEST`].
    pub(crate) revision: i64,
    /// First key of the next page.
    pub(crate) start: Bytes,
}

pub(crate) fn encode(key: &ContinueKey, range: &KeyRange, position: &Position) -> String {
    let mut token = Vec::with_capacity(1 + 8 + position.start.len() + MAC_BYTES);
    token.push(VERSION);
    token.extend_from_slice(&position.revision.to_le_bytes());
    token.extend_from_slice(&position.start);
    let mac = mac(key, range, &token).finalize().into_bytes();
    token.extend_from_slice(&mac[..MAC_BYTES]);
    URL_SAFE_NO_PAD.encode(token)
}

/// The error is upstream's text, without "invalid continue token".
pub(crate) fn decode(key: &ContinueKey, range: &KeyRange, token: &str) -> Result<Position, String> {
    let invalid = |why: &str| format!("continue key is not valid: {why}");
    if token.len() > TOKEN_BYTES_MAX {
        return Err(invalid("too long"));
    }
    // Tokens may come back padded from clients that re-encode them.
    let text = token.trim_end_matches('=');
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|error| {
        let at = match error {
            DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol(at, _) => at,
            DecodeError::InvalidLength(_) | DecodeError::InvalidPadding => text.len() / 4 * 4,
        };
        invalid(&format!("illegal base64 data at input byte {at}"))
    })?;
    let Some(signed_bytes) = bytes.len().checked_sub(MAC_BYTES).filter(|signed| *signed > 9) else {
        return Err(invalid("encoded start key empty"));
    };
    let (signed, tag) = bytes.split_at(signed_bytes);
    if signed[0] != VERSION {
        return Err(invalid(&format!("server does not recognize this encoded version \"{}\"", signed[0])));
    }
    mac(key, range, signed).verify_truncated_left(tag).map_err(|_| invalid("signature mismatch"))?;
    let revision = i64::from_le_bytes(signed[1..9].try_into().expect("eight bytes were taken"));
    if revision == 0 || revision < LATEST {
        return Err(invalid("incorrect encoded start resourceVersion"));
    }
    let start = Bytes::copy_from_slice(&signed[9..]);
    if !range.contains(&start) {
        return Err(invalid("outside of the list"));
    }
    Ok(Position { revision, start })
}

fn mac(key: &ContinueKey, range: &KeyRange, signed: &[u8]) -> Hmac<Sha256> {
    let mut mac = key.0.clone();
    mac.update(range.start());
    mac.update(&[0]);
    mac.update(signed);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range() -> KeyRange {
        KeyRange::prefix("/registry/pods/".into())
    }

    fn position() -> Position {
        Position { revision: 42, start: "/registry/pods/default/web\0".into() }
    }

    #[test]
    fn a_token_says_what_was_put_in() {
        let key = ContinueKey::new(b"secret");
        for revision in [42, LATEST] {
            let position = Position { revision, ..position() };
            assert_eq!(decode(&key, &range(), &encode(&key, &range(), &position)), Ok(position));
        }
    }

    #[test]
    fn a_token_of_another_key_list_or_content_is_refused() {
        let key = ContinueKey::new(b"secret");
        let token = encode(&key, &range(), &position());
        assert!(decode(&ContinueKey::new(b"other"), &range(), &token).is_err());
        let namespace = KeyRange::prefix("/registry/pods/default/".into());
        assert!(decode(&key, &namespace, &token).is_err());
        for at in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            assert!(decode(&key, &range(), &forged).is_err(), "byte {at}");
        }
        for garbage in ["", "x", "????", &"A".repeat(TOKEN_BYTES_MAX + 1)] {
            assert!(decode(&key, &range(), garbage).unwrap_err().starts_with("continue key is not valid: "));
        }
    }

    #[test]
    fn what_is_no_base64_is_refused_in_gos_words() {
        let key = ContinueKey::new(b"secret");
        for (token, at) in [("x", 0), ("!", 0), ("AAAA?", 4), ("AAAAA", 4)] {
            let refused = decode(&key, &range(), token).unwrap_err();
            assert_eq!(
                refused,
                format!("continue key is not valid: illegal base64 data at input byte {at}"),
                "{token}"
            );
        }
    }

    #[test]
    fn a_signed_token_that_points_outside_of_its_list_is_refused() {
        let key = ContinueKey::new(b"secret");
        let outside = Position { revision: 42, start: "/registry/secrets/x".into() };
        assert!(decode(&key, &range(), &encode(&key, &range(), &outside)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_tokens_are_refused_without_a_panic(token: String, bytes: Vec<u8>) {
            let key = ContinueKey::new(b"secret");
            proptest::prop_assert!(decode(&key, &range(), &token).is_err());
            proptest::prop_assert!(decode(&key, &range(), &URL_SAFE_NO_PAD.encode(bytes)).is_err());
        }
    }
}
