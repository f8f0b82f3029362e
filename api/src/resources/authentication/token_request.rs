//! TokenRequest: what `serviceaccounts/token` takes.

use crate::resources::value::{child, default_absent, int};
use api_machinery::field::{Error, ErrorList, Path};
use serde_json::Value;

/// Life of a token where none is asked for.
const EXPIRATION_SECONDS: i64 = 3600;
/// Shortest life that may be asked for.
const EXPIRATION_SECONDS_MIN: i64 = 600;
/// Longest life that may be asked for.
const EXPIRATION_SECONDS_MAX: i64 = 1 << 32;

/// Fills in a request.
pub fn default(request: &mut Value) {
    if let Some(spec) = child(request, "spec") {
        default_absent(spec, "expirationSeconds", EXPIRATION_SECONDS);
    }
}

/// Errors of a defaulted request.
pub fn validate(request: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::of(&["spec", "expirationSeconds"]);
    let seconds = int(&request["spec"], "expirationSeconds").unwrap_or(0);
    if seconds < EXPIRATION_SECONDS_MIN {
        errors.push(Error::invalid(&path, seconds, "may not specify a duration less than 10 minutes"));
    }
    if seconds > EXPIRATION_SECONDS_MAX {
        errors.push(Error::invalid(&path, seconds, "may not specify a duration larger than 2^32 seconds"));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::testing::messages;
    use serde_json::json;

    // proves: AM-33
    #[test]
    fn a_token_lives_an_hour_unless_told_otherwise() {
        let mut request = json!({"spec": {"audiences": []}});
        default(&mut request);
        assert_eq!(request["spec"]["expirationSeconds"], 3600);
        assert_eq!(messages(validate(&request)), [""; 0]);
        assert_eq!(
            messages(validate(&json!({"spec": {"expirationSeconds": 10}}))),
            ["spec.expirationSeconds: Invalid value: 10: may not specify a duration less than 10 minutes"]
        );
    }
}
