//! Deterministic apply of commands to multi-version state; no IO, no clock, no randomness.
