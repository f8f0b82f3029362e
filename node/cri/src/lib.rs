//! Container runtime client (CRI v1) and a fake runtime with faults.
