//! DELETE of a collection: everything that the selectors select.

use super::Call;
use crate::http::{Body, RequestBody};
use ::http::Response;
use api_machinery::status::Status;

impl Call<'_> {
    pub(super) async fn delete_collection(&self, body: RequestBody) -> Result<Response<Body>, Status> {
        let output = self.output()?;
        let list = self.list_options()?;
        let options = self.delete_options(body).await?;
        let cx = self.registry_cx(options.dry_run);
        let page = self.registry().delete_collection(self.kind, &cx, list, &options).await?;
        self.page(output, page)
    }
}
