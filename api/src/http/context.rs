//! What the filters found out about a request, handed to the handlers.

use crate::auth::UserInfo;
use crate::filters::request_info::RequestInfo;
use parking_lot::Mutex;
use std::sync::Arc;

/// Everything known about a request beside its head and its body.
#[derive(Debug)]
pub struct RequestContext {
    /// What the request is about.
    pub info: RequestInfo,
    /// Who asks.
    pub user: Arc<UserInfo>,
    warnings: Mutex<Vec<String>>,
}

impl RequestContext {
    /// A context without warnings yet.
    pub fn new(info: RequestInfo, user: Arc<UserInfo>) -> Self {
        Self { info, user, warnings: Mutex::new(Vec::new()) }
    }

    /// Adds a `Warning` header to the answer; the same text only once. Counts until the response head is made.
    pub fn warn(&self, text: impl Into<String>) {
        let text = text.into();
        let mut warnings = self.warnings.lock();
        if !text.is_empty() && !warnings.contains(&text) {
            warnings.push(text);
        }
    }

    /// The warnings so far; none are left.
    pub(crate) fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.warnings.lock())
    }
}
