//! The evidence about one image: every verdict that is known, and what it has cost.
//!
//! It is what searches and extractions of the image have in common. Each of them asks in rounds of its own
//! ([`Round`](crate::evidence::round::Round)); what comes back is kept here, so that what one has asked no other asks again,
//! and all of them draw on one budget of calls.
//!
//! There may be several baselines. A set of masked pixels passes if the label stays beside each of them, and its score is the
//! least. So a set is refused by the first baseline beside which it does not do, and the others need not be asked.

use std::cmp::Ordering;
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
    verdicts: HashMap<Fingerprint, Known>,
    /// What each baseline was asked, and refused.
    baselines: Vec<Asked>,
    /// The questions that passed, in no order that matters.
    passed: Vec<Question>,
    n_batches: u64,
    n_calls: u64,
    max_calls: Option<u64>,
}

/// What is known of one set of masked pixels.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// The label beside each baseline that was asked, and the least of the scores.
    verdict: Verdict,
    /// The baselines that were asked, a bit each.
    asked: u32,
}

/// How often one baseline was asked, and how often it refused.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    n: u64,
    n_refused: u64,
}

impl Asked {
    /// The one that refused the larger share first, each as if it had refused one of two questions more.
    fn by_strictness(one: Self, other: Self) -> Ordering {
        let parts = |asked: Self| (u128::from(asked.n_refused) + 1, u128::from(asked.n) + 2);
        let ((one, of_one), (other, of_other)) = (parts(one), parts(other));
        (other * of_one).cmp(&(one * of_other))
    }
}

/// The most baselines there may be.
pub const MOST_BASELINES: usize = 16;

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
            baselines: vec![Asked::default()],
            passed: Vec::new(),
            n_batches: 0,
            n_calls: 0,
            max_calls,
        })
    }

    /// The same with so many baselines, beside each of which the label has to stay.
    ///
    /// # Errors
    /// If there are none or too many.
    pub fn with_baselines(mut self, n_baselines: usize) -> Result<Self, Error> {
        require((1..=MOST_BASELINES).contains(&n_baselines), "baselines", n_baselines, "from 1 to 16")?;
        self.baselines = vec![Asked::default(); n_baselines];
        Ok(self)
    }

    /// Number of baselines.
    #[must_use]
    pub const fn n_baselines(&self) -> usize {
        self.baselines.len()
    }

    /// The baselines in the order in which a round asks them, equals as they were given: first those that refused the largest
    /// share of what they were asked. A number of refusals would keep that first which is first.
    #[must_use]
    pub fn strictest_first(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.baselines.len()).collect();
        order.sort_by(|&one, &other| Asked::by_strictness(self.baselines[one], self.baselines[other]));
        order
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
        self.verdicts.insert(Fingerprint::default(), Known { verdict, asked: self.all() });
    }

    /// Takes the verdict on the blank image, with everything masked, beside each baseline, which was found outside.
    pub fn learn_blank(&mut self, verdict: Verdict) {
        let whole = self.prints.region(&self.whole());
        self.verdicts.insert(whole, Known { verdict, asked: self.all() });
    }

    /// The verdict on a set of masked pixels, if it is settled: a baseline lost the label, or all were asked.
    #[must_use]
    pub fn verdict(&self, fingerprint: Fingerprint) -> Option<Verdict> {
        self.verdict_at(fingerprint, 0.0)
    }

    /// The same for whoever needs a score of at least the floor: a baseline that refuses settles it.
    #[must_use]
    pub fn verdict_at(&self, fingerprint: Fingerprint, floor: f64) -> Option<Verdict> {
        let known = self.verdicts.get(&fingerprint)?;
        (known.asked == self.all() || known.verdict.refuses(floor)).then_some(known.verdict)
    }

    /// Whether a set was asked about beside a baseline.
    #[must_use]
    pub fn is_asked(&self, fingerprint: Fingerprint, baseline: usize) -> bool {
        self.verdicts.get(&fingerprint).is_some_and(|known| known.asked & (1 << baseline) != 0)
    }

    /// Whether a set was asked about beside any baseline.
    #[must_use]
    pub fn is_begun(&self, fingerprint: Fingerprint) -> bool {
        self.verdicts.contains_key(&fingerprint)
    }

    /// A bit for each baseline.
    const fn all(&self) -> u32 {
        (1 << self.baselines.len()) - 1
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
    pub(crate) fn hand_out(&mut self, questions: Vec<Question>, baseline: usize) -> Batch {
        let id = self.n_batches;
        self.n_batches += 1;
        self.spend(questions.len() as u64);
        Batch { id, height: self.height, width: self.width, baseline, questions }
    }

    /// Takes the verdict on a question that was handed out, beside a baseline, for whoever needs a score of at least `floor`.
    pub(crate) fn take(&mut self, question: &Question, baseline: usize, floor: f64, verdict: Verdict) {
        let counts = &mut self.baselines[baseline];
        let is_refused = verdict.refuses(if floor.is_finite() { floor } else { 0.0 });
        counts.n += 1;
        counts.n_refused += u64::from(is_refused);
        let (bit, all) = (1 << baseline, self.all());
        let known = self.verdicts.entry(question.fingerprint).or_insert(Known { verdict, asked: 0 });
        known.verdict = known.verdict.and(verdict);
        known.asked |= bit;
        if known.verdict.is_passing && known.asked == all {
            self.passed.push(question.clone());
        }
    }
}
