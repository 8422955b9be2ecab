//! Causes among the superpixels of one partition: the paper's definitions, on sets of four.

pub mod contingency;
pub mod responsibility;
pub mod subset;
pub mod sufficiency;
pub mod truth_table;
pub mod verdict;
