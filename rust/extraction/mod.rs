//! The extraction of a minimal sufficient explanation.

pub mod extraction;
