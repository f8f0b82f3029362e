//! Label keys and values.

use super::{Complaints, empty_error, is_dns1123_subdomain, max_bytes_error, regex_error};

const NAME_BYTES_MAX: usize = 63;
const NAME_REGEX: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const NAME_MESSAGE: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
     alphanumeric character";
const NAME_EXAMPLES: [&str; 3] = ["MyName", "my.name", "123-abc"];

/// A qualified name, which is what a label key is: an optional DNS subdomain and `/`, then a name.
pub fn is_qualified_name(value: &str) -> Complaints {
    let mut complaints = Complaints::new();
    let name = match value.split_once('/') {
        None => value,
        Some((_, name)) if name.contains('/') => {
            return vec![format!(
                "a valid label key {} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
                regex_error(NAME_MESSAGE, NAME_REGEX, &NAME_EXAMPLES)
            )];
        }
        Some(("", name)) => {
            complaints.push(format!("prefix part {}", empty_error()));
            name
        }
        Some((prefix, name)) => {
            complaints.extend(is_dns1123_subdomain(prefix).into_iter().map(|text| format!("prefix part {text}")));
            name
        }
    };
    if name.is_empty() {
        complaints.push(format!("name part {}", empty_error()));
    } else if name.len() > NAME_BYTES_MAX {
        complaints.push(format!("name part {}", max_bytes_error(NAME_BYTES_MAX)));
    }
    if !is_name(name) {
        complaints.push(format!("name part {}", regex_error(NAME_MESSAGE, NAME_REGEX, &NAME_EXAMPLES)));
    }
    complaints
}

/// A label's value: empty, or a name of at most 63 bytes.
pub fn is_label_value(value: &str) -> Complaints {
    let mut complaints = Complaints::new();
    if value.len() > NAME_BYTES_MAX {
        complaints.push(max_bytes_error(NAME_BYTES_MAX));
    }
    if !value.is_empty() && !is_name(value) {
        complaints.push(regex_error(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
             start and end with an alphanumeric character",
            "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?",
            &["MyValue", "my_value", "12345"],
        ));
    }
    complaints
}

fn is_name(value: &str) -> bool {
    let bytes = value.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => {
            first.is_ascii_alphanumeric()
                && last.is_ascii_alphanumeric()
                && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        }
        _ => false,
    }
}
