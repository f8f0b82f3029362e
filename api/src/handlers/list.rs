//! LIST: the objects' bytes, joined. Nothing is parsed.

use super::negotiate::{self, Encoding, View};
use super::query::Query;
use super::{Call, list_body, partial, pretty, table};
use crate::http::{Body, respond};
use ::http::{Response, StatusCode};
use api_machinery::field::{Error, ErrorList, Path};
use api_machinery::gotext::quote;
use api_machinery::gvk::GroupKind;
use api_machinery::partial::MetaVersion;
use api_machinery::status::Status;
use api_storage::{ListOptions, ListPage, ListRevision};

const EXACT: &str = "Exact";
const NOT_OLDER_THAN: &str = "NotOlderThan";

impl Call<'_> {
    pub(super) async fn list(&self) -> Result<Response<Body>, Status> {
        let output = self.output()?;
        let options = self.list_options()?;
        let page = self.kind.store()?.list(options).await.map_err(|error| self.kind.status(&error, ""))?;
        self.page(output, page)
    }

    pub(super) fn list_options(&self) -> Result<ListOptions, Status> {
        let query = self.query();
        validate_list(query)?;
        query.number("timeoutSeconds")?;
        let limit = query.number("limit")?.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(0);
        let revision = parse_revision(&query.text("resourceVersion"))?;
        let continue_token = query.get("continue").filter(|token| !token.is_empty()).map(std::borrow::Cow::into_owned);
        if continue_token.is_some() && revision.is_some_and(|revision| revision != 0) {
            return Err(Status::bad_request("specifying resource version is not allowed when using continue"));
        }
        // What may be of any age comes from the cache, whole: upstream's does not page.
        let limit = if revision == Some(0) && continue_token.is_none() { 0 } else { limit };
        let revision = match (&*query.text("resourceVersionMatch"), revision) {
            (EXACT, Some(revision)) => ListRevision::Exact(revision),
            (NOT_OLDER_THAN, Some(0)) => ListRevision::Any,
            (NOT_OLDER_THAN, Some(revision)) => ListRevision::NotOlderThan(revision),
            (_, revision) => ListRevision::without_match(revision, limit > 0),
        };
        let namespace = self.scope().map(str::to_owned);
        Ok(ListOptions { namespace, predicate: self.predicate()?, limit, continue_token, revision })
    }

    /// The rows of a table that answers this request.
    pub(super) fn rows(&self, version: MetaVersion) -> Result<table::Rows<'_>, Status> {
        let include = table::include_object(self.query())?;
        let of_scales = self.cx.info.subresource() == "scale";
        Ok(table::Rows { kind: self.kind, version, of_scales, include, now: jiff::Timestamp::now() })
    }

    /// One page in the form that was asked for.
    pub(super) fn page(&self, output: negotiate::Output, page: ListPage) -> Result<Response<Body>, Status> {
        let json = match output.view {
            View::Object => {
                let plain = output.encoding == Encoding::Json && !pretty::wanted(self.query(), &self.head.headers);
                if plain {
                    return Ok(respond::with_body(StatusCode::OK, list_body::objects(self.shown, page)));
                }
                list_body::whole(self.shown, &page)
            }
            View::PartialList(version) => partial::list(version, &page),
            View::Table(version) => self.rows(version)?.page(&page).map_err(|error| self.kind.status(&error, ""))?,
            View::Partial(_) => {
                return Err(Status::failure(
                    406,
                    api_machinery::status::reason::NOT_ACCEPTABLE,
                    format!(
                        "you requested PartialObjectMetadata, but the requested object is a list ({}List)",
                        self.go_type()
                    ),
                ));
            }
        };
        self.json_as(StatusCode::OK, output, json)
    }
}

/// A resourceVersion of a request; "" is none.
pub(super) fn parse_revision(text: &str) -> Result<Option<i64>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<i64>() {
        Ok(revision) if digits => Ok(Some(revision)),
        _ => {
            let why = if digits { "value out of range" } else { "invalid syntax" };
            Err(Status::bad_request(format!(
                "invalid resource version: resourceVersion: Invalid value: {text}: strconv.ParseUint: parsing {text}: {why}",
                text = quote(text)
            )))
        }
    }
}

