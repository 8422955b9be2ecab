//! The core of dccausal: which parts of an image made a classifier say what it said.
//!
//! The method is DC-Causal (Chockler, Kroening and Sun, *Explanations for Occluded Images*, ICCV 2021). The core never calls
//! a classifier: [`Search`], [`Extraction`] and [`Nested`] are state machines ([`Inquiry`]) that propose batches of questions (which
//! pixels to mask) and take the verdicts (does the label stay?) into the [`Evidence`] about the image; [`Renderer`] draws the
//! masked images. Given the same verdicts, the result is the same to the last bit, for any batch size, any number of batches
//! in flight and any number of threads.
//!
//! ```
//! use dccausal::{Evidence, Inquiry, Search, SearchOptions, Verdict};
//!
//! // A classifier that needs to see the pixel in row 10, column 20.
//! let mut evidence = Evidence::new(64, 64, None)?;
//! let mut search = Search::new(SearchOptions::paper(0), &evidence)?;
//! while let Some(batch) = search.propose(&mut evidence, 16) {
//!     let sees = |region: &dccausal::Region| {
//!         !(region.top <= 10 && 10 < region.bottom && region.left <= 20 && 20 < region.right)
//!     };
//!     let verdicts: Vec<_> = batch.questions.iter()
//!         .map(|question| Verdict { is_passing: question.masked.iter().all(sees), score: f32::NAN })
//!         .collect();
//!     search.submit(&mut evidence, batch.id, &verdicts)?;
//! }
//! let heatmap = search.heatmap();
//! let hottest = (0..heatmap.len()).max_by(|&a, &b| heatmap[a].total_cmp(&heatmap[b])).unwrap();
//! assert!((hottest / 64).abs_diff(10) < 5 && (hottest % 64).abs_diff(20) < 5);
//! # Ok::<(), dccausal::Error>(())
//! ```

pub mod cause;
pub mod error;
pub mod evidence;
pub mod extraction;
pub mod masks;
pub mod pixels;
pub mod question;
pub mod render;
pub mod rng;
pub mod scores;
pub mod search;

#[cfg(feature = "python")]
mod py;

pub use cause::responsibility::{Responsibility, responsibilities};
pub use cause::subset::{SUPERPIXELS, Subset};
pub use cause::sufficiency::Sufficiency;
pub use cause::truth_table::TruthTable;
pub use cause::verdict::Verdict;
pub use error::Error;
pub use evidence::evidence::Evidence;
pub use evidence::inquiry::Inquiry;
pub use evidence::round::Round;
pub use evidence::sharing::{Sharing, SharingCounts, SharingOptions};
pub use extraction::extraction::Extraction;
pub use extraction::nested::Nested;
pub use extraction::options::{ExtractionOptions, NestedOptions, Stage};
pub use extraction::staged::Staged;
pub use masks::area::area_slopes;
pub use masks::blend::Blurred;
pub use masks::smooth::{SmoothMasks, Spread};
pub use pixels::contours::contoured;
pub use pixels::fingerprint::{Fingerprint, Fingerprinter};
pub use pixels::heatmap::Accumulator;
pub use pixels::region::{Grid, Region};
pub use pixels::smoothing::{block_means, smoothed};
pub use question::{Batch, Question};
pub use render::{Layout, Renderer, Slots};
pub use scores::{Activation, Scoring, score_and_rank};
pub use search::balanced::Balanced;
pub use search::halves::{Beside, Halves};
pub use search::options::{SearchOptions, Weighting, World};
pub use search::search::{Search, SearchCounts};
pub use search::survey::{Sides, Survey};
pub use search::tree::{Tree, TreeNode};
