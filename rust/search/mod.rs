//! The search for responsibility over many random partitions, and for what else matters.

pub mod options;
pub mod partition;
pub mod remainder;
pub mod search;
pub mod survey;
pub mod tree;
