//! Label and field selectors: parsing with upstream's texts, matching without allocation.
//!
//! Both match against a closure that looks a key up, so that the caller keeps labels in any form it likes.

mod field;
mod label;
mod lexer;
mod object;
mod parser;

pub use field::{FieldRequirement, FieldSelector};
pub use label::{LabelSelector, Operator, Requirement};
pub use object::validate_label_selector;

#[cfg(test)]
mod tests;
