//! Validation of tolerations, gates, spread constraints and DNS settings.

use crate::resources::check;
use crate::resources::value::{has, int, list, text, texts};
use api_machinery::field::{Error, ErrorList, Path};
use api_machinery::names;
use serde_json::Value;
use std::collections::BTreeSet;

/// Most name servers a resolver uses.
const NAME_SERVERS_MAX: usize = 3;
/// Most search domains.
const SEARCHES_MAX: usize = 32;
/// Longest list of search domains, spaces included.
const SEARCH_BYTES_MAX: usize = 2048;

/// What a taint may do.
pub(crate) const TAINT_EFFECTS: &[&str] = &["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// Checks `tolerations`.
pub(crate) fn validate_tolerations(tolerations: &[Value], path: &Path, errors: &mut ErrorList) {
    for (index, toleration) in tolerations.iter().enumerate() {
        let path = path.index(index);
        let (key, operator) = (text(toleration, "key"), text(toleration, "operator"));
        let (value, effect) = (text(toleration, "value"), text(toleration, "effect"));
        let operator_path = path.child("operator");
        if !key.is_empty() {
            check::label_name(key, &path.child("key"), errors);
        }
        if key.is_empty() && operator != "Exists" {
            let text = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            errors.push(Error::invalid(&operator_path, operator, text));
        }
        if has(toleration, "tolerationSeconds") && effect != "NoExecute" {
            let text = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            errors.push(Error::invalid(&path.child("effect"), effect, text));
        }
        match operator {
            "" | "Equal" => {
                let messages = names::is_label_value(value);
                if !messages.is_empty() {
                    errors.push(Error::invalid(&operator_path, value, messages.join(";")));
                }
            }
            "Exists" => {
                if !value.is_empty() {
                    let text = "value must be empty when `operator` is 'Exists'";
                    errors.push(Error::invalid(&operator_path, value, text));
                }
            }
            // Comparing is behind a gate that upstream keeps closed.
            "Lt" | "Gt" => {
                errors.push(Error::not_supported(&operator_path, operator, &["Equal", "Exists", "Lt", "Gt"]));
            }
            other => errors.push(Error::not_supported(&operator_path, other, &["Equal", "Exists"])),
        }
        if !effect.is_empty() {
            check::one_of(effect, TAINT_EFFECTS, &path.child("effect"), errors);
        }
    }
}

/// Checks `schedulingGates` and `readinessGates`.
pub(crate) fn validate_gates(spec: &Value, path: &Path, errors: &mut ErrorList) {
    for (index, gate) in list(spec, "readinessGates").iter().enumerate() {
        let path = path.child("readinessGates").index(index).child("conditionType");
        check::qualified_name(text(gate, "conditionType"), &path, errors);
    }
    let mut seen = BTreeSet::new();
    for (index, gate) in list(spec, "schedulingGates").iter().enumerate() {
        let path = path.child("schedulingGates").index(index);
        let name = text(gate, "name");
        check::qualified_name(name, &path, errors);
        if !seen.insert(name) {
            errors.push(Error::duplicate(&path, name));
        }
    }
}

/// Checks `topologySpreadConstraints`.
pub(crate) fn validate_spread(constraints: &[Value], path: &Path, errors: &mut ErrorList) {
    for (index, constraint) in constraints.iter().enumerate() {
        let path = path.index(index);
        let (key, action) = (text(constraint, "topologyKey"), text(constraint, "whenUnsatisfiable"));
        let skew = int(constraint, "maxSkew").unwrap_or(0);
        if skew <= 0 {
            errors.push(Error::invalid(&path.child("maxSkew"), skew, "must be greater than zero"));
        }
        if key.is_empty() {
            errors.push(Error::required(&path.child("topologyKey"), "can not be empty"));
        }
        let actions = ["DoNotSchedule", "ScheduleAnyway"];
        check::one_of(action, &actions, &path.child("whenUnsatisfiable"), errors);
        let repeated = constraints[index + 1..]
            .iter()
            .any(|other| text(other, "topologyKey") == key && text(other, "whenUnsatisfiable") == action);
        if repeated {
            let path = path.child("{topologyKey, whenUnsatisfiable}");
            errors.push(Error::duplicate(&path, format!("{{{key}, {action}}}")));
        }
        if let Some(domains) = int(constraint, "minDomains") {
            let path = path.child("minDomains");
            if domains <= 0 {
                errors.push(Error::invalid(&path, domains, "must be greater than zero"));
            }
            if action != "DoNotSchedule" {
                let text = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}");
                errors.push(Error::invalid(&path, domains, text));
            }
        }
        for policy in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            if has(constraint, policy) {
                check::one_of(text(constraint, policy), &["Honor", "Ignore"], &path.child(policy), errors);
            }
        }
        validate_match_label_keys(constraint, &path.child("matchLabelKeys"), errors);
        check::label_selector(&constraint["labelSelector"], &path.child("labelSelector"), errors);
    }
}

