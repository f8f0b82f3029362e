//! Path segments, keys, ports, environment variables, and the small texts that checks share.

use super::{Complaints, regex_error};

const CONFIG_MAP_KEY_BYTES_MAX: usize = 253;
const PORT_NAME_BYTES_MAX: usize = 15;

/// The complaint about a name, or a key of data, that is too long. Upstream counts bytes and says characters.
pub fn max_length_error(bytes_max: usize) -> String {
    format!("must be no more than {bytes_max} characters")
}

/// The complaint about a label, or the name part of its key, that is too long.
pub fn max_bytes_error(bytes_max: usize) -> String {
    format!("must be no more than {bytes_max} bytes")
}

/// The complaint about an empty string.
pub fn empty_error() -> &'static str {
    "must be non-empty"
}

/// The complaint about a number out of range.
pub fn inclusive_range_error(low: i64, high: i64) -> String {
    format!("must be between {low} and {high}, inclusive")
}

/// A name that can be one segment of a URL path: the rule of RBAC objects, among others.
pub fn is_path_segment_name(name: &str) -> Complaints {
    if name == "." || name == ".." {
        return vec![format!("may not be '{name}'")];
    }
    path_segment_prefix(name)
}

/// [`NameCheck`](super::NameCheck) of the RBAC kinds.
pub fn name_is_path_segment(name: &str, prefix: bool) -> Complaints {
    if prefix { path_segment_prefix(name) } else { is_path_segment_name(name) }
}

fn path_segment_prefix(name: &str) -> Complaints {
    ["/", "%"].iter().filter(|part| name.contains(**part)).map(|part| format!("may not contain '{part}'")).collect()
}

/// A key of a ConfigMap or Secret.
pub fn is_config_map_key(value: &str) -> Complaints {
    let mut complaints = Complaints::new();
    if value.len() > CONFIG_MAP_KEY_BYTES_MAX {
        complaints.push(max_length_error(CONFIG_MAP_KEY_BYTES_MAX));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if value.is_empty() || !value.bytes().all(allowed) {
        complaints.push(regex_error(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            "[-._a-zA-Z0-9]+",
            &["key.name", "KEY_NAME", "key-name"],
        ));
    }
    complaints.extend(no_parent_directory(value));
    complaints
}

/// An environment variable's name, in the strict form.
pub fn is_env_var_name(value: &str) -> Complaints {
    let mut complaints = Complaints::new();
    let first = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'.' | b'_');
    let valid =
        value.bytes().next().is_some_and(first) && value.bytes().all(|byte| first(byte) || byte.is_ascii_digit());
    if !valid {
        complaints.push(regex_error(
            "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and \
             must not start with a digit",
            "[-._a-zA-Z][-._a-zA-Z0-9]*",
            &["my.env-name", "MY_ENV.NAME", "MyEnvName1"],
        ));
    }
    complaints.extend(no_parent_directory(value));
    complaints
}

/// An environment variable's name as the server accepts it since 1.32: printable ASCII without `=`.
pub fn is_relaxed_env_var_name(value: &str) -> Complaints {
    let mut complaints = Complaints::new();
    if value.is_empty() {
        complaints.push(format!("environment variable name {}", empty_error()));
    }
    if value.bytes().any(|byte| !(0x20..0x7f).contains(&byte) || byte == b'=') {
        complaints.push(
            "a valid environment variable name must consist only of printable ASCII characters other than '='".into(),
        );
    }
    complaints
}

/// A port number from 1 to 65535.
pub fn is_port_number(port: i64) -> Complaints {
    is_in_range(port, 1, 65535)
}

/// A number within bounds, both included.
pub fn is_in_range(value: i64, low: i64, high: i64) -> Complaints {
    if (low..=high).contains(&value) { Complaints::new() } else { vec![inclusive_range_error(low, high)] }
}

/// An IANA service name, as container ports have.
pub fn is_port_name(port: &str) -> Complaints {
    let mut complaints = Complaints::new();
    let bytes = port.as_bytes();
    if port.len() > PORT_NAME_BYTES_MAX {
        complaints.push(max_length_error(PORT_NAME_BYTES_MAX));
    }
    let allowed = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    if bytes.is_empty() || !bytes.iter().all(allowed) {
        complaints.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".into());
    }
    if !bytes.iter().any(u8::is_ascii_lowercase) {
        complaints.push("must contain at least one letter (a-z)".into());
    }
    if port.contains("--") {
        complaints.push("must not contain consecutive hyphens".into());
    }
    if bytes.first() == Some(&b'-') || bytes.last() == Some(&b'-') {
        complaints.push("must not begin or end with a hyphen".into());
    }
    complaints
}

/// Digits and a percent sign.
pub fn is_percent(value: &str) -> Complaints {
    let digits = value.strip_suffix('%').unwrap_or_default();
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Complaints::new();
    }
    vec![regex_error(
        "a valid percent string must be a numeric string followed by an ending '%'",
        "[0-9]+%",
        &["1%", "93%"],
    )]
}

/// A header name of an HTTP probe.
pub fn is_http_header_name(value: &str) -> Complaints {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Complaints::new();
    }
    vec![regex_error(
        "a valid HTTP header must consist of alphanumeric characters or '-'",
        "[-A-Za-z0-9]+",
        &["X-Header-Name"],
    )]
}

fn no_parent_directory(value: &str) -> Option<String> {
    match value {
        "." => Some("must not be '.'".into()),
        ".." => Some("must not be '..'".into()),
        _ if value.starts_with("..") => Some("must not start with '..'".into()),
        _ => None,
    }
}
