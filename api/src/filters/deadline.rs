//! Filter: how long an answer may take. Long-running requests have no deadline here.

use crate::filters::request_info::{self, RequestInfo};
use crate::http::{Body, respond};
use crate::metrics;
use ::http::Response;
use api_machinery::status::Status;
use std::time::Duration;

/// Seconds until a request that is not long-running is answered 504 (upstream's default). `?timeout=` may shorten it.
pub const REQUEST_SECONDS_MAX: u64 = 60;

/// How long this request may take; `None` for as long as it likes.
///
/// # Errors
/// `?timeout=` is no duration.
pub fn of(info: &RequestInfo, query: &str) -> Result<Option<Duration>, Status> {
    if info.is_long_running() {
        return Ok(None);
    }
    let limit = Duration::from_secs(REQUEST_SECONDS_MAX);
    let Some(asked) = request_info::parameter(query, "timeout").filter(|value| !value.is_empty()) else {
        return Ok(Some(limit));
    };
    // What is no time at all says nothing, forward or backward.
    let (is_negative, length) = asked.strip_prefix('-').map_or((false, asked.as_ref()), |length| (true, length));
    match go_duration(length) {
        Some(asked) if asked.is_zero() || is_negative => Ok(Some(limit)),
        Some(asked) => Ok(Some(asked.min(limit))),
        None => Err(Status::bad_request(format!(
            "invalid timeout specified in the request URL - time: invalid duration {}",
            api_machinery::gotext::quote(&asked)
        ))),
    }
}

/// What upstream says when time is up.
pub fn exceeded() -> Response<Body> {
    metrics::terminated(504);
    respond::status(&Status::timeout("request did not complete within the allotted timeout", 0))
}

/// Go's `time.ParseDuration`, without signs.
pub fn go_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut seconds = 0f64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|char: char| !char.is_ascii_digit() && char != '.').filter(|at| *at > 0)?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|char: char| char.is_ascii_digit() || char == '.').unwrap_or(rest.len());
        let scale = match &rest[..unit] {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        seconds += number * scale;
        rest = &rest[unit..];
    }
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::Method;

    #[test]
    fn durations_are_those_of_go() {
        for (text, want) in [
            ("30s", Some(30_000)),
            ("1m30s", Some(90_000)),
            ("1.5h", Some(5_400_000)),
            ("250ms", Some(250)),
            ("0", Some(0)),
            ("5", None),
            ("", None),
            ("s", None),
            ("-1s", None),
            ("1d", None),
        ] {
            assert_eq!(go_duration(text).map(|duration| duration.as_millis()), want, "{text}");
        }
    }

    // proves: OP-02
    #[test]
    fn a_client_may_ask_for_less_time_but_not_for_more() {
        let info = |query| RequestInfo::from_parts(&Method::GET, "/api/v1/pods", query).expect("good");
        let seconds = |query| of(&info(query), query).map(|limit| limit.map(|limit| limit.as_secs()));
        assert_eq!(seconds(""), Ok(Some(60)));
        assert_eq!(seconds("timeout=5s"), Ok(Some(5)));
        assert_eq!(seconds("timeout=5m"), Ok(Some(60)));
        assert_eq!(seconds("timeout=0"), Ok(Some(60)));
        assert_eq!(seconds("timeout=-5s"), Ok(Some(60)));
        assert_eq!(seconds("watch=1&timeout=5s"), Ok(None));
        assert_eq!(
            seconds("timeout=soon").expect_err("no duration").message,
            "invalid timeout specified in the request URL - time: invalid duration \"soon\""
        );
    }
}
