//! Filter: what a handler that panics or takes too long does to its client, and nothing to anybody else.
//!
//! Reads are dropped when their time is up or their client is gone. Writes go on in a task of the server whatever
//! becomes of their client, so that none stops half way.

use crate::filters::deadline;
use crate::http::{Body, respond};
use ::http::{Response, StatusCode};
use futures::FutureExt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tokio_util::task::TaskTracker;

/// Runs a read.
pub async fn read(limit: Option<Duration>, answer: impl Future<Output = Response<Body>>) -> Response<Body> {
    let caught = AssertUnwindSafe(answer).catch_unwind();
    match limit {
        None => caught.await.unwrap_or_else(|_| panicked()),
        Some(limit) => match tokio::time::timeout(limit, caught).await {
            Ok(outcome) => outcome.unwrap_or_else(|_| panicked()),
            Err(_) => deadline::exceeded(),
        },
    }
}

/// Runs a write among these tasks.
pub async fn write(
    limit: Duration,
    tasks: &TaskTracker,
    answer: impl Future<Output = Response<Body>> + Send + 'static,
) -> Response<Body> {
    match tokio::time::timeout(limit, tasks.spawn(answer)).await {
        Ok(outcome) => outcome.unwrap_or_else(|_| panicked()),
        Err(_) => deadline::exceeded(),
    }
}

/// What upstream says; the panic itself is in the log.
fn panicked() -> Response<Body> {
    tracing::error!("a request caused a panic");
    let text = "This request caused apiserver to panic. Look in the logs for details.\n";
    respond::text(StatusCode::INTERNAL_SERVER_ERROR, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use tokio::sync::oneshot;

    const LIMIT: Duration = Duration::from_secs(60);

    async fn text(response: Response<Body>) -> (u16, String) {
        let code = response.status().as_u16();
        let bytes = response.into_body().collect().await.expect("in memory").to_bytes();
        (code, String::from_utf8(bytes.to_vec()).expect("text"))
    }

    async fn panics() -> Response<Body> {
        if true {
            panic!("on purpose");
        }
        Response::new(Body::empty())
    }

    #[tokio::test]
    async fn a_panic_is_answered_500_and_goes_no_further() {
        let tasks = TaskTracker::new();
        let want = (500, "This request caused apiserver to panic. Look in the logs for details.\n".to_owned());
        assert_eq!(text(read(Some(LIMIT), panics()).await).await, want);
        assert_eq!(text(read(None, panics()).await).await, want);
        assert_eq!(text(write(LIMIT, &tasks, panics()).await).await, want);
    }

    // proves: OP-02
    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_answered_504_with_upstreams_words() {
        let (code, text) = text(read(Some(LIMIT), std::future::pending()).await).await;
        assert_eq!(code, 504);
        let status: serde_json::Value = serde_json::from_str(&text).expect("a Status");
        assert_eq!(status["message"], "Timeout: request did not complete within the allotted timeout");
        assert_eq!(status["reason"], "Timeout");
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_goes_on_when_nobody_waits_for_it_any_more() {
        let (tasks, (finish, finished)) = (TaskTracker::new(), oneshot::channel::<()>());
        let (done, was_done) = oneshot::channel();
        let slow = async move {
            finished.await.expect("told to finish");
            done.send(()).expect("somebody looks");
            Response::new(Body::empty())
        };
        assert_eq!(write(LIMIT, &tasks, slow).await.status(), 504);
        finish.send(()).expect("the write is still there");
        was_done.await.expect("the write was finished");
    }
}
