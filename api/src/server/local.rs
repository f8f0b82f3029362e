//! The server without a socket: a tower service for clients in the same process, under an identity given once.

use crate::auth::UserInfo;
use crate::http::{Body, BoxError, RequestBody};
use crate::server::dispatch::App;
use ::http::{Request, Response};
use bytes::Bytes;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Answers requests of one user of this process. They pass the same filters as everybody's; only who they are is not
/// asked. Cheap to clone.
#[derive(Clone)]
pub struct LocalService {
    app: Arc<App>,
    user: Arc<UserInfo>,
}

impl LocalService {
    pub(crate) fn new(app: Arc<App>, user: UserInfo) -> Self {
        Self { app, user: Arc::new(user) }
    }
}

impl std::fmt::Debug for LocalService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LocalService({})", self.user.name)
    }
}

impl<B> tower::Service<Request<B>> for LocalService
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (app, user) = (Arc::clone(&self.app), Arc::clone(&self.user));
        Box::pin(async move { Ok(app.serve_local(user, request.map(RequestBody::boxed)).await) })
    }
}
