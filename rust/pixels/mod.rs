//! Sets of pixels: rectangles, what identifies them, and sums over them; and maps of pixels.

pub mod contours;
pub mod distance;
pub mod fingerprint;
pub mod heatmap;
pub mod region;
pub mod smoothing;
