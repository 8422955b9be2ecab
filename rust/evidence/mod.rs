//! What was asked about one image and answered, what follows from it, and how more is asked.

pub mod evidence;
pub mod inquiry;
pub mod round;
pub mod sharing;
