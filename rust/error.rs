//! What can go wrong in the core: one variant a cause.

use std::fmt;

/// An error of the core. Its text says what was given, then what is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// An option lies outside its range.
    OutOfRange {
        /// Name of the option.
        option: &'static str,
        /// What was given.
        given: String,
        /// What is needed.
        needed: &'static str,
    },
    /// A batch was submitted that is not in flight.
    UnknownBatch {
        /// The batch's number.
        id: u64,
    },
    /// A batch came back with the wrong number of verdicts.
    VerdictCount {
        /// Verdicts given.
        given: usize,
        /// Questions asked.
        needed: usize,
    },
    /// Something is about an image of another size.
    ImageSize {
        /// What it is.
        what: &'static str,
        /// Its height and width.
        given: (u32, u32),
        /// The height and width needed.
        needed: (u32, u32),
    },
    /// A buffer has the wrong number of bytes.
    BufferSize {
        /// Which buffer.
        buffer: &'static str,
        /// Bytes given.
        given: usize,
        /// Bytes needed.
        needed: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { option, given, needed } => write!(f, "{option} is {given}; it must be {needed}"),
            Self::UnknownBatch { id } => write!(f, "batch {id} is not in flight; submit each proposed batch once"),
            Self::VerdictCount { given, needed } => {
                write!(f, "got {given} verdicts; the batch asked {needed} questions")
            }
            Self::ImageSize { what, given, needed } => {
                let ((height, width), (rows, columns)) = (given, needed);
                write!(f, "{what} is about {height} x {width} pixels; it must be about {rows} x {columns}")
            }
            Self::BufferSize { buffer, given, needed } => {
                write!(f, "{buffer} has {given} bytes; it must have {needed}")
            }
        }
    }
}

impl std::error::Error for Error {}

/// Shorthand for a check of one option's range.
pub(crate) fn require(
    holds: bool,
    option: &'static str,
    given: impl fmt::Display,
    needed: &'static str,
) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(Error::OutOfRange { option, given: given.to_string(), needed }) }
}
