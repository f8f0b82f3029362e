//! PATCH of an object, of its status or of its scale. The patch is applied to the stored object as the client sees it,
//! and again if another writer was faster; only a patch that names a resourceVersion meets a conflict.

use super::{Call, negotiate};
use crate::http::{Body, RequestBody};
use crate::registry::Part;
use crate::registry::options::WriteOptions;
use ::http::Response;
use api_machinery::field::{Error, ErrorList, Path};
use api_machinery::meta;
use api_machinery::patch::{Patch, PatchType};
use api_machinery::status::{Details, Status, reason};

/// Media types of server-side apply.
const APPLY: [&str; 2] = ["application/apply-patch+yaml", "application/apply-patch+cbor"];

impl Call<'_> {
    pub(super) async fn patch(&self, body: RequestBody) -> Result<Response<Body>, Status> {
        let media_type = negotiate::media_type(&self.head.headers);
        let patch_type = PatchType::from_media_type(media_type).ok_or_else(|| unsupported(media_type))?;
        let options = WriteOptions::parse(self.query(), "PatchOptions")?;
        let patch = Patch::parse(patch_type, &self.read(body).await?)?;
        let (expected, validation) = (self.body_kind(), options.field_validation);
        let cx = self.registry_cx(options.dry_run);
        let apply = |current: &serde_json::Value| {
            let Some(form) = self.form else {
                let mut patched = patch.apply(current, &expected, validation)?;
                self.dedup_owners(&mut patched.object, true);
                patched.warnings.into_iter().for_each(|text| self.cx.warn(text));
                self.check_patched(&patched.object, current)?;
                return Ok(patched.object);
            };
            let mut shown = current.clone();
            form.show(&mut shown, self.shown);
            let mut patched = patch.apply(&shown, &expected, validation)?;
            self.dedup_owners(&mut patched.object, true);
            patched.warnings.into_iter().for_each(|text| self.cx.warn(text));
            self.check_patched(&patched.object, current)?;
            form.store(&mut patched.object, self.kind);
            self.change(&patched.object, current)
        };
        let (registry, kind, name) = (self.registry(), self.kind, self.name());
        let written = match self.cx.info.subresource() {
            "scale" => registry.update_scale(kind, &cx, name, apply).await?,
            "status" => registry.update(kind, &cx, name, Part::Status, apply).await?,
            _ => registry.update(kind, &cx, name, Part::Main, apply).await?,
        };
        self.written(&written)
    }

    /// A patch leaves the object what it is: its name is that of the path, its uid that of the stored object.
    fn check_patched(&self, patched: &serde_json::Value, current: &serde_json::Value) -> Result<(), Status> {
        self.check_name(patched)?;
        let uid = meta::uid(patched);
        if uid.is_empty() || uid == meta::uid(current) {
            return Ok(());
        }
        let path = Path::of(&["metadata", "uid"]);
        let errors: ErrorList = Error::invalid(&path, uid, meta::FIELD_IS_IMMUTABLE).into();
        Err(self.kind.invalid(self.name(), &errors))
    }
}

/// Upstream knows more patches than this server: what asks for one of those learns what there is, and everything else
/// gets the words of upstream's router.
fn unsupported(media_type: &str) -> Status {
    if APPLY.contains(&media_type) {
        return Status::unsupported_media_type(&PatchType::MEDIA_TYPES);
    }
    Status::failure(415, reason::UNSUPPORTED_MEDIA_TYPE, "415: Unsupported Media Type").with_details(Details::default())
}
