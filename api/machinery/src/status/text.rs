//! Texts that several constructors share.

/// Behind a conflict of resource versions.
pub const OPTIMISTIC_LOCK_ERROR: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

pub(super) const CONTINUE_TOO_OLD: &str = "The provided continue parameter is too old to display a consistent list \
     result. You can start a new list without the continue parameter.";

pub(super) const CONTINUE_TOO_OLD_WITH_TOKEN: &str = "The provided continue parameter is too old to display a \
     consistent list result. You can start a new list without the continue parameter, or use the continue token in \
     this response to retrieve the remainder of the results. Continuing with the provided token results in an \
     inconsistent list - objects that were created, modified, or deleted between the time the first chunk was \
     returned and now may show up in the list.";

pub(super) const LIST_TOO_OLD: &str = "The resourceVersion for the provided list is too old.";

/// Upstream replaces these so that a browser does not read a message as markup.
pub(super) fn sanitize(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
