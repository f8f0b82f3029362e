//! DELETE of a collection: everything that the selectors select.

use super::Call;
use super::list::validate_list;
use crate::http::{Body, RequestBody};
use ::http::Response;
use api_machinery::status::Status;
use api_storage::ListPage;

impl Call<'_> {
    pub(super) async fn delete_collection(&self, body: RequestBody) -> Result<Response<Body>, Status> {
        let output = self.output()?;
        validate_list(self.query())?;
        let predicate = self.predicate()?;
        let options = self.delete_options(body).await?;
        let cx = self.registry_cx(options.dry_run);
        let (items, resource_version) = self.registry().delete_collection(self.kind, &cx, predicate, &options).await?;
        self.page(output, ListPage { items, resource_version, ..ListPage::default() })
    }
}
