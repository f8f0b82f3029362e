//! What a request is about, read from method, path and query, with upstream's rules
//! (k8s.io/apiserver `pkg/endpoints/request/requestinfo.go`).
//!
//! A path whose segments are `.` or `..`, hold an encoded slash, a NUL or are no UTF-8 is refused before anything looks
//! at it, so that authorization and handlers can never read one path in two ways.

use http::{Method, Uri};
use std::borrow::Cow;
use std::ops::Range;

/// What a request wants to do. Paths that are no resources have their HTTP method as the verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
    Proxy,
    Post,
    Put,
    Head,
    Options,
    /// A method without a meaning here.
    Unknown,
}

impl Verb {
    /// As RBAC rules, logs and metrics spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
            Self::Proxy => "proxy",
            Self::Post => "post",
            Self::Put => "put",
            Self::Head => "head",
            Self::Options => "options",
            Self::Unknown => "",
        }
    }

    /// Whether it leaves everything as it is; counts for the limit of requests in flight.
    pub const fn is_read(self) -> bool {
        matches!(self, Self::Get | Self::List | Self::Watch | Self::Head | Self::Options)
    }
}

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// `.` or `..`
    #[error("path segments \".\" and \"..\" are not allowed")]
    Dots,
    /// `%2F`
    #[error("encoded slashes in the path are not allowed")]
    EncodedSlash,
    /// NUL or another control character.
    #[error("control characters in the path are not allowed")]
    Control,
    /// A broken percent escape or bytes that are no UTF-8.
    #[error("the path is not properly encoded")]
    Encoding,
    /// `/api/v1/watch` and nothing behind.
    #[error("unable to determine kind and namespace from url")]
    SpecialVerbAlone,
    /// Longer than [`PATH_BYTES_MAX`].
    #[error("the path is too long")]
    TooLong,
}

/// The longest path that is looked at; longer ones are refused. No real path comes near.
pub const PATH_BYTES_MAX: usize = 8192;

/// What a request is about. The parts borrow from the decoded path: one allocation a request.
#[derive(Clone, Debug)]
pub struct RequestInfo {
    path: Box<str>,
    verb: Verb,
    is_resource: bool,
    group: Span,
    version: Span,
    namespace: Span,
    resource: Span,
    subresource: Span,
    name: Span,
    parts: u16,
    selected_name: Option<Box<str>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Span {
    start: u16,
    end: u16,
}

impl RequestInfo {
    /// Reads method and URI.
    ///
    /// # Errors
    /// The path is one that is never served; see [`BadPath`].
    pub fn new(method: &Method, uri: &Uri) -> Result<Self, BadPath> {
        Self::from_parts(method, uri.path(), uri.query().unwrap_or(""))
    }

    /// Reads method, raw path and raw query.
    ///
    /// # Errors
    /// See [`Self::new`].
    pub fn from_parts(method: &Method, path: &str, query: &str) -> Result<Self, BadPath> {
        let path = decode_path(path)?;
        let mut info = Self {
            path,
            verb: method_verb(method),
            is_resource: false,
            group: Span::default(),
            version: Span::default(),
            namespace: Span::default(),
            resource: Span::default(),
            subresource: Span::default(),
            name: Span::default(),
            parts: 0,
            selected_name: None,
        };
        info.parse(method, query)?;
        Ok(info)
    }

    fn parse(&mut self, method: &Method, query: &str) -> Result<(), BadPath> {
        let path = std::mem::take(&mut self.path);
        let outcome = self.parse_segments(&path, method, query);
        self.path = path;
        outcome
    }

    fn parse_segments(&mut self, path: &str, method: &Method, query: &str) -> Result<(), BadPath> {
        let spans = split(path);
        let text = |span: Span| &path[span.range()];
        let mut rest: &[Span] = &spans;
        if rest.len() < 3 {
            return Ok(());
        }
        match text(rest[0]) {
            "api" => rest = &rest[1..],
            "apis" if rest.len() >= 4 => {
                self.group = rest[1];
                rest = &rest[2..];
            }
            _ => return Ok(()),
        }
        self.is_resource = true;
        self.version = rest[0];
        rest = &rest[1..];

        let mut whole_name = false;
        match text(rest[0]) {
            special @ ("watch" | "proxy") => {
                if rest.len() < 2 {
                    return Err(BadPath::SpecialVerbAlone);
                }
                self.verb = if special == "watch" { Verb::Watch } else { Verb::Proxy };
                whole_name = true;
                rest = &rest[1..];
            }
            _ => self.verb = resource_verb(method),
        }
        if text(rest[0]) == "namespaces" && rest.len() > 1 {
            self.namespace = rest[1];
            if rest.len() > 2 && !matches!(text(rest[2]), "status" | "finalize") {
                rest = &rest[2..];
            }
        }
        self.parts = rest.len() as u16;
        self.resource = rest[0];
        if let Some(name) = rest.get(1) {
            self.name = *name;
        }
        if let (Some(subresource), false) = (rest.get(2), whole_name) {
            self.subresource = *subresource;
        }
        if self.name.is_empty() && self.verb == Verb::Get {
            self.verb = if wants_watch(query) { Verb::Watch } else { Verb::List };
            self.selected_name = name_by_field_selector(query);
        } else if self.name.is_empty() && self.verb == Verb::Delete {
            self.verb = Verb::DeleteCollection;
        }
        Ok(())
    }

    /// The path, decoded.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What the request wants to do.
    pub fn verb(&self) -> Verb {
        self.verb
    }

    /// Whether the path is that of a resource: `/api/V/...` or `/apis/G/V/...`.
    pub fn is_resource(&self) -> bool {
        self.is_resource
    }

