//! What was asked about one image and answered, and what follows from it.

pub mod evidence;
pub mod sharing;
