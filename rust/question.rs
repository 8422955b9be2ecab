//! A question: a mutant to classify, the image with some pixels masked. And a batch of questions.

use crate::pixels::fingerprint::Fingerprint;
use crate::pixels::region::Region;

/// One mutant to classify: the image with these pixels masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Disjoint rectangles, sorted; everything inside them is masked.
    pub masked: Vec<Region>,
    /// The identity of the masked pixels.
    pub fingerprint: Fingerprint,
}

/// Questions to classify together, all about one image, masked by one baseline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The number to submit the verdicts under.
    pub id: u64,
    /// The image's height in pixels.
    pub height: u32,
    /// The image's width in pixels.
    pub width: u32,
    /// Which of the baselines masks, counted from 0.
    pub baseline: usize,
    /// The questions, in the order in which the verdicts are expected.
    pub questions: Vec<Question>,
}