    /// The API group; empty for the core group.
    pub fn group(&self) -> &str {
        self.text(self.group)
    }

    /// The version in the group.
    pub fn version(&self) -> &str {
        self.text(self.version)
    }

    /// Whether the namespace is what the path names, and nothing within it.
    pub fn is_namespace_itself(&self) -> bool {
        self.namespace == self.name
    }

    /// The namespace; of a Namespace, its own name; empty for what has none and for all namespaces.
    pub fn namespace(&self) -> &str {
        self.text(self.namespace)
    }

    /// The resource, in its plural.
    pub fn resource(&self) -> &str {
        self.text(self.resource)
    }

    /// The subresource, if any.
    pub fn subresource(&self) -> &str {
        self.text(self.subresource)
    }

    /// The name in the path; empty for collections.
    pub fn name(&self) -> &str {
        self.text(self.name)
    }

    /// The name that authorization looks at: that of the path, or the one a field selector pins a list or watch to.
    pub fn authorized_name(&self) -> &str {
        self.selected_name.as_deref().unwrap_or_else(|| self.name())
    }

    /// How many segments follow the namespace: resource, name, subresource and whatever comes behind.
    pub fn part_count(&self) -> usize {
        usize::from(self.parts)
    }

    /// Whether the answer may take as long as it likes: such requests count for no limit in flight and no deadline.
    pub fn is_long_running(&self) -> bool {
        self.verb == Verb::Watch
            || self.verb == Verb::Proxy
            || (self.is_resource && matches!(self.subresource(), "attach" | "exec" | "proxy" | "log" | "portforward"))
    }

    fn text(&self, span: Span) -> &str {
        &self.path[span.range()]
    }
}

impl Span {
    fn range(self) -> Range<usize> {
        usize::from(self.start)..usize::from(self.end)
    }

    fn is_empty(self) -> bool {
        self.start == self.end
    }
}

fn method_verb(method: &Method) -> Verb {
    match *method {
        Method::GET => Verb::Get,
        Method::POST => Verb::Post,
        Method::PUT => Verb::Put,
        Method::PATCH => Verb::Patch,
        Method::DELETE => Verb::Delete,
        Method::HEAD => Verb::Head,
        Method::OPTIONS => Verb::Options,
        _ => Verb::Unknown,
    }
}

fn resource_verb(method: &Method) -> Verb {
    match *method {
        Method::GET | Method::HEAD => Verb::Get,
        Method::POST => Verb::Create,
        Method::PUT => Verb::Update,
        Method::PATCH => Verb::Patch,
        Method::DELETE => Verb::Delete,
        _ => Verb::Unknown,
    }
}

/// The segments between the outer slashes; none for the root.
fn split(path: &str) -> smallvec::SmallVec<[Span; 10]> {
    let start = path.len() - path.trim_start_matches('/').len();
    let end = path.trim_end_matches('/').len().max(start);
    let mut spans = smallvec::SmallVec::new();
    if start == end {
        return spans;
    }
    let mut from = start;
    for (at, byte) in path.bytes().enumerate().take(end).skip(start) {
        if byte == b'/' {
            spans.push(Span { start: from as u16, end: at as u16 });
            from = at + 1;
        }
    }
    spans.push(Span { start: from as u16, end: end as u16 });
    spans
}

fn decode_path(raw: &str) -> Result<Box<str>, BadPath> {
    if raw.len() > PATH_BYTES_MAX {
        return Err(BadPath::TooLong);
    }
    let path: Cow<'_, str> = if raw.contains('%') { Cow::Owned(percent_decode(raw)?) } else { Cow::Borrowed(raw) };
    if path.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return Err(BadPath::Control);
    }
    if path.contains("/.") && path.split('/').any(|segment| segment == "." || segment == "..") {
        return Err(BadPath::Dots);
    }
    Ok(path.into())
}

fn percent_decode(raw: &str) -> Result<String, BadPath> {
    let mut bytes = raw.bytes();
    let mut out = Vec::with_capacity(raw.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16)).ok_or(BadPath::Encoding);
        let value = digit()? * 16 + digit()?;
        if value == u32::from(b'/') {
            return Err(BadPath::EncodedSlash);
        }
        out.push(value as u8);
    }
    String::from_utf8(out).map_err(|_| BadPath::Encoding)
}

fn wants_watch(query: &str) -> bool {
    match parameter(query, "watch") {
        None => false,
        Some(value) => !matches!(value.to_ascii_lowercase().as_str(), "false" | "0"),
    }
}

/// The name of `fieldSelector=metadata.name=x`: such a list or watch may be allowed by `resourceNames`.
fn name_by_field_selector(query: &str) -> Option<Box<str>> {
    let selector = parameter(query, "fieldSelector")?;
    selector.split(',').find_map(|term| {
        let value = term.strip_prefix("metadata.name=")?;
        let name = value.strip_prefix('=').unwrap_or(value);
        let valid = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '%', '\\', '=']);
        valid.then(|| name.into())
    })
}

/// The first value of a query parameter, decoded.
pub fn parameter<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then(|| decode_value(value))
    })
}

/// A query value, `+` for a space; what is no proper escape stands for itself.
pub fn decode_value(value: &str) -> Cow<'_, str> {
    if !value.contains(['%', '+']) {
        return Cow::Borrowed(value);
    }
    let bytes = value.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = |offset: usize| bytes.get(at + offset).and_then(|byte| char::from(*byte).to_digit(16));
        match (bytes[at], hex(1), hex(2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (b'+', ..) => {
                out.push(b' ');
                at += 1;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests;
