//! Label and field selectors: parsing with upstream's texts, matching without allocation.
//!
//! Both match against a closure that looks a key up, so that the caller keeps labels in any form it likes.

mod field;
mod label;
mod lexer;
mod object;
mod parser;
mod requirement;

pub use field::{FieldRequirement, FieldSelector};
pub use label::LabelSelector;
pub use object::validate_label_selector;
pub use requirement::{Operator, Requirement};

#[cfg(test)]
mod tests;
