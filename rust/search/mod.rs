//! The search for responsibility over many random partitions, and for what else matters.

pub mod balanced;
pub mod halves;
pub mod options;
pub mod partition;
pub mod search;
pub mod survey;
pub mod tree;