fn validate_match_label_keys(constraint: &Value, path: &Path, errors: &mut ErrorList) {
    if list(constraint, "matchLabelKeys").is_empty() {
        return;
    }
    let selector = &constraint["labelSelector"];
    if selector.is_null() {
        errors.push(Error::forbidden(path, "must not be specified when labelSelector is not set"));
    }
    for (index, key) in texts(constraint, "matchLabelKeys").enumerate() {
        let path = path.index(index);
        check::label_name(key, &path, errors);
        let selected = has(&selector["matchLabels"], key)
            || list(selector, "matchExpressions").iter().any(|expression| text(expression, "key") == key);
        if selected {
            errors.push(Error::invalid(&path, key, "exists in both matchLabelKeys and labelSelector"));
        }
    }
}

/// Checks `dnsPolicy` and `dnsConfig`.
pub(crate) fn validate_dns(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let policy = text(spec, "dnsPolicy");
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    check::required_one_of(policy, &policies, &path.child("dnsPolicy"), errors);
    let path = path.child("dnsConfig");
    let config = &spec["dnsConfig"];
    let servers = list(config, "nameservers");
    if policy == "None" {
        if config.is_null() {
            errors.push(Error::required(&path, "must provide `dnsConfig` when `dnsPolicy` is None"));
            return;
        }
        if servers.is_empty() {
            let text = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            errors.push(Error::required(&path.child("nameservers"), text));
            return;
        }
    }
    if servers.len() > NAME_SERVERS_MAX {
        let text = format!("must not have more than {NAME_SERVERS_MAX} nameservers");
        errors.push(Error::invalid(&path.child("nameservers"), config["nameservers"].clone(), text));
    }
    for (index, server) in texts(config, "nameservers").enumerate() {
        check::ip(server, &path.child("nameservers").index(index), errors);
    }
    let searches_path = path.child("searches");
    let searches: Vec<&str> = texts(config, "searches").collect();
    if searches.len() > SEARCHES_MAX {
        let text = format!("must not have more than {SEARCHES_MAX} search paths");
        errors.push(Error::invalid(&searches_path, config["searches"].clone(), text));
    }
    if searches.join(" ").len() > SEARCH_BYTES_MAX {
        let text =
            format!("must not have more than {SEARCH_BYTES_MAX} characters (including spaces) in the search list");
        errors.push(Error::invalid(&searches_path, config["searches"].clone(), text));
    }
    for (index, search) in searches.into_iter().enumerate() {
        if search != "." {
            let search = search.strip_suffix('.').unwrap_or(search);
            check::subdomain_with_underscore(search, &searches_path.index(index), errors);
        }
    }
    for (index, option) in list(config, "options").iter().enumerate() {
        if text(option, "name").is_empty() {
            errors.push(Error::required(&path.child("options").index(index), "must not be empty"));
        }
    }
}
