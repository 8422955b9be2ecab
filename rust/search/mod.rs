//! The search for responsibility over many random partitions.

pub mod search;
pub mod survey;
pub mod tree;
