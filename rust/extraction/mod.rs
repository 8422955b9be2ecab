//! The extraction of a minimal sufficient explanation, and of several within each other.

pub mod blocks;
pub mod compact;
pub mod extraction;
pub mod growth;
pub mod judge;
pub mod nested;
pub mod options;
pub mod peeling;
pub mod shrinking;
pub mod staged;
pub mod zoom;
