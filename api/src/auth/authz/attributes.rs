//! What is to be decided about.

use crate::auth::UserInfo;
use crate::filters::request_info::RequestInfo;
use api_machinery::status;

/// Who wants to do what to what.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    /// Who.
    pub user: &'a UserInfo,
    /// API verb, or the HTTP method in lower case for other paths.
    pub verb: &'a str,
    /// API group.
    pub group: &'a str,
    /// API version; no rule looks at it.
    pub version: &'a str,
    /// Plural; empty for a request that is not about a resource.
    pub resource: &'a str,
    /// Subresource or empty.
    pub subresource: &'a str,
    /// Name or empty.
    pub name: &'a str,
    /// Namespace, or empty at the cluster scope.
    pub namespace: &'a str,
    /// Path of a request that is not about a resource.
    pub path: &'a str,
}

impl<'a> Attributes<'a> {
    /// Those of a request.
    pub fn of_request(user: &'a UserInfo, info: &'a RequestInfo) -> Self {
        Self {
            user,
            verb: info.verb().as_str(),
            group: info.group(),
            version: info.version(),
            resource: info.resource(),
            subresource: info.subresource(),
            name: info.authorized_name(),
            namespace: info.namespace(),
            path: info.path(),
        }
    }

    /// Those of an action on an object.
    pub fn on_object(user: &'a UserInfo, verb: &'a str, group: &'a str, resource: &'a str, name: &'a str) -> Self {
        Self { user, verb, group, version: "*", resource, subresource: "", name, namespace: "", path: "" }
    }

    /// The same in a namespace.
    pub fn in_namespace(self, namespace: &'a str) -> Self {
        Self { namespace, ..self }
    }

    /// Whether it is about a resource.
    pub fn is_resource(&self) -> bool {
        !self.resource.is_empty()
    }

    /// As the sentence of a refusal wants them.
    pub fn for_status(&self) -> status::Attributes<'a> {
        status::Attributes {
            user: &self.user.name,
            verb: self.verb,
            group: self.group,
            resource: self.resource,
            subresource: self.subresource,
            name: self.name,
            namespace: self.namespace,
            path: self.path,
        }
    }
}
