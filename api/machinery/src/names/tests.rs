//! Accepted and refused names, with texts.

use super::*;

fn check(complaints: Complaints, want: &[&str]) {
    assert_eq!(complaints, want);
}

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const NAME: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

#[test]
fn dns_names_follow_the_rfcs() {
    for good in ["a", "a1", "1", "a-b", "0-0", &"a".repeat(63)] {
        check(is_dns1123_label(good), &[]);
        check(is_dns1123_subdomain(good), &[]);
    }
    for bad in ["", "A", "-a", "a-", "a_b", "a b", "ä"] {
        check(is_dns1123_label(bad), &[LABEL]);
        check(is_dns1123_subdomain(bad), &[SUBDOMAIN]);
    }
    check(is_dns1123_label("a.b"), &["must not contain dots"]);
    check(is_dns1123_label(&"a".repeat(64)), &["must be no more than 63 characters"]);
    check(is_dns1123_subdomain("a.b-c.1"), &[]);
    check(is_dns1123_subdomain("a..b"), &[SUBDOMAIN]);
    check(is_dns1123_subdomain(&"a".repeat(254)), &["must be no more than 253 characters"]);
    assert!(is_dns1035_label("a1").is_empty());
    assert!(is_dns1035_label("1a")[0].starts_with("a DNS-1035 label must consist of"));
    assert!(is_dns1035_label("")[0].starts_with("a DNS-1035 label must consist of"));
    assert!(is_wildcard_dns1123_subdomain("*.bar.com").is_empty());
    assert_eq!(is_wildcard_dns1123_subdomain("*.*.bar.com").len(), 1);
}

#[test]
fn a_generate_name_may_end_with_a_dash() {
    check(name_is_dns_subdomain("web-", true), &[]);
    check(name_is_dns_subdomain("web-", false), &[SUBDOMAIN]);
    check(name_is_dns_label("-", true), &[LABEL]);
    check(name_is_path_segment("a:b", false), &[]);
    check(name_is_path_segment("..", false), &["may not be '..'"]);
    check(name_is_path_segment("a/b%", true), &["may not contain '/'", "may not contain '%'"]);
}

#[test]
fn label_keys_have_an_optional_domain() {
    for good in ["a", "A.b_c-d", "example.com/MyName", "1/1"] {
        check(is_qualified_name(good), &[]);
    }
    check(is_qualified_name(""), &["name part must be non-empty", NAME]);
    check(is_qualified_name("a/"), &["name part must be non-empty", NAME]);
    check(is_qualified_name("/a"), &["prefix part must be non-empty"]);
    check(is_qualified_name("A/a"), &[&format!("prefix part {SUBDOMAIN}")]);
    check(is_qualified_name("-a"), &[NAME]);
    check(is_qualified_name(&"a".repeat(64)), &["name part must be no more than 63 bytes"]);
    assert!(
        is_qualified_name("a/b/c")[0]
            .ends_with("with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')")
    );
}

#[test]
fn label_values_may_be_empty() {
    check(is_label_value(""), &[]);
    check(is_label_value("a_B.1"), &[]);
    check(
        is_label_value("a b"),
        &[
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        ],
    );
}

#[test]
fn keys_ports_and_variables() {
    check(is_config_map_key("a.b_c-D"), &[]);
    check(is_config_map_key(".."), &["must not be '..'"]);
    check(is_config_map_key("..a"), &["must not start with '..'"]);
    assert!(is_config_map_key("a/b")[0].starts_with("a valid config key must consist of"));
    check(is_port_name("http-1"), &[]);
    check(is_port_name("1"), &["must contain at least one letter (a-z)"]);
    check(is_port_name("-a--b-"), &["must not contain consecutive hyphens", "must not begin or end with a hyphen"]);
    check(is_port_number(0), &["must be between 1 and 65535, inclusive"]);
    check(is_percent("25%"), &[]);
    assert_eq!(is_percent("25").len(), 1);
    assert_eq!(is_percent("%").len(), 1);
    check(is_env_var_name("A.b-1_"), &[]);
    assert_eq!(is_env_var_name("1A").len(), 1);
    check(is_relaxed_env_var_name("1 A"), &[]);
    assert_eq!(is_relaxed_env_var_name("A=").len(), 1);
    assert_eq!(is_relaxed_env_var_name("").len(), 1);
    check(is_http_header_name("X-A"), &[]);
}
