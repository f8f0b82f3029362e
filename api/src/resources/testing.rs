//! What the tests of kinds share.

use crate::auth::UserInfo;
use crate::registry::strategy::{Cx, Strategy};
use api_machinery::field::ErrorList;
use jiff::Timestamp;
use serde_json::Value;

/// Errors as text.
pub(crate) fn messages(errors: ErrorList) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

/// Runs `act` with the context of a request.
pub(crate) fn with_cx<R>(act: impl FnOnce(&Cx<'_>) -> R) -> R {
    let user = UserInfo::default();
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a timestamp");
    act(&Cx { now, user: &user, namespace: "default", subresource: None, dry_run: false })
}

/// The object as a creation would store it, without claims.
pub(crate) fn created(strategy: &dyn Strategy, mut object: Value) -> Value {
    strategy.default(&mut object);
    with_cx(|cx| strategy.prepare_for_create(cx, &mut object));
    strategy.canonicalize(&mut object);
    object
}

/// The object as an update would store it, without claims.
pub(crate) fn updated(strategy: &dyn Strategy, mut new: Value, old: &Value) -> Value {
    strategy.default(&mut new);
    with_cx(|cx| strategy.prepare_for_update(cx, &mut new, old));
    strategy.canonicalize(&mut new);
    new
}

/// Errors of creating an object.
pub(crate) fn errors_of(strategy: &dyn Strategy, object: Value) -> Vec<String> {
    messages(strategy.validate(&created(strategy, object)))
}

/// The cells of a row at a moment, as text.
pub(crate) fn row(strategy: &dyn Strategy, object: &Value, now: &str) -> String {
    let cells = strategy.row(object, now.parse().expect("a timestamp"));
    assert_eq!(cells.len(), strategy.columns().len(), "one cell a column");
    let texts = cells.iter().map(|cell| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned));
    texts.collect::<Vec<_>>().join(" | ")
}
