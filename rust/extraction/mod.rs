//! The extraction of a minimal sufficient explanation, of several within each other, and of other kinds of sets.

pub mod blocks;
pub mod compact;
pub mod demand;
pub mod extraction;
pub mod growth;
pub mod judge;
pub mod minimal;
pub mod nested;
pub mod options;
pub mod peeling;
pub mod seeking;
pub mod shrinking;
pub mod staged;
pub mod zoom;
