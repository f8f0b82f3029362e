//! Labels and subdomains of RFC 1123 and RFC 1035.

use super::{Complaints, mask_trailing_dash, max_length_error, regex_error};

const LABEL_BYTES_MAX: usize = 63;
const SUBDOMAIN_BYTES_MAX: usize = 253;

const LABEL_REGEX: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN_REGEX: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";

/// A label of RFC 1123, at most 63 bytes.
pub fn is_dns1123_label(value: &str) -> Complaints {
    let mut complaints = too_long(value, LABEL_BYTES_MAX);
    if !label(value) {
        complaints.push(if subdomain(value) {
            "must not contain dots".to_string()
        } else {
            regex_error(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
                 and end with an alphanumeric character",
                LABEL_REGEX,
                &["my-name", "123-abc"],
            )
        });
    }
    complaints
}

/// A subdomain of RFC 1123, at most 253 bytes.
pub fn is_dns1123_subdomain(value: &str) -> Complaints {
    let mut complaints = too_long(value, SUBDOMAIN_BYTES_MAX);
    if !subdomain(value) {
        complaints.push(regex_error(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
             start and end with an alphanumeric character",
            SUBDOMAIN_REGEX,
            &["example.com"],
        ));
    }
    complaints
}

/// `*.` and a subdomain.
pub fn is_wildcard_dns1123_subdomain(value: &str) -> Complaints {
    let mut complaints = too_long(value, SUBDOMAIN_BYTES_MAX);
    if !value.strip_prefix("*.").is_some_and(subdomain) {
        complaints.push(regex_error(
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist \
             of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
            &format!(r"\*\.{SUBDOMAIN_REGEX}"),
            &["*.example.com"],
        ));
    }
    complaints
}

/// A label of RFC 1035: as RFC 1123, but it begins with a letter.
pub fn is_dns1035_label(value: &str) -> Complaints {
    let mut complaints = too_long(value, LABEL_BYTES_MAX);
    if !label(value) || !value.as_bytes()[0].is_ascii_lowercase() {
        complaints.push(regex_error(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
             character, and end with an alphanumeric character",
            "[a-z]([-a-z0-9]*[a-z0-9])?",
            &["my-name", "abc-123"],
        ));
    }
    complaints
}

/// [`NameCheck`](super::NameCheck) of most kinds.
pub fn name_is_dns_subdomain(name: &str, prefix: bool) -> Complaints {
    if prefix { is_dns1123_subdomain(&mask_trailing_dash(name)) } else { is_dns1123_subdomain(name) }
}

/// [`NameCheck`](super::NameCheck) of namespaces.
pub fn name_is_dns_label(name: &str, prefix: bool) -> Complaints {
    if prefix { is_dns1123_label(&mask_trailing_dash(name)) } else { is_dns1123_label(name) }
}

/// [`NameCheck`](super::NameCheck) of services.
pub fn name_is_dns1035_label(name: &str, prefix: bool) -> Complaints {
    if prefix { is_dns1035_label(&mask_trailing_dash(name)) } else { is_dns1035_label(name) }
}

fn too_long(value: &str, bytes_max: usize) -> Complaints {
    if value.len() > bytes_max { vec![max_length_error(bytes_max)] } else { Vec::new() }
}

fn label(value: &str) -> bool {
    let bytes = value.as_bytes();
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => {
            alphanumeric(first) && alphanumeric(last) && bytes.iter().all(|byte| alphanumeric(byte) || *byte == b'-')
        }
        _ => false,
    }
}

fn subdomain(value: &str) -> bool {
    value.split('.').all(label)
}
