//! The way from the root of an object to one of its fields.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Path to a field, such as `spec.containers[0].env[name]`. Cheap to clone and to extend.
#[derive(Clone, Debug)]
pub struct Path(Arc<Node>);

#[derive(Debug)]
struct Node {
    parent: Option<Path>,
    segment: Segment,
}

#[derive(Debug)]
enum Segment {
    Name(Cow<'static, str>),
    Index(usize),
    Key(String),
}

impl Path {
    /// A path of one named field.
    pub fn root(name: impl Into<Cow<'static, str>>) -> Path {
        Path::new(None, Segment::Name(name.into()))
    }

    /// A path of several named fields, outermost first.
    ///
    /// ```
    /// assert_eq!(api_machinery::field::Path::of(&["spec", "replicas"]).to_string(), "spec.replicas");
    /// ```
    pub fn of(names: &[&'static str]) -> Path {
        let mut names = names.iter();
        let first = Path::root(names.next().copied().unwrap_or_default());
        names.fold(first, |path, name| path.child(*name))
    }

    /// The named field below this one.
    pub fn child(&self, name: impl Into<Cow<'static, str>>) -> Path {
        Path::new(Some(self.clone()), Segment::Name(name.into()))
    }

    /// The list item at `index`, written `[index]`.
    pub fn index(&self, index: usize) -> Path {
        Path::new(Some(self.clone()), Segment::Index(index))
    }

    /// The map entry at `key`, written `[key]`.
    pub fn key(&self, key: impl Into<String>) -> Path {
        Path::new(Some(self.clone()), Segment::Key(key.into()))
    }

    fn new(parent: Option<Path>, segment: Segment) -> Path {
        Path(Arc::new(Node { parent, segment }))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = &self.0.parent {
            parent.fmt(f)?;
        }
        match &self.0.segment {
            Segment::Name(name) if self.0.parent.is_some() => write!(f, ".{name}"),
            Segment::Name(name) if name.is_empty() => f.write_str("[]"),
            Segment::Name(name) => f.write_str(name),
            Segment::Index(index) => write!(f, "[{index}]"),
            Segment::Key(key) => write!(f, "[{key}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_prints_as_upstream_does() {
        let path = Path::root("spec").child("containers").index(2).child("resources").key("cpu").child("x");
        assert_eq!(path.to_string(), "spec.containers[2].resources[cpu].x");
        assert_eq!(Path::of(&["metadata", "labels"]).to_string(), "metadata.labels");
        assert_eq!(Path::of(&["spec"]).to_string(), "spec");
        assert_eq!(Path::root("").to_string(), "[]", "the whole object");
    }
}
