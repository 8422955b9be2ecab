//! The evidence about one image: every verdict that is known, and what it has cost.
//!
//! It is what searches and extractions of the image have in common. Each of them asks in rounds of its own
//! ([`Round`](crate::evidence::round::Round)); what comes back is kept here, so that what one has asked no other asks again,
//! and all of them draw on one budget of calls.

use std::collections::HashMap;

use crate::cause::verdict::Verdict;
use crate::error::{Error, require};
use crate::pixels::fingerprint::{Fingerprint, Fingerprinter};
use crate::pixels::region::Region;
use crate::question::{Batch, Question};

/// All that was asked and answered so far about one image.
#[derive(Clone, Debug)]
pub struct Evidence {
    height: u32,
    width: u32,
    prints: Fingerprinter,
    verdicts: HashMap<Fingerprint, Verdict>,
    /// The questions that passed, in no order that matters.
    passed: Vec<Question>,
    n_batches: u64,
    n_calls: u64,
    max_calls: Option<u64>,
}

impl Evidence {
    /// Nothing asked yet about an image of this size; at most `max_calls` questions will be.
    ///
    /// # Errors
    /// If a side is out of its range.
    pub fn new(height: u32, width: u32, max_calls: Option<u64>) -> Result<Self, Error> {
        let side = "at least 2 pixels and at most 65535, since a cut needs a pixel on either side";
        require((2..=65535).contains(&height), "height", height, side)?;
        require((2..=65535).contains(&width), "width", width, side)?;
        Ok(Self {
            height,
            width,
            prints: Fingerprinter::new(height, width),
            verdicts: HashMap::new(),
            passed: Vec::new(),
            n_batches: 0,
            n_calls: 0,
            max_calls,
        })
    }

    /// The image's height in pixels.
    #[must_use]
    pub const fn height(&self) -> u32 {
        self.height
    }

    /// The image's width in pixels.
    #[must_use]
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// The whole of the image.
    #[must_use]
    pub const fn whole(&self) -> Region {
        Region::whole(self.height, self.width)
    }

    /// What identifies sets of the image's pixels.
    #[must_use]
    pub const fn prints(&self) -> &Fingerprinter {
        &self.prints
    }

    /// Takes the verdict on the intact image, which was found outside.
    pub fn learn_intact(&mut self, verdict: Verdict) {
        self.verdicts.insert(Fingerprint::default(), verdict);
    }

    /// Takes the verdict on the blank image, with everything masked, which was found outside.
    pub fn learn_blank(&mut self, verdict: Verdict) {
        let whole = self.prints.region(&self.whole());
        self.verdicts.insert(whole, verdict);
    }

    /// The verdict on a set of masked pixels, if it is known.
    #[must_use]
    pub fn verdict(&self, fingerprint: Fingerprint) -> Option<Verdict> {
        self.verdicts.get(&fingerprint).copied()
    }

    /// The mutants that were asked about and pass.
    #[must_use]
    pub fn passed(&self) -> &[Question] {
        &self.passed
    }

    /// Counts calls of the classifier that were made outside, on whole images say, against the budget.
    pub const fn spend(&mut self, n_calls: u64) {
        self.n_calls = self.n_calls.saturating_add(n_calls);
    }

    /// Calls so far: questions handed out, by whichever inquiry, and what was [spent](Self::spend) outside.
    #[must_use]
    pub const fn n_calls(&self) -> u64 {
        self.n_calls
    }

    /// The budget: the most calls there may be in all.
    #[must_use]
    pub const fn max_calls(&self) -> Option<u64> {
        self.max_calls
    }

    /// Changes the budget; the calls so far count.
    pub const fn set_max_calls(&mut self, max_calls: Option<u64>) {
        self.max_calls = max_calls;
    }

    /// Calls that the budget still allows.
    #[must_use]
    pub fn calls_left(&self) -> u64 {
        self.max_calls.map_or(u64::MAX, |most| most.saturating_sub(self.n_calls))
    }

    /// Counts questions that are handed out, and makes a batch of them.
    pub(crate) fn hand_out(&mut self, questions: Vec<Question>) -> Batch {
        let id = self.n_batches;
        self.n_batches += 1;
        self.spend(questions.len() as u64);
        Batch { id, height: self.height, width: self.width, questions }
    }

    /// Takes the verdict on a question that was handed out.
    pub(crate) fn take(&mut self, question: &Question, verdict: Verdict) {
        self.verdicts.insert(question.fingerprint, verdict);
        if verdict.is_passing {
            self.passed.push(question.clone());
        }
    }
}
