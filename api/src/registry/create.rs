//! Step 4 of the path of a write: default, admit, validate a new object, then hand it to storage (step 5).

use super::kind::Kind;
use super::metadata::{self, GENERATED_NAME_ATTEMPTS_MAX};
use super::strategy::{Claim, Cx};
use super::{Registry, Written};
use crate::admission;
use api_machinery::field::Path;
use api_machinery::meta;
use api_machinery::status::Status;
use api_storage::{NewObject, StorageError};
use serde_json::Value;
use tracing::Instrument;

/// Seconds after which a client may try another generated name.
const RETRY_AFTER_SECONDS: u32 = 1;

impl Registry {
    /// Creates an object. It has been decoded and pruned; its namespace is that of the request.
    ///
    /// # Errors
    /// Every refusal as the Status that upstream answers.
    pub async fn create(&self, kind: &Kind, cx: &Cx<'_>, mut object: Value) -> Result<Written, Status> {
        match self.prepare_create(kind, cx, &mut object).instrument(tracing::trace_span!("registry")).await {
            Ok((claims, generated)) => {
                let stored = self.store_new(kind, cx, &mut object, generated).await;
                settle(claims, stored.is_ok() && !cx.dry_run).await;
                stored.map(|stored| Written { warnings: kind.strategy.warnings(&object, None), ..stored })
            }
            Err(status) => Err(status),
        }
    }

    async fn prepare_create(
        &self,
        kind: &Kind,
        cx: &Cx<'_>,
        object: &mut Value,
    ) -> Result<(Vec<Box<dyn Claim>>, bool), Status> {
        let strategy = kind.strategy;
        if !matches!(meta::resource_version(object), "" | "0") {
            return Err(Status::failure(500, "", "resourceVersion should not be set on objects to be created"));
        }
        set_scope(kind, cx.namespace, object)?;
        metadata::fill_for_create(object, cx.now);
        strategy.default(object);
        admission::create(self, kind, cx, object).await?;
        // Only now, so that refusals by admission do not differ from one attempt to the next.
        let generated = meta::name(object).is_empty() && !meta::generate_name(object).is_empty();
        if generated {
            let name = (self.name_generator)(meta::generate_name(object));
            meta::set_name(object, &name);
        }
        strategy.prepare_for_create(cx, object);
        metadata::drop_empty_metadata(object);
        let claims = match strategy.hooks() {
            Some(hooks) => hooks.begin_create(cx, self, object).await?,
            None => Vec::new(),
        };
        let mut errors = meta::validate(object, kind.info.namespaced, kind.name_check(), &Path::root("metadata"));
        errors.append(strategy.validate(object));
        if !errors.is_empty() {
            settle(claims, false).await;
            return Err(kind.invalid(meta::name(object), &errors));
        }
        strategy.canonicalize(object);
        meta::set_gvk(object, &kind.api_version, kind.info.kind);
        Ok((claims, generated))
    }

    async fn store_new(
        &self,
        kind: &Kind,
        cx: &Cx<'_>,
        object: &mut Value,
        generated: bool,
    ) -> Result<Written, Status> {
        let store = kind.store()?;
        let ttl = kind.ttl();
        let mut attempt = 1;
        loop {
            let name = meta::name(object).to_owned();
            if cx.dry_run {
                return match store.get(kind.scope(cx.namespace), &name, api_storage::ReadRevision::Consistent).await {
                    Err(StorageError::NotFound { .. }) => {
                        Ok(Written { created: true, ..Written::imagined(object.clone()) })
                    }
                    Err(error) => Err(kind.status(&error, &name)),
                    Ok(_) => Err(exists(kind, object)),
                };
            }
            let new = NewObject { value: object, fields: kind.strategy.fields(object) };
            match store.create(kind.scope(cx.namespace), &name, new, ttl).await {
                Ok(stored) => return Ok(Written::stored(stored, true)),
                Err(StorageError::AlreadyExists { .. }) if generated && attempt < GENERATED_NAME_ATTEMPTS_MAX => {
                    attempt += 1;
                    let name = (self.name_generator)(meta::generate_name(object));
                    meta::set_name(object, &name);
                }
                Err(StorageError::AlreadyExists { .. }) => {
                    let mut status = exists(kind, object);
                    let existing = store.get(kind.scope(cx.namespace), &name, api_storage::ReadRevision::Any).await;
                    if existing.is_ok_and(|existing| existing.is_deleting()) {
                        status.message = format!("object is being deleted: {}", status.message);
                    }
                    return Err(status);
                }
                Err(error) => return Err(kind.status(&error, &name)),
            }
        }
    }
}

/// The refusal of a name that is taken. Upstream blames itself wherever there is a base for generated names.
fn exists(kind: &Kind, object: &Value) -> Status {
    match meta::generate_name(object) {
        "" => Status::already_exists(kind.resource(), meta::name(object)),
        _ => Status::generate_name_conflict(kind.resource(), meta::name(object), RETRY_AFTER_SECONDS),
    }
}

/// Keeps or gives back what a write has claimed.
pub(super) async fn settle(claims: Vec<Box<dyn Claim>>, keep: bool) {
    for claim in claims {
        if keep { claim.commit().await } else { claim.release().await }
    }
}

/// Makes the object's namespace that of the request.
pub(crate) fn set_scope(kind: &Kind, namespace: &str, object: &mut Value) -> Result<(), Status> {
    let own = meta::namespace(object);
    if own == namespace && kind.info.namespaced {
        return Ok(());
    }
    if !kind.info.namespaced {
        meta::set_namespace(object, "");
    } else if own.is_empty() {
        meta::set_namespace(object, namespace);
    } else {
        return Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    Ok(())
}
