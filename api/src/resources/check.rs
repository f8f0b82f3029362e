//! Checks that several kinds share. Each adds what it finds to `errors`; texts are upstream's.

use api_machinery::field::{Error, ErrorList, Path};
use api_machinery::selector::{LabelSelector, validate_label_selector};
use api_machinery::{meta, names};
use serde_json::Value;
use std::net::IpAddr;

/// Text for a number below zero.
pub(crate) const NOT_NEGATIVE: &str = "must be greater than or equal to 0";
/// Text for a field that may not change.
pub(crate) const IMMUTABLE: &str = "field is immutable";

/// Adds one Invalid error for each complaint about `value`.
pub(crate) fn complain(complaints: names::Complaints, value: &str, path: &Path, errors: &mut ErrorList) {
    errors.extend(complaints.into_iter().map(|complaint| Error::invalid(path, value, complaint)));
}

/// A DNS-1123 label.
pub(crate) fn dns_label(value: &str, path: &Path, errors: &mut ErrorList) {
    complain(names::is_dns1123_label(value), value, path, errors);
}

/// A DNS-1123 subdomain.
pub(crate) fn subdomain(value: &str, path: &Path, errors: &mut ErrorList) {
    complain(names::is_dns1123_subdomain(value), value, path, errors);
}

/// A DNS-1123 subdomain whose labels may have underscores: search domains.
pub(crate) fn subdomain_with_underscore(value: &str, path: &Path, errors: &mut ErrorList) {
    if !names::is_dns1123_subdomain(&value.replace('_', "a")).is_empty() {
        let text = names::regex_error(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and \
             must start and end with an alphanumeric character",
            "[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*",
            &["example.com"],
        );
        errors.push(Error::invalid(path, value, text));
    }
}

/// What Kubernetes calls a qualified name.
pub(crate) fn qualified_name(value: &str, path: &Path, errors: &mut ErrorList) {
    complain(names::is_qualified_name(value), value, path, errors);
}

/// The key of a label.
pub(crate) fn label_name(value: &str, path: &Path, errors: &mut ErrorList) {
    qualified_name(value, path, errors);
}

/// A map of labels.
pub(crate) fn labels(labels: &Value, path: &Path, errors: &mut ErrorList) {
    errors.append(meta::validate_labels(labels.as_object(), path));
}

/// A map of annotations.
pub(crate) fn annotations(annotations: &Value, path: &Path, errors: &mut ErrorList) {
    errors.append(meta::validate_annotations(annotations.as_object(), path));
}

/// A LabelSelector object.
pub(crate) fn label_selector(selector: &Value, path: &Path, errors: &mut ErrorList) {
    errors.append(validate_label_selector(Some(selector), path));
}

/// Whether a LabelSelector object selects these labels. One that selects nothing at all is reported elsewhere.
pub(crate) fn selects(selector: &LabelSelector, labels: &Value) -> bool {
    selector.is_everything() || selector.matches(|key| labels[key].as_str())
}

/// A number that is not negative.
pub(crate) fn not_negative(value: i64, path: &Path, errors: &mut ErrorList) {
    errors.append(meta::validate_nonnegative(value, path));
}

/// One of a few words, listed in errors in the order given.
pub(crate) fn one_of(value: &str, allowed: &[&str], path: &Path, errors: &mut ErrorList) {
    if !allowed.contains(&value) {
        errors.push(Error::not_supported(path, value, allowed));
    }
}

/// One of a few words, none of them empty.
pub(crate) fn required_one_of(value: &str, allowed: &[&str], path: &Path, errors: &mut ErrorList) {
    if value.is_empty() {
        errors.push(Error::required(path, ""));
    } else {
        one_of(value, allowed, path, errors);
    }
}

/// A port number.
pub(crate) fn port_number(value: i64, path: &Path, errors: &mut ErrorList) {
    errors.extend(names::is_port_number(value).into_iter().map(|complaint| Error::invalid(path, value, complaint)));
}

