//! Deletion: preconditions, grace, finalizers, propagation; then storage decides and deletes in one transaction.
//!
//! The rules are those of upstream's `rest.BeforeDelete` and of its generic store: a deletion that has to wait marks the
//! object once; a repeated one may shorten the grace period or choose another propagation.

use super::kind::Kind;
use super::metadata;
use super::options::{DeleteOptions, Propagation};
use super::strategy::{Cx, Grace};
use super::update::refusal;
use super::{Object, Registry};
use crate::admission;
use api_machinery::gvk::GroupResource;
use api_machinery::meta::{self, FINALIZER_FOREGROUND, FINALIZER_ORPHAN};
use api_machinery::status::{Details, SUCCESS, Status};
use api_storage::{Change, Outcome, Preconditions, ReadRevision, Stored};
use serde_json::Value;
use std::sync::Arc;

/// How a deletion ended.
#[derive(Debug)]
pub enum Deleted {
    /// The object is gone (or would be, in a dry run) and the answer is a Status.
    Gone(Box<Status>),
    /// The object is gone and the answer is its last state.
    GoneObject(Object),
    /// The object is marked and waits for its finalizers or its grace period.
    Pending(Object),
}

enum Decision {
    /// At once. What is answered, where it is not the stored object: a pod's last state says that it had no grace.
    Delete(Option<Value>),
    Mark(Value),
    AlreadyPending,
}

impl Registry {
    /// Deletes an object, or marks it for deletion.
    ///
    /// # Errors
    /// Every refusal as the Status that upstream answers.
    pub async fn delete(
        &self,
        kind: &Kind,
        cx: &Cx<'_>,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<Deleted, Status> {
        admission::delete(kind, name)?;
        let store = kind.store()?;
        if cx.dry_run {
            return self.imagine_delete(kind, cx, name, options).await;
        }
        let mut pending = false;
        let mut last = None;
        let result = store
            .guaranteed_update(
                kind.scope(cx.namespace),
                name,
                &Preconditions::default(),
                kind.ttl(),
                |stored: &Arc<Stored>, old| {
                    check_preconditions(kind, stored.name(), stored.uid(), stored.resource_version(), options)?;
                    pending = true;
                    Ok(match decide(kind, cx, options, old) {
                        Decision::Delete(marked) => {
                            pending = false;
                            last = marked;
                            Change::Delete
                        }
                        Decision::Mark(value) => {
                            let fields = kind.strategy.fields(&value);
                            Change::Write { value, fields }
                        }
                        Decision::AlreadyPending => Change::Nothing,
                    })
                },
            )
            .await;
        let updated = result.map_err(|error| refusal(kind, name, error))?;
        if updated.outcome != Outcome::Deleted {
            debug_assert!(pending, "what is not deleted is pending");
            return Ok(Deleted::Pending(Object::Stored(updated.object)));
        }
        self.after_delete(kind, &updated.object).await;
        if kind.strategy.returns_deleted_object() {
            return Ok(Deleted::GoneObject(last.map_or(Object::Stored(updated.object), Object::Imagined)));
        }
        Ok(Deleted::Gone(Box::new(success(kind, name, updated.object.uid()))))
    }

    async fn imagine_delete(
        &self,
        kind: &Kind,
        cx: &Cx<'_>,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<Deleted, Status> {
        let fail = |error| kind.status(&error, name);
        let read = kind.store()?.get(kind.scope(cx.namespace), name, ReadRevision::Consistent).await;
        let stored = read.map_err(fail)?;
        check_preconditions(kind, stored.name(), stored.uid(), stored.resource_version(), options)?;
        let uid = stored.uid().to_owned();
        Ok(match decide(kind, cx, options, stored.decode().map_err(fail)?) {
            Decision::Delete(last) if kind.strategy.returns_deleted_object() => {
                Deleted::GoneObject(last.map_or(Object::Stored(stored), Object::Imagined))
            }
            Decision::Delete(_) => Deleted::Gone(Box::new(success(kind, name, &uid))),
            Decision::Mark(value) => Deleted::Pending(Object::Imagined(value)),
            Decision::AlreadyPending => Deleted::Pending(Object::Stored(stored)),
        })
    }
}

/// The Status of a deletion that is done.
fn success(kind: &Kind, name: &str, uid: &str) -> Status {
    let mut status = Status::success(Details {
        name: name.to_owned(),
        group: kind.info.group.to_owned(),
        kind: kind.info.resource.to_owned(),
        uid: uid.to_owned(),
        ..Details::default()
    });
    status.status = SUCCESS.to_owned();
    status
}

/// Whether the options mean this object.
///
/// # Errors
/// 409 for one with another uid or another resourceVersion.
pub(super) fn check_preconditions(
    kind: &Kind,
    name: &str,
    current_uid: &str,
    resource_version: impl ToString,
    options: &DeleteOptions,
) -> Result<(), Status> {
    let resource = GroupResource { group: kind.info.group, resource: kind.info.kind };
    if let Some(uid) = options.uid.as_deref().filter(|uid| *uid != current_uid) {
        return Err(Status::conflict(
            resource,
            name,
            format_args!(
                "the UID in the precondition ({uid}) does not match the UID in record ({current_uid}). The object might \
                 have been deleted and then recreated"
            ),
        ));
    }
    let current = resource_version.to_string();
    if let Some(wanted) = options.resource_version.as_deref().filter(|wanted| *wanted != current) {
        return Err(Status::conflict(
            resource,
            name,
            format_args!(
                "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record \
                 ({current}). The object might have been modified"
            ),
        ));
    }
    Ok(())
}

