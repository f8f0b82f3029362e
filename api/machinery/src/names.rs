//! What may be a name: DNS labels and subdomains, qualified names, label values, path segments, keys of config maps.
//!
//! Each `is_*` function returns the complaints, none if the value is fine. The texts, with the regular expressions in
//! them, are upstream's (`k8s.io/apimachinery/pkg/api/validate/content` and `pkg/util/validation`); the checks are
//! written by hand because they run for every label of every object.

mod dns;
mod generate;
mod other;
mod qualified;

pub use dns::{
    is_dns1035_label, is_dns1123_label, is_dns1123_subdomain, is_wildcard_dns1123_subdomain, name_is_dns_label,
    name_is_dns_subdomain, name_is_dns1035_label,
};
pub use generate::{generate, safe_character, suffix};
pub use other::{
    empty_error, inclusive_range_error, is_config_map_key, is_env_var_name, is_http_header_name, is_in_range,
    is_path_segment_name, is_percent, is_port_name, is_port_number, is_relaxed_env_var_name, max_bytes_error,
    max_length_error, name_is_path_segment,
};
pub use qualified::{is_label_value, is_qualified_name};

/// Complaints about a value; empty if it is fine.
pub type Complaints = Vec<String>;

/// Checks a name; the flag says that the name is a prefix (a `generateName`).
pub type NameCheck = fn(&str, bool) -> Complaints;

/// The complaint that names a regular expression and examples, joined as upstream joins them.
pub fn regex_error(message: &str, regex: &str, examples: &[&str]) -> String {
    if examples.is_empty() {
        return format!("{message} (regex used for validation is '{regex}')");
    }
    let examples: Vec<String> = examples.iter().map(|example| format!("'{example}', ")).collect();
    format!("{message} (e.g. {}regex used for validation is '{regex}')", examples.join(" or "))
}

/// A generateName may end with a dash, since a suffix follows.
fn mask_trailing_dash(name: &str) -> String {
    match name.strip_suffix('-') {
        Some(rest) if !rest.is_empty() => format!("{rest}a"),
        _ => name.to_string(),
    }
}

#[cfg(test)]
mod tests;
