//! The extraction of a minimal sufficient explanation.

pub mod blocks;
pub mod extraction;
pub mod growth;
pub mod options;
pub mod shrinking;
