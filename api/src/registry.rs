//! The generic registry: one pipeline of create, update and delete for every kind.

pub mod strategy;

pub use strategy::{Column, Cx, KindInfo, Strategy};

/// All kinds with their storage.
#[derive(Debug)]
pub struct Registry {}
