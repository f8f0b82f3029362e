//! Step 4 of the path of a write, for changes: default, admit, validate against the stored object, then storage.
//!
//! An update is a function of the stored object, so a conflict with another writer is resolved by calling it again;
//! only a client that names a resourceVersion sees the conflict. Kinds with [`super::strategy::Hooks`] take the long
//! way: their hooks run between a read and a conditional write.

use super::create::{set_scope, settle};
use super::kind::Kind;
use super::metadata;
use super::strategy::Cx;
use super::{Registry, Written};
use crate::admission;
use api_machinery::field::{Error, ErrorList, Path};
use api_machinery::gvk::GroupKind;
use api_machinery::meta;
use api_machinery::status::Status;
use api_storage::{Change, Outcome, Preconditions, ReadRevision, StorageError, UpdateError, Updated};
use serde_json::Value;

/// Attempts of an update whose hooks run outside of the store's transaction.
const HOOKED_ATTEMPTS_MAX: u32 = 10;

/// Which part of an object an update may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Everything but the status.
    Main,
    /// The status.
    Status,
    /// What the caller has done itself and nothing else: `scale`, `binding`, `finalize`. Neither prepared nor checked
    /// against the kind's update rules.
    Exact,
}

/// What a change makes of an object.
struct Next {
    value: Value,
    delete: bool,
    warnings: Vec<String>,
}

impl Registry {
    /// Changes an object. `change` makes the wanted object from the stored one, which carries its resourceVersion, and
    /// may be called several times.
    ///
    /// # Errors
    /// Every refusal as the Status that upstream answers.
    pub async fn update(
        &self,
        kind: &Kind,
        cx: &Cx<'_>,
        name: &str,
        part: Part,
        mut change: impl FnMut(&Value) -> Result<Value, Status> + Send,
    ) -> Result<Written, Status> {
        if part == Part::Main && kind.strategy.hooks().is_some() {
            return self.update_with_hooks(kind, cx, name, change).await;
        }
        let store = kind.store()?;
        let mut warnings = Vec::new();
        let mut imagined = None;
        let mut released = None;
        let result = store
            .guaranteed_update(
                kind.scope(cx.namespace),
                name,
                &Preconditions::default(),
                kind.ttl(),
                |_, old: Value| {
                    let next = next(kind, cx, name, part, change(&old)?, &old)?;
                    warnings = next.warnings;
                    if cx.dry_run {
                        imagined = Some(next.value);
                        return Ok(Change::Nothing);
                    }
                    if next.delete {
                        released = Some(next.value);
                        return Ok(Change::Delete);
                    }
                    Ok(write(kind, next.value))
                },
            )
            .await;
        let updated = result.map_err(|error| refusal(kind, name, error))?;
        if let Some(value) = imagined {
            return Ok(Written { warnings, ..Written::imagined(value) });
        }
        Ok(Written { warnings, ..self.updated(kind, updated, released).await })
    }

    /// What an update answers: the stored object, or that which would have been stored had it not been released.
    async fn updated(&self, kind: &Kind, updated: Updated, released: Option<Value>) -> Written {
        if updated.outcome != Outcome::Deleted {
            return Written::stored(updated.object, false);
        }
        self.after_delete(kind, &updated.object).await;
        match released {
            Some(value) => Written::imagined(value),
            None => Written::stored(updated.object, false),
        }
    }

    async fn update_with_hooks(
        &self,
        kind: &Kind,
        cx: &Cx<'_>,
        name: &str,
        mut change: impl FnMut(&Value) -> Result<Value, Status> + Send,
    ) -> Result<Written, Status> {
        let store = kind.store()?;
        let scope = kind.scope(cx.namespace);
        for _ in 0..HOOKED_ATTEMPTS_MAX {
            let fail = |error: StorageError| kind.status(&error, name);
            let stored = store.get(scope, name, ReadRevision::Consistent).await.map_err(fail)?;
            let old = stored.decode().map_err(fail)?;
            let mut wanted = change(&old)?;
            check_revision(kind, name, &mut wanted, &old)?;
            set_scope(kind, cx.namespace, &mut wanted)?;
            kind.strategy.default(&mut wanted);
            let claims = match kind.strategy.hooks() {
                Some(hooks) => hooks.begin_update(cx, self, &mut wanted, &old).await?,
                None => Vec::new(),
            };
            let next = match next(kind, cx, name, Part::Main, wanted, &old) {
                Ok(next) => next,
                Err(status) => {
                    settle(claims, false).await;
                    return Err(status);
                }
            };
            if cx.dry_run {
                settle(claims, false).await;
                return Ok(Written { warnings: next.warnings, ..Written::imagined(next.value) });
            }
            let unchanged = Preconditions { resource_version: Some(stored.resource_version()), uid: None };
            let Next { value, delete, warnings } = next;
            let result = store
                .guaranteed_update(scope, name, &unchanged, kind.ttl(), |_, _| {
                    Ok::<_, Status>(if delete { Change::Delete } else { write(kind, value.clone()) })
                })
                .await;
            settle(claims, result.is_ok()).await;
            match result {
                Ok(updated) => {
                    return Ok(Written { warnings, ..self.updated(kind, updated, Some(value)).await });
                }
                Err(UpdateError::Storage(StorageError::InvalidObject { .. })) => {}
                Err(error) => return Err(refusal(kind, name, error)),
            }
        }
        Err(Status::conflict_modified(kind.resource(), name))
    }

