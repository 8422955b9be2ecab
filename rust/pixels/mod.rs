//! Sets of pixels: rectangles, what identifies them, and sums over them.

pub mod fingerprint;
pub mod heatmap;
pub mod region;
