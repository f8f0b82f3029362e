//! Options of writes, from the query or a body, checked with upstream's texts.

use crate::handlers::query::{Query, is_true};
use api_machinery::field::{Error, ErrorList, Path};
use api_machinery::gvk::GroupKind;
use api_machinery::schema::FieldValidation;
use api_machinery::status::Status;
use serde_json::Value;

const META_GROUP: &str = "meta.k8s.io";
/// Upstream's limit of a field manager's name.
const FIELD_MANAGER_CHARS_MAX: usize = 128;

/// Options of create, update and patch.
#[derive(Clone, Copy, Debug, Default)]
pub struct WriteOptions {
    /// Do everything but store.
    pub dry_run: bool,
    /// What happens to unknown fields.
    pub field_validation: FieldValidation,
}

impl WriteOptions {
    /// Reads the query. `kind` is CreateOptions, UpdateOptions or PatchOptions.
    ///
    /// # Errors
    /// 422 with upstream's text.
    pub fn parse(query: Query<'_>, kind: &str) -> Result<Self, Status> {
        if query.is_empty() {
            return Ok(Self::default());
        }
        let mut errors = ErrorList::new();
        let dry_run = dry_run(&query.all("dryRun"), &mut errors);
        let manager = query.text("fieldManager");
        let path = Path::root("fieldManager");
        if manager.chars().count() > FIELD_MANAGER_CHARS_MAX {
            errors.push(Error::too_long(&path, FIELD_MANAGER_CHARS_MAX));
        }
        for (at, character) in manager.chars().enumerate() {
            if character.is_control() {
                let detail = format!("invalid character U+{:04X} (at position {at})", u32::from(character));
                errors.push(Error::invalid(&path, &*manager, detail));
            }
        }
        let field_validation = FieldValidation::parse(&query.text("fieldValidation")).unwrap_or_else(|error| {
            errors.push(error);
            FieldValidation::default()
        });
        if kind == "PatchOptions" && query.get("force").is_some() {
            errors.push(Error::forbidden(&Path::root("force"), "may not be specified for non-apply patch"));
        }
        check(kind, &errors)?;
        Ok(Self { dry_run, field_validation })
    }
}

/// What becomes of the objects that an object owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They stay.
    Orphan,
    /// They are deleted afterwards.
    Background,
    /// They are deleted before.
    Foreground,
}

/// Options of delete and deletecollection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Seconds that a pod gets; 0 is at once.
    pub grace_period_seconds: Option<i64>,
    /// The object must have this uid.
    pub uid: Option<String>,
    /// The object must have this resourceVersion.
    pub resource_version: Option<String>,
    /// The old way to say [`Propagation`].
    pub orphan_dependents: Option<bool>,
    /// What becomes of dependents.
    pub propagation: Option<Propagation>,
    /// Do everything but store.
    pub dry_run: bool,
}

impl DeleteOptions {
    /// Reads the query of a request without a body.
    ///
    /// # Errors
    /// 400 for what is no number, 422 for what is no option.
    pub fn from_query(query: Query<'_>) -> Result<Self, Status> {
        if query.is_empty() {
            return Ok(Self::default());
        }
        let policy = query.get("propagationPolicy").map(std::borrow::Cow::into_owned);
        let orphan = query.get("orphanDependents").map(|value| is_true(&value));
        let options = Self {
            grace_period_seconds: query.number("gracePeriodSeconds")?,
            orphan_dependents: orphan,
            ..Self::default()
        };
        options.finish(policy.as_deref(), &query.all("dryRun"))
    }

    /// Reads a body that has been decoded.
    ///
    /// # Errors
    /// 400 for what is no DeleteOptions, 422 for what is no option.
    pub fn from_body(body: &Value) -> Result<Self, Status> {
        let kind = body.get("kind").and_then(Value::as_str).unwrap_or("DeleteOptions");
        if kind != "DeleteOptions" {
            return Err(Status::bad_request("decoded object cannot be converted to DeleteOptions"));
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let preconditions = &body["preconditions"];
        let options = Self {
            grace_period_seconds: body["gracePeriodSeconds"].as_i64(),
            uid: text(&preconditions["uid"]),
            resource_version: text(&preconditions["resourceVersion"]),
            orphan_dependents: body["orphanDependents"].as_bool(),
            ..Self::default()
        };
        let dry_run: Vec<String> = body["dryRun"].as_array().into_iter().flatten().filter_map(text).collect();
        options.finish(body["propagationPolicy"].as_str(), &dry_run)
    }

    fn finish(mut self, policy: Option<&str>, dry_run_values: &[String]) -> Result<Self, Status> {
        let mut errors = ErrorList::new();
        let path = Path::root("propagationPolicy");
        if let (Some(_), Some(policy)) = (self.orphan_dependents, policy) {
            errors.push(Error::invalid(&path, policy, "orphanDependents and deletionPropagation cannot be both set"));
        }
        self.propagation = match policy {
            None => None,
            Some("Orphan") => Some(Propagation::Orphan),
            Some("Background") => Some(Propagation::Background),
            Some("Foreground") => Some(Propagation::Foreground),
            Some(other) => {
                errors.push(Error::not_supported(&path, other, &["Foreground", "Background", "Orphan", "nil"]));
                None
            }
        };
        self.dry_run = dry_run(dry_run_values, &mut errors);
        check("DeleteOptions", &errors)?;
        // Upstream treats a negative period as one second.
        self.grace_period_seconds = self.grace_period_seconds.map(|seconds| if seconds < 0 { 1 } else { seconds });
        Ok(self)
    }
}

fn dry_run(values: &[String], errors: &mut ErrorList) -> bool {
    if values.iter().any(|value| value != "All") {
        errors.push(Error::not_supported(&Path::root("dryRun"), serde_json::json!(values), &["All"]));
    }
    !values.is_empty()
}

fn check(kind: &str, errors: &ErrorList) -> Result<(), Status> {
    if errors.is_empty() { Ok(()) } else { Err(Status::invalid(GroupKind { group: META_GROUP, kind }, "", errors)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    // proves: AM-10
    #[test]
    fn dry_run_is_all_or_nothing() {
        let of = |query| WriteOptions::parse(Query::new(query), "CreateOptions");
        assert!(of("dryRun=All").expect("fine").dry_run);
        assert!(!of("fieldManager=kubectl").expect("fine").dry_run);
        let status = of("dryRun=Some").expect_err("unknown");
        assert_eq!(status.code, 422);
        assert_eq!(
            status.message,
            r#"CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some"]: supported values: "All""#
        );
    }

    // proves: AM-04
    #[test]
    fn delete_options_come_from_query_or_body() {
        let query =
            DeleteOptions::from_query(Query::new("gracePeriodSeconds=-5&propagationPolicy=Orphan")).expect("fine");
        assert_eq!(query.grace_period_seconds, Some(1));
        assert_eq!(query.propagation, Some(Propagation::Orphan));
        let body =
            json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "u"}, "dryRun": ["All"]});
        let body = DeleteOptions::from_body(&body).expect("fine");
        assert_eq!((body.uid.as_deref(), body.dry_run), (Some("u"), true));
        let both = json!({"orphanDependents": true, "propagationPolicy": "Orphan"});
        assert_eq!(
            DeleteOptions::from_body(&both).expect_err("both").message,
            "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Invalid value: \"Orphan\": orphanDependents and \
             deletionPropagation cannot be both set"
        );
        let unknown = DeleteOptions::from_query(Query::new("propagationPolicy=Later")).expect_err("unknown");
        assert!(unknown.message.contains("propagationPolicy: Unsupported value: \"Later\""), "{}", unknown.message);
    }
}
