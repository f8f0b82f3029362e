//! Label and field selectors of a request, checked against what the kind can select by.

use super::Call;
use api_machinery::selector::{FieldSelector, LabelSelector};
use api_machinery::status::Status;
use api_storage::Predicate;

impl Call<'_> {
    /// What the request selects. A name in the path (of a watch) selects that object.
    pub(super) fn predicate(&self) -> Result<Predicate, Status> {
        let query = self.query();
        let labels = match query.get("labelSelector") {
            Some(text) if !text.is_empty() => LabelSelector::parse(&text).map_err(Status::bad_request)?,
            _ => LabelSelector::everything(),
        };
        let fields = match query.get("fieldSelector") {
            Some(text) if !text.is_empty() => FieldSelector::parse(&text).map_err(Status::bad_request)?,
            _ => FieldSelector::everything(),
        };
        let strategy = self.kind.strategy;
        let fields = match self.form {
            Some(form) => {
                form.select(&fields).map_err(|label| Status::bad_request(strategy.field_label_error(&label)))?
            }
            None => fields,
        };
        // Kinds without labels of their own take upstream's default pair, whatever their scope.
        let with_namespace = self.kind.info.namespaced || strategy.field_labels().is_empty();
        let supported = |label: &str| {
            label == "metadata.name"
                || (label == "metadata.namespace" && with_namespace)
                || strategy.field_labels().contains(&label)
        };
        if let Some(label) = fields.unsupported(supported) {
            return Err(Status::bad_request(strategy.field_label_error(label)));
        }
        let name = self.name();
        if name.is_empty() {
            return Ok(Predicate::new(labels, fields));
        }
        if fields.requires_exact_match("metadata.name").is_some_and(|selected| selected != name) {
            return Err(Status::bad_request("field metadata.name does not match the name in the path"));
        }
        Ok(Predicate::new(labels, FieldSelector::one("metadata.name", name)))
    }
}
