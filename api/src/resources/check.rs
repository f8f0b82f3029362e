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
            "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*",
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

/// Which generation something has been seen in.
pub(crate) fn observed_generation(value: i64, path: &Path, errors: &mut ErrorList) {
    if value < 0 {
        errors.push(Error::invalid(path, value, "must be a non-negative integer"));
    }
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

/// An IP address that all readers take for the same.
pub(crate) fn ip(value: &str, path: &Path, errors: &mut ErrorList) {
    match (value.parse::<IpAddr>(), without_leading_zeros(value).parse::<IpAddr>()) {
        (Ok(address), _) if is_mapped(address) => {
            errors.push(Error::invalid(path, value, "must not be an IPv4-mapped IPv6 address"));
        }
        (Ok(_), _) => {}
        (Err(_), Ok(_)) => errors.push(Error::invalid(path, value, "must not have leading 0s")),
        (Err(_), Err(_)) => {
            let text = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
            errors.push(Error::invalid(path, value, text));
        }
    }
}

/// An IP address in the one form that upstream writes itself.
pub(crate) fn canonical_ip(value: &str, path: &Path, errors: &mut ErrorList) {
    let before = errors.len();
    ip(value, path, errors);
    if let Ok(address) = value.parse::<IpAddr>()
        && errors.len() == before
        && address.to_string() != value
    {
        errors.push(Error::invalid(path, value, format!("must be in canonical form (\"{address}\")")));
    }
}

fn is_mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some())
}

/// The address, with the numbers of its IPv4 part as readers who tolerate leading zeros take them.
fn without_leading_zeros(address: &str) -> String {
    let (head, numbers) = address.split_at(address.rfind(':').map_or(0, |at| at + 1));
    if !numbers.contains('.') {
        return address.to_owned();
    }
    let trim = |number: &str| match number.trim_start_matches('0') {
        "" if !number.is_empty() => "0".to_owned(),
        number => number.to_owned(),
    };
    format!("{head}{}", numbers.split('.').map(trim).collect::<Vec<_>>().join("."))
}

/// An address that means a host of the network: neither unspecified, loopback nor link-local.
pub(crate) fn ordinary_ip(value: &str, path: &Path, errors: &mut ErrorList) {
    let Ok(address) = without_leading_zeros(value).parse::<IpAddr>() else {
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

/// A network in CIDR form that all readers take for the same.
pub(crate) fn cidr(value: &str, path: &Path, errors: &mut ErrorList) {
    let (address, length) = value.split_once('/').unwrap_or((value, ""));
    let has_zeros = length.len() > 1 && length.starts_with('0') || address.parse::<IpAddr>().is_err();
    let strict = value.parse::<ipnet::IpNet>().ok().filter(|_| !has_zeros);
    let text = match (strict, length.parse::<u8>()) {
        (Some(net), _) if is_mapped(net.addr()) => "must not have an IPv4-mapped IPv6 address",
        (Some(net), _) if net != net.trunc() => "must not have bits set beyond the prefix length",
        (Some(_), _) => return,
        (None, Ok(bits)) if format!("{}/{bits}", without_leading_zeros(address)).parse::<ipnet::IpNet>().is_ok() => {
            "must not have leading 0s in IP or prefix length"
        }
        _ => "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
    };
    errors.push(Error::invalid(path, value, text));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(check: fn(&str, &Path, &mut ErrorList), value: &str) -> String {
        let mut errors = ErrorList::new();
        check(value, &Path::root("a"), &mut errors);
        errors.iter().map(|error| error.detail.clone()).collect::<Vec<_>>().join("; ")
    }

    // proves: AM-33
    #[test]
    fn an_address_has_one_reading() {
        let invalid = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
        let cases = [
            ("10.0.0.1", ""),
            ("2001:DB8::1", ""),
            ("010.0.0.1", "must not have leading 0s"),
            ("::ffff:10.0.0.1", "must not be an IPv4-mapped IPv6 address"),
            ("::ffff:010.0.0.1", "must not have leading 0s"),
            ("10.0.0", invalid),
            ("", invalid),
            ("x", invalid),
        ];
        for (value, wanted) in cases {
            assert_eq!(complaints(ip, value), wanted, "{value}");
        }
        assert_eq!(complaints(canonical_ip, "2001:DB8::1"), "must be in canonical form (\"2001:db8::1\")");
        assert_eq!(complaints(canonical_ip, "x"), invalid);
        assert_eq!(complaints(ordinary_ip, "010.0.0.1"), "", "its zeros are somebody else's complaint");
    }

    // proves: AM-33
    #[test]
    fn a_network_has_one_reading() {
        let invalid = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
        let cases = [
            ("10.0.0.0/8", ""),
            ("1.2.3.4/8", "must not have bits set beyond the prefix length"),
            ("010.0.0.0/8", "must not have leading 0s in IP or prefix length"),
            ("10.0.0.0/08", "must not have leading 0s in IP or prefix length"),
            ("::ffff:10.0.0.0/104", "must not have an IPv4-mapped IPv6 address"),
            ("10.0.0.0/33", invalid),
            ("10.0.0.0", invalid),
            ("x", invalid),
        ];
        for (value, wanted) in cases {
            assert_eq!(complaints(cidr, value), wanted, "{value}");
        }
    }
}