fn decide(kind: &Kind, cx: &Cx<'_>, options: &DeleteOptions, mut object: Value) -> Decision {
    let strategy = kind.strategy;
    if meta::deletion_timestamp(&object).is_some() {
        return repeat(kind, cx, options, object);
    }
    let finalizers = finalizers_for(kind, options, &object);
    let held = !finalizers.is_empty() || strategy.held(&object);
    let grace = match strategy.grace(&object, options.grace_period_seconds) {
        Grace::None if !held => return Decision::Delete(None),
        Grace::None => 0,
        Grace::Seconds(seconds) => seconds,
    };
    meta::set_finalizers(&mut object, finalizers);
    metadata::mark_deleting(&mut object, cx.now, grace);
    if strategy.counts_deletion() {
        metadata::count_deletion(&mut object);
    }
    strategy.mark_deleting(&mut object);
    if held || grace > 0 { Decision::Mark(object) } else { Decision::Delete(Some(object)) }
}

/// A deletion of what is being deleted: it may shorten the grace period, choose another propagation, and finish what
/// nothing holds any more.
fn repeat(kind: &Kind, cx: &Cx<'_>, options: &DeleteOptions, mut object: Value) -> Decision {
    if kind.strategy.held(&object) {
        return Decision::AlreadyPending;
    }
    let finalizers = finalizers_for(kind, options, &object);
    let rechosen = !finalizers.iter().map(String::as_str).eq(meta::finalizers(&object));
    let held = !finalizers.is_empty();
    let left = meta::deletion_grace_period_seconds(&object).unwrap_or(0).max(0);
    let wanted = match kind.strategy.grace(&object, options.grace_period_seconds) {
        Grace::None => 0,
        Grace::Seconds(_) => options.grace_period_seconds.unwrap_or(left),
    };
    if left == 0 || wanted >= left {
        if left == 0 && !held {
            return Decision::Delete(None);
        }
        if rechosen {
            meta::set_finalizers(&mut object, finalizers);
            return Decision::Mark(object);
        }
        return Decision::AlreadyPending;
    }
    if rechosen {
        meta::set_finalizers(&mut object, finalizers);
    }
    let shortened = shorten(&object, left - wanted);
    metadata::mark_deleting(&mut object, cx.now, wanted);
    if let Some(when) = shortened {
        meta::metadata_mut(&mut object).insert("deletionTimestamp".into(), when.into());
    }
    if wanted == 0 && !held { Decision::Delete(Some(object)) } else { Decision::Mark(object) }
}

/// The deletion timestamp, `seconds` earlier.
fn shorten(object: &Value, seconds: i64) -> Option<String> {
    let when: jiff::Timestamp = meta::deletion_timestamp(object)?.parse().ok()?;
    Some(api_machinery::time::format_seconds(when.checked_sub(jiff::SignedDuration::from_secs(seconds)).ok()?))
}

/// The object's finalizers with those of garbage collection as the options say.
fn finalizers_for(kind: &Kind, options: &DeleteOptions, object: &Value) -> Vec<String> {
    if kind.strategy.collects_garbage() {
        with_propagation(options, object)
    } else {
        with_propagation(&DeleteOptions { orphan_dependents: Some(false), ..DeleteOptions::default() }, object)
    }
}

fn with_propagation(options: &DeleteOptions, object: &Value) -> Vec<String> {
    let is = |name: &str| meta::has_finalizer(object, name);
    let (orphan, foreground) = match (options.orphan_dependents, options.propagation) {
        (Some(orphan), _) => (orphan, false),
        (None, Some(policy)) => (policy == Propagation::Orphan, policy == Propagation::Foreground),
        (None, None) => (is(FINALIZER_ORPHAN), is(FINALIZER_FOREGROUND)),
    };
    let others = meta::finalizers(object).filter(|name| !matches!(*name, FINALIZER_ORPHAN | FINALIZER_FOREGROUND));
    let mut finalizers: Vec<String> = others.map(str::to_owned).collect();
    if orphan {
        finalizers.push(FINALIZER_ORPHAN.to_owned());
    }
    if foreground {
        finalizers.push(FINALIZER_FOREGROUND.to_owned());
    }
    finalizers
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    // proves: AM-05
    #[test]
    fn propagation_becomes_a_finalizer_and_keeps_the_others() {
        let object = json!({"metadata": {"finalizers": ["mine", "orphan"]}});
        let of = |propagation, orphan_dependents| {
            with_propagation(&DeleteOptions { propagation, orphan_dependents, ..DeleteOptions::default() }, &object)
        };
        assert_eq!(of(None, None), ["mine", "orphan"]);
        assert_eq!(of(Some(Propagation::Background), None), ["mine"]);
        assert_eq!(of(Some(Propagation::Foreground), None), ["mine", "foregroundDeletion"]);
        assert_eq!(of(Some(Propagation::Orphan), None), ["mine", "orphan"]);
        assert_eq!(of(None, Some(false)), ["mine"]);
    }
}
