//! `rbac.authorization.k8s.io/v1` PolicyRule: what it matches, what it covers, and how upstream prints it.

use crate::auth::authz::Attributes;
use api_machinery::gotext::quote;
use serde::{Deserialize, Serialize};

const ALL: &str = "*";

/// One rule of a role.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rule {
    /// Verbs, or `*`.
    #[serde(deserialize_with = "nullable")]
    pub verbs: Vec<String>,
    /// API groups, or `*`.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub api_groups: Vec<String>,
    /// Resources, `resource/subresource`, `*/subresource` or `*`.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// Names; none means all.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
    /// Paths that are no resources; a `*` at the end matches every continuation.
    #[serde(rename = "nonResourceURLs", deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub non_resource_urls: Vec<String>,
}

/// Go writes empty lists as null.
fn nullable<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn has(list: &[String], item: &str) -> bool {
    list.iter().any(|own| own == item)
}

fn has_all(list: &[String], items: &[String]) -> bool {
    items.iter().all(|item| has(list, item))
}

impl Rule {
    /// Every verb on every resource.
    pub fn everything() -> Self {
        let all = || vec![ALL.to_owned()];
        Self { verbs: all(), api_groups: all(), resources: all(), ..Self::default() }
    }

    /// Every verb on every path that is no resource.
    pub fn every_path() -> Self {
        let all = || vec![ALL.to_owned()];
        Self { verbs: all(), non_resource_urls: all(), ..Self::default() }
    }

    /// Whether the rule allows it.
    pub fn allows(&self, attributes: &Attributes<'_>) -> bool {
        if !(has(&self.verbs, ALL) || has(&self.verbs, attributes.verb)) {
            return false;
        }
        if !attributes.is_resource() {
            return self.non_resource_urls.iter().any(|url| url_matches(url, attributes.path));
        }
        (has(&self.api_groups, ALL) || has(&self.api_groups, attributes.group))
            && self.resources.iter().any(|own| resource_matches(own, attributes.resource, attributes.subresource))
            && (self.resource_names.is_empty() || has(&self.resource_names, attributes.name))
    }

    /// Whether whoever holds this rule holds the other one, which must be one of [`Self::breakdown`].
    pub fn covers(&self, other: &Rule) -> bool {
        let names = match (self.resource_names.is_empty(), other.resource_names.is_empty()) {
            (true, _) => true,
            (false, true) => false,
            (false, false) => has_all(&self.resource_names, &other.resource_names),
        };
        (has(&self.verbs, ALL) || has_all(&self.verbs, &other.verbs))
            && (has(&self.api_groups, ALL) || has_all(&self.api_groups, &other.api_groups))
            && other.resources.iter().all(|resource| {
                let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
                self.resources.iter().any(|own| resource_matches(own, resource, subresource))
            })
            && other.non_resource_urls.iter().all(|url| self.non_resource_urls.iter().any(|own| url_matches(own, url)))
            && names
    }

    /// The same rights as rules of one verb, one group, one resource and at most one name.
    pub fn breakdown(&self) -> Vec<Rule> {
        let one = |text: &String| vec![text.clone()];
        let mut rules = Vec::new();
        for group in &self.api_groups {
            for resource in &self.resources {
                for verb in &self.verbs {
                    let rule =
                        Rule { verbs: one(verb), api_groups: one(group), resources: one(resource), ..Rule::default() };
                    if self.resource_names.is_empty() {
                        rules.push(rule);
                    } else {
                        let named = |name| Rule { resource_names: one(name), ..rule.clone() };
                        rules.extend(self.resource_names.iter().map(named));
                    }
                }
            }
        }
        for url in &self.non_resource_urls {
            rules.extend(self.verbs.iter().map(|verb| Rule {
                verbs: one(verb),
                non_resource_urls: one(url),
                ..Rule::default()
            }));
        }
        rules
    }

    /// `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}`.
    pub fn compact_string(&self) -> String {
        let parts: Vec<String> = [
            ("APIGroups", &self.api_groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.non_resource_urls),
            ("ResourceNames", &self.resource_names),
            ("Verbs", &self.verbs),
        ]
        .into_iter()
        .filter(|(_, list)| !list.is_empty())
        .map(|(name, list)| format!("{name}:{}", quote_list(list)))
        .collect();
        format!("{{{}}}", parts.join(", "))
    }
}

/// Go's `%q` of a list.
pub(super) fn quote_list(list: &[String]) -> String {
    format!("[{}]", list.iter().map(|item| quote(item)).collect::<Vec<_>>().join(" "))
}

/// Merges the verbs of rules for the same resource (and at most one name); others stay as they are.
pub fn compact(rules: Vec<Rule>) -> Vec<Rule> {
    let mut compacted: Vec<Rule> = Vec::new();
    for rule in rules {
        let simple = |rule: &Rule| {
            rule.api_groups.len() == 1
                && rule.resources.len() == 1
                && rule.resource_names.len() < 2
                && rule.non_resource_urls.is_empty()
        };
        let same = |other: &&mut Rule| {
            simple(other)
                && other.api_groups == rule.api_groups
                && other.resources == rule.resources
                && other.resource_names == rule.resource_names
        };
        match compacted.iter_mut().find(same).filter(|_| simple(&rule)) {
            Some(other) => other.verbs.extend(rule.verbs),
            None => compacted.push(rule),
        }
    }
    compacted
}

fn resource_matches(own: &str, resource: &str, subresource: &str) -> bool {
    match own.split_once('/') {
        _ if own == ALL => true,
        None => subresource.is_empty() && own == resource,
        Some((own_resource, own_subresource)) => {
            !subresource.is_empty()
                && own_subresource == subresource
                && (own_resource == ALL || own_resource == resource)
        }
    }
}

fn url_matches(own: &str, path: &str) -> bool {
    own == path || own.strip_suffix('*').is_some_and(|_| path.starts_with(own.trim_end_matches('*')))
}
