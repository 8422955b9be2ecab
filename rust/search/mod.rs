//! The search for responsibility over many random partitions.

pub mod options;
pub mod partition;
pub mod search;
pub mod survey;
pub mod tree;
