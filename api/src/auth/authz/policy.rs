//! All roles and bindings, compiled: who has which roles, and which rules the roles hold.

use crate::auth::UserInfo;
use crate::auth::authz::{Attributes, Rule};
use api_machinery::gotext::quote;
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// What a binding refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RoleRef {
    /// Always the RBAC group.
    pub api_group: String,
    /// `Role` or `ClusterRole`.
    pub kind: String,
    /// Name of the role.
    pub name: String,
}

/// Whom a binding is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Subject {
    /// `User`, `Group` or `ServiceAccount`.
    pub kind: String,
    /// Name of the user, group or service account.
    pub name: String,
    /// Namespace of a service account.
    pub namespace: String,
}

/// A binding, as far as decisions need it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Binding {
    /// The role that is granted.
    pub role_ref: RoleRef,
    #[serde(deserialize_with = "nullable")]
    subjects: Vec<Subject>,
}

/// A role, as far as decisions need it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Role {
    #[serde(deserialize_with = "nullable")]
    rules: Vec<Rule>,
}

fn nullable<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// All roles and bindings. The empty namespace is the cluster scope.
#[derive(Debug, Default)]
pub struct Policy {
    roles: HashMap<String, HashMap<String, Arc<[Rule]>>>,
    scopes: HashMap<String, Scope>,
}

/// The bindings of one namespace or of the cluster.
#[derive(Debug, Default)]
struct Scope {
    bindings: HashMap<String, Arc<Bound>>,
    users: HashMap<String, Vec<Held>>,
    groups: HashMap<String, Vec<Held>>,
}

#[derive(Debug)]
struct Bound {
    name: String,
    binding: Binding,
}

/// One subject's share of a binding.
#[derive(Clone, Debug)]
struct Held {
    bound: Arc<Bound>,
    subject: usize,
}

/// Why something is allowed; prints as upstream does.
#[derive(Debug)]
pub struct Grant<'a> {
    held: &'a Held,
    namespace: &'a str,
}

impl fmt::Display for Grant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Bound { name, binding } = &*self.held.bound;
        let subject = &binding.subjects[self.held.subject];
        let (kind, binding_name) = match self.namespace {
            "" => ("ClusterRoleBinding", quote(name)),
            namespace => ("RoleBinding", quote(&format!("{name}/{namespace}"))),
        };
        write!(f, "{kind} {binding_name} of {} {} to ", binding.role_ref.kind, quote(&binding.role_ref.name))?;
        if subject.kind == "ServiceAccount" {
            let namespace = if subject.namespace.is_empty() { self.namespace } else { &subject.namespace };
            write!(f, "ServiceAccount {}", quote(&format!("{}/{namespace}", subject.name)))
        } else {
            write!(f, "{} {}", subject.kind, quote(&subject.name))
        }
    }
}

impl Policy {
    /// Adds or replaces a Role, or, without a namespace, a ClusterRole.
    pub fn set_role(&mut self, namespace: &str, name: &str, role: Role) {
        self.roles.entry(namespace.to_owned()).or_default().insert(name.to_owned(), role.rules.into());
    }

    /// Forgets a role.
    pub fn remove_role(&mut self, namespace: &str, name: &str) {
        if let Some(roles) = self.roles.get_mut(namespace) {
            roles.remove(name);
            if roles.is_empty() {
                self.roles.remove(namespace);
            }
        }
    }

    /// Adds or replaces a RoleBinding, or, without a namespace, a ClusterRoleBinding.
    pub fn set_binding(&mut self, namespace: &str, name: &str, binding: Binding) {
        self.remove_binding(namespace, name);
        let scope = self.scopes.entry(namespace.to_owned()).or_default();
        let bound = Arc::new(Bound { name: name.to_owned(), binding });
        for (index, subject) in bound.binding.subjects.iter().enumerate() {
            if let Some((map, key)) = scope.place(subject, namespace) {
                map.entry(key).or_default().push(Held { bound: Arc::clone(&bound), subject: index });
            }
        }
        scope.bindings.insert(name.to_owned(), bound);
    }

    /// Forgets a binding.
    pub fn remove_binding(&mut self, namespace: &str, name: &str) {
        let Some(scope) = self.scopes.get_mut(namespace) else { return };
        let Some(bound) = scope.bindings.remove(name) else { return };
        for subject in &bound.binding.subjects {
            let Some((map, key)) = scope.place(subject, namespace) else { continue };
            if let Some(held) = map.get_mut(&key) {
                held.retain(|held| !Arc::ptr_eq(&held.bound, &bound));
                if held.is_empty() {
                    map.remove(&key);
                }
            }
        }
        if scope.bindings.is_empty() {
            self.scopes.remove(namespace);
        }
    }