    pub(super) async fn after_delete(&self, kind: &Kind, last: &api_storage::Stored) {
        if let (Some(hooks), Ok(object)) = (kind.strategy.hooks(), last.decode()) {
            hooks.after_delete(self, &object).await;
        }
    }
}

pub(super) fn refusal(kind: &Kind, name: &str, error: UpdateError<Status>) -> Status {
    match error {
        UpdateError::Refused(status) => status,
        UpdateError::Storage(error) => kind.status(&error, name),
    }
}

fn write(kind: &Kind, value: Value) -> Change {
    let fields = kind.strategy.fields(&value);
    Change::Write { value, fields }
}

fn next(kind: &Kind, cx: &Cx<'_>, name: &str, part: Part, mut new: Value, old: &Value) -> Result<Next, Status> {
    let strategy = kind.strategy;
    check_revision(kind, name, &mut new, old)?;
    set_scope(kind, cx.namespace, &mut new)?;
    let mut errors = ErrorList::new();
    match part {
        Part::Main => {
            strategy.default(&mut new);
            admission::update(kind, cx, &mut new, old)?;
            metadata::keep_for_update(&mut new, old);
            strategy.prepare_for_update(cx, &mut new, old);
        }
        Part::Status => {
            strategy.default(&mut new);
            metadata::keep_for_update(&mut new, old);
            strategy.prepare_for_status_update(cx, &mut new, old);
        }
        Part::Exact => metadata::keep_for_update(&mut new, old),
    }
    metadata::drop_empty_metadata(&mut new);
    meta::set_gvk(&mut new, &kind.api_version, kind.info.kind);
    let path = Path::root("metadata");
    errors.append(meta::validate(&new, kind.info.namespaced, kind.name_check(), &path));
    errors.append(meta::validate_update(&new, old, &path));
    match part {
        Part::Main => errors.append(strategy.validate_update(&new, old)),
        Part::Status => errors.append(strategy.validate_status_update(&new, old)),
        Part::Exact => {}
    }
    if !errors.is_empty() {
        return Err(kind.invalid(name, &errors));
    }
    strategy.canonicalize(&mut new);
    let warnings = if part == Part::Main { strategy.warnings(&new, Some(old)) } else { Vec::new() };
    let delete = is_released(kind, &new, old);
    Ok(Next { value: new, delete, warnings })
}

/// Whether a change takes away the last thing that keeps a deleted object.
fn is_released(kind: &Kind, new: &Value, old: &Value) -> bool {
    meta::deletion_timestamp(old).is_some()
        && meta::finalizers(new).next().is_none()
        && meta::deletion_grace_period_seconds(old).is_none_or(|seconds| seconds == 0)
        && !kind.strategy.held(new)
}

/// The client's resourceVersion and uid must be those of the stored object; without them the update is unconditional.
fn check_revision(kind: &Kind, name: &str, new: &mut Value, old: &Value) -> Result<(), Status> {
    let (uid, stored_uid) = (meta::uid(new), meta::uid(old));
    if !uid.is_empty() && uid != stored_uid {
        let place = if kind.info.namespaced { format!("{}/", meta::namespace(old)) } else { String::new() };
        return Err(Status::conflict(
            kind.resource(),
            name,
            format_args!(
                "StorageError: invalid object, Code: 4, Key: /registry/{}/{place}{name}, ResourceVersion: 0, \
                 AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object meta: {stored_uid}",
                kind.info.resource
            ),
        ));
    }
    let revision = meta::resource_version(new);
    let path = Path::of(&["metadata", "resourceVersion"]);
    if matches!(revision, "" | "0") {
        if !kind.strategy.allow_unconditional_update() {
            let errors = Error::invalid(&path, 0, "must be specified for an update").into();
            let kind = GroupKind { group: kind.info.group, kind: kind.info.resource };
            return Err(Status::invalid(kind, name, &errors));
        }
        let revision = meta::resource_version(old).to_owned();
        meta::set_resource_version(new, &revision);
    } else if revision != meta::resource_version(old) {
        if !revision.bytes().all(|byte| byte.is_ascii_digit()) {
            let why = format!("strconv.ParseUint: parsing {}: invalid syntax", api_machinery::gotext::quote(revision));
            return Err(Status::failure(500, "", why));
        }
        return Err(Status::conflict_modified(kind.resource(), name));
    }
    Ok(())
}