/// Upstream's `ValidateListOptions` for lists.
pub(super) fn validate_list(query: Query<'_>) -> Result<(), Status> {
    let mut errors = ErrorList::new();
    let path = Path::root("resourceVersionMatch");
    let (revision_match, revision) = (query.text("resourceVersionMatch"), query.text("resourceVersion"));
    if !revision_match.is_empty() {
        if revision.is_empty() {
            errors
                .push(Error::forbidden(&path, "resourceVersionMatch is forbidden unless resourceVersion is provided"));
        }
        if !query.text("continue").is_empty() {
            errors.push(Error::forbidden(&path, "resourceVersionMatch is forbidden when continue is provided"));
        }
        if !matches!(&*revision_match, EXACT | NOT_OLDER_THAN) {
            errors.push(Error::not_supported(&path, &*revision_match, &[EXACT, NOT_OLDER_THAN, ""]));
        }
        if revision_match == EXACT && revision == "0" {
            let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            errors.push(Error::forbidden(&path, why));
        }
    }
    if query.get("sendInitialEvents").is_some() {
        let path = Path::root("sendInitialEvents");
        errors.push(Error::forbidden(&path, "sendInitialEvents is forbidden for list"));
    }
    check(&errors)
}

/// Upstream's `ValidateListOptions` for watches.
pub(super) fn validate_watch(query: Query<'_>) -> Result<(), Status> {
    let mut errors = ErrorList::new();
    let path = Path::root("resourceVersionMatch");
    let revision_match = query.text("resourceVersionMatch");
    let initial = query.get("sendInitialEvents").is_some();
    if initial && revision_match != NOT_OLDER_THAN {
        errors.push(Error::forbidden(&path, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
    }
    if !revision_match.is_empty() {
        if !initial {
            let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            errors.push(Error::forbidden(&path, why));
        }
        if revision_match != NOT_OLDER_THAN {
            errors.push(Error::not_supported(&path, &*revision_match, &[NOT_OLDER_THAN]));
        }
    }
    // A watch from anywhere is one with initial events to upstream, which sets the match for it.
    let from_anywhere = !initial && matches!(&*query.text("resourceVersion"), "" | "0");
    if (!revision_match.is_empty() || from_anywhere) && !query.text("continue").is_empty() {
        errors.push(Error::forbidden(&path, "resourceVersionMatch is forbidden when continue is provided"));
    }
    check(&errors)
}

fn check(errors: &ErrorList) -> Result<(), Status> {
    let kind = GroupKind { group: "meta.k8s.io", kind: "ListOptions" };
    if errors.is_empty() { Ok(()) } else { Err(Status::invalid(kind, "", errors)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: AM-15
    #[test]
    fn options_that_contradict_each_other_are_refused_with_upstreams_texts() {
        let list = [
            (
                "resourceVersionMatch=Exact",
                "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
            ),
            (
                "resourceVersionMatch=Exact&resourceVersion=0",
                "resourceVersionMatch: Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
            ),
            (
                "resourceVersionMatch=Exact&resourceVersion=5&continue=x",
                "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided",
            ),
            (
                "resourceVersionMatch=Newest&resourceVersion=5",
                "resourceVersionMatch: Unsupported value: \"Newest\": supported values: \"Exact\", \"NotOlderThan\", \"\"",
            ),
            ("sendInitialEvents=true", "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"),
        ];
        for (query, want) in list {
            let status = validate_list(Query::new(query)).expect_err(query);
            assert_eq!(status.message, format!("ListOptions.meta.k8s.io \"\" is invalid: {want}"));
        }
        let watch = [
            (
                "sendInitialEvents=true",
                "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            ),
            (
                "resourceVersionMatch=NotOlderThan",
                "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            ),
            (
                "continue=abc",
                "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided",
            ),
        ];
        for (query, want) in watch {
            let status = validate_watch(Query::new(query)).expect_err(query);
            assert_eq!(status.message, format!("ListOptions.meta.k8s.io \"\" is invalid: {want}"));
        }
        assert!(validate_watch(Query::new("continue=abc&resourceVersion=5")).is_ok());
    }

    #[test]
    fn revisions_are_canonical_numbers() {
        assert_eq!(parse_revision("").expect("none"), None);
        assert_eq!(parse_revision("17").expect("a number"), Some(17));
        for bad in ["abc", "-1", "+1", "1.5", "99999999999999999999"] {
            assert_eq!(parse_revision(bad).expect_err(bad).code, 400, "{bad}");
        }
    }
}