    /// Names of all roles or bindings, with their namespaces, to find those that are gone.
    pub fn role_names(&self, cluster: bool) -> Vec<(String, String)> {
        names(self.roles.iter().map(|(namespace, roles)| (namespace, roles.keys())), cluster)
    }

    /// See [`Self::role_names`].
    pub fn binding_names(&self, cluster: bool) -> Vec<(String, String)> {
        names(self.scopes.iter().map(|(namespace, scope)| (namespace, scope.bindings.keys())), cluster)
    }

    /// The rules of a role that is referred to from a namespace (empty: from the cluster scope).
    pub fn rules_of(&self, role: &RoleRef, namespace: &str) -> Option<&Arc<[Rule]>> {
        let namespace = if role.kind == "Role" { namespace } else { "" };
        self.roles.get(namespace)?.get(&role.name)
    }

    /// What allows it, if anything.
    pub fn grant<'a>(&'a self, attributes: &Attributes<'a>) -> Option<Grant<'a>> {
        self.held(attributes.user, attributes.namespace).find_map(|(namespace, held)| {
            let rules = self.rules_of(&held.bound.binding.role_ref, namespace)?;
            rules.iter().any(|rule| rule.allows(attributes)).then_some(Grant { held, namespace })
        })
    }

    /// Every rule the user has, and one error for each binding whose role does not exist.
    pub fn rules_for(&self, user: &UserInfo, namespace: &str) -> (Vec<Rule>, Vec<String>) {
        let (mut rules, mut errors) = (Vec::new(), Vec::new());
        for (scope, held) in self.held(user, namespace) {
            let role = &held.bound.binding.role_ref;
            match self.rules_of(role, scope) {
                Some(found) => rules.extend(found.iter().cloned()),
                None => {
                    let error = missing(role);
                    if !errors.contains(&error) {
                        errors.push(error);
                    }
                }
            }
        }
        (rules, errors)
    }

    /// The reason of a refusal: roles that bindings of the user name and that do not exist, behind the authorizer's name
    /// as upstream's union of authorizers puts it. Mostly empty.
    pub fn gaps(&self, user: &UserInfo, namespace: &str) -> String {
        let mut errors: Vec<String> = Vec::new();
        for (scope, held) in self.held(user, namespace) {
            let role = &held.bound.binding.role_ref;
            if self.rules_of(role, scope).is_none() {
                let error = missing(role);
                if !errors.contains(&error) {
                    errors.push(error);
                }
            }
        }
        match errors.as_slice() {
            [] => String::new(),
            [one] => format!("rbac: RBAC: {one}"),
            many => format!("rbac: RBAC: [{}]", many.join(", ")),
        }
    }

    fn held<'a>(&'a self, user: &'a UserInfo, namespace: &'a str) -> impl Iterator<Item = (&'a str, &'a Held)> {
        let of = |scope: &'a Scope| {
            let groups = user.groups.iter().filter_map(|group| scope.groups.get(group));
            scope.users.get(&user.name).into_iter().chain(groups).flatten()
        };
        let cluster = self.scopes.get("").map(of).into_iter().flatten().map(|held| ("", held));
        let local = if namespace.is_empty() { None } else { self.scopes.get(namespace) };
        cluster.chain(local.map(of).into_iter().flatten().map(move |held| (namespace, held)))
    }
}

impl Scope {
    fn place(&mut self, subject: &Subject, namespace: &str) -> Option<(&mut HashMap<String, Vec<Held>>, String)> {
        match subject.kind.as_str() {
            "User" => Some((&mut self.users, subject.name.clone())),
            "Group" => Some((&mut self.groups, subject.name.clone())),
            "ServiceAccount" => {
                let namespace = if subject.namespace.is_empty() { namespace } else { &subject.namespace };
                let name = format!("system:serviceaccount:{namespace}:{}", subject.name);
                (!namespace.is_empty()).then_some((&mut self.users, name))
            }
            _ => None,
        }
    }
}

fn missing(role: &RoleRef) -> String {
    let resource = if role.kind == "Role" { "role" } else { "clusterrole" };
    format!("{resource}.rbac.authorization.k8s.io {} not found", quote(&role.name))
}

fn names<'a>(
    scopes: impl Iterator<Item = (&'a String, impl Iterator<Item = &'a String>)>,
    cluster: bool,
) -> Vec<(String, String)> {
    scopes
        .filter(|(namespace, _)| namespace.is_empty() == cluster)
        .flat_map(|(namespace, names)| names.map(move |name| (namespace.clone(), name.clone())))
        .collect()
}