/// The name of a port.
pub(crate) fn port_name(value: &str, path: &Path, errors: &mut ErrorList) {
    complain(names::is_port_name(value), value, path, errors);
}

/// A port by number or by name. An absent one is the number 0.
pub(crate) fn port(value: &Value, path: &Path, errors: &mut ErrorList) {
    match value {
        Value::String(name) => port_name(name, path, errors),
        value => port_number(value.as_i64().unwrap_or(0), path, errors),
    }
}

/// The name of an environment variable.
pub(crate) fn env_name(value: &str, path: &Path, errors: &mut ErrorList) {
    complain(names::is_relaxed_env_var_name(value), value, path, errors);
}

/// A key of a ConfigMap or Secret.
pub(crate) fn config_key(value: &str, path: &Path, errors: &mut ErrorList) {
    complain(names::is_config_map_key(value), value, path, errors);
}

/// An IP address.
pub(crate) fn ip(value: &str, path: &Path, errors: &mut ErrorList) {
    if value.parse::<IpAddr>().is_err() {
        let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()) && part.parse::<u8>().is_ok();
        let text = if value.split('.').count() == 4 && value.split('.').all(is_number) {
            "must not have leading 0s"
        } else {
            "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
        };
        errors.push(Error::invalid(path, value, text));
    }
}

/// An address that means a host of the network: neither unspecified, loopback nor link-local.
pub(crate) fn ordinary_ip(value: &str, path: &Path, errors: &mut ErrorList) {
    let Ok(address) = value.parse::<IpAddr>() else {
        errors.push(Error::invalid(path, value, "must be a valid IP address"));
        return;
    };
    let (link_local, link_local_multicast) = match address {
        IpAddr::V4(address) => (address.is_link_local(), address.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(address) => (address.segments()[0] & 0xffc0 == 0xfe80, address.segments()[0] & 0xff0f == 0xff02),
    };
    if address.is_unspecified() {
        errors.push(Error::invalid(path, value, format!("may not be unspecified ({value})")));
    }
    if address.is_loopback() {
        let text = "may not be in the loopback range (127.0.0.0/8, ::1/128)";
        errors.push(Error::invalid(path, value, text));
    }
    if link_local {
        let text = "may not be in the link-local range (169.254.0.0/16, fe80::/10)";
        errors.push(Error::invalid(path, value, text));
    }
    if link_local_multicast {
        let text = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)";
        errors.push(Error::invalid(path, value, text));
    }
}

/// A network in CIDR form.
pub(crate) fn cidr(value: &str, path: &Path, errors: &mut ErrorList) {
    if value.parse::<ipnet::IpNet>().is_err() {
        let text = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
        errors.push(Error::invalid(path, value, text));
    }
}

/// A relative path that never goes up.
pub(crate) fn descending_path(value: &str, path: &Path, errors: &mut ErrorList) {
    if value.starts_with('/') {
        errors.push(Error::invalid(path, value, "must be a relative path"));
    }
    no_backsteps(value, path, errors);
}

/// A path that never goes up.
pub(crate) fn no_backsteps(value: &str, path: &Path, errors: &mut ErrorList) {
    if value.split('/').any(|part| part == "..") {
        errors.push(Error::invalid(path, value, "must not contain '..'"));
    }
}

/// A relative path that never goes up and whose first name does not begin with two dots.
pub(crate) fn local_path(value: &str, path: &Path, errors: &mut ErrorList) {
    descending_path(value, path, errors);
    if value.starts_with("..") && !value.starts_with("../") {
        errors.push(Error::invalid(path, value, "must not start with '..'"));
    }
}

/// A field that an update may not change.
pub(crate) fn immutable(new: &Value, old: &Value, path: &Path, errors: &mut ErrorList) {
    errors.append(meta::validate_immutable_field(Some(new), Some(old), path));
}
