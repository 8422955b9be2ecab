//! The search for responsibility: a state machine over many random partitions.
//!
//! Each partition is a tree. Its root is the whole image; a region is cut into four superpixels at a random point, their
//! responsibilities are found by questions to the classifier, and every superpixel that is a cause is cut again, until it
//! is too small or its siblings are all equally responsible (paper, Section 3). The heatmap is the mean over partitions,
//! and half of it a survey where one is wanted.
//!
//! Trees grow together, a round of questions at a time: the questions of a round are all that the unfinished regions of all
//! partitions need next. So batches are full, a search that is cut short has every partition at about the same depth,
//! and the result depends on the options alone.

use std::borrow::Cow;

use crate::cause::subset::SUBSETS;
use crate::error::Error;
use crate::evidence::evidence::Evidence;
use crate::evidence::inquiry::Inquiry;
use crate::evidence::round::Round;
use crate::evidence::sharing::{Sharing, SharingCounts};
use crate::pixels::fingerprint::Fingerprint;
use crate::pixels::heatmap::Accumulator;
use crate::pixels::region::Region;
use crate::rng::Path;
use crate::search::options::{SearchOptions, World};
use crate::search::partition::{Cutter, Partition, Stakes};
use crate::search::survey::{Sides, Survey};
use crate::search::tree::{Record, Tree};

/// How far a search has come, and what it cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SearchCounts {
    /// Partitions begun.
    pub partitions: u32,
    /// Regions cut and judged.
    pub refinements: u64,
    /// Verdicts that the responsibilities and the survey took.
    pub verdicts: u64,
    /// Questions of the survey, once it is over.
    pub surveyed: u64,
    /// Rounds of questions.
    pub rounds: u64,
}

impl SearchCounts {
    /// Questions that asking every subset of every region would take, and the survey's.
    #[must_use]
    pub const fn exhaustive(&self) -> u64 {
        self.refinements * (SUBSETS as u64 - 1) + self.surveyed
    }
}

/// A search over the partitions of one image: an [`Inquiry`].
#[derive(Clone, Debug)]
pub struct Search {
    options: SearchOptions,
    whole: Region,
    round: Round,
    /// The intact image's score; not a number where there are none.
    intact: f64,
    frontier: Vec<Partition>,
    settled: Accumulator,
    surveying: Surveying,
    counts: SearchCounts,
    record: Record,
    is_done: bool,
}

/// How far the survey has come.
#[derive(Clone, Debug)]
enum Surveying {
    /// It is to be asked in the next round.
    Planned(Survey),
    /// It is asked in the present round.
    Asked(Survey),
    /// What it found, row by row; empty where there was none.
    Over(Vec<f32>),
}

impl Search {
    /// Starts a search from what is known already.
    ///
    /// # Errors
    /// If an option is out of its range.
    pub fn new(options: SearchOptions, evidence: &Evidence) -> Result<Self, Error> {
        options.check()?;
        let (height, width) = (evidence.height(), evidence.width());
        let sharing = options.sharing.map(|sharing| Sharing::new(sharing, height, width)).transpose()?;
        let round = Round::new(options.max_calls, sharing);
        // Of a budget, the partitions get half at least, whatever each question takes.
        let most = round.calls_left(evidence) / 2 / evidence.n_baselines() as u64;
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let sides = Sides { masked: &options.survey, shown: &options.shown, halved: &options.balanced };
        let survey = Survey::new(&sides, evidence, most);
        let intact = evidence.verdict(Fingerprint::default()).map_or(f32::NAN, |verdict| verdict.score);
        let mut search = Self {
            options,
            whole: evidence.whole(),
            round,
            intact: f64::from(intact),
            frontier: Vec::new(),
            settled: Accumulator::new(height, width),
            surveying: if survey.is_empty() { Surveying::Over(Vec::new()) } else { Surveying::Planned(survey) },
            counts: SearchCounts::default(),
            record: Record::default(),
            is_done: false,
        };
        search.advance(evidence);
        Ok(search)
    }

    /// How far the search has come.
    #[must_use]
    pub const fn counts(&self) -> SearchCounts {
        self.counts
    }

    /// What sharing did; all zero where it is not used.
    #[must_use]
    pub fn sharing_counts(&self) -> SharingCounts {
        self.round.sharing().map(Sharing::counts).unwrap_or_default()
    }

    /// The share of all partitions' area that is settled, from 0 to 1: a rough measure of how much is done.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "areas are far below 2^52")]
    pub fn progress(&self) -> f64 {
        let whole = self.whole.area() as f64;
        let open: f64 = self.frontier.iter().map(|partition| partition.region.area() as f64).sum();
        (f64::from(self.counts.partitions) - open / whole) / f64::from(self.options.partitions)
    }

    /// The heatmap as known now, row by row: the mean over the partitions begun; with a survey, half of it is that, and half
    /// the mean as a share of its peak.
    #[must_use]
    pub fn heatmap(&self) -> Vec<f32> {
        let mut heatmap = self.partitions();
        if let Some(surveyed) = self.surveyed() {
            let peak = heatmap.iter().copied().fold(0.0, f32::max);
            let scale = if peak > 0.0 { peak } else { 1.0 };
            let values = heatmap.iter_mut().zip(surveyed);
            values.for_each(|(value, surveyed)| *value = f32::midpoint(*value / scale, *surveyed));
        }
        heatmap
    }

    /// What the survey found, row by row, as a share of its peak; `None` before it is over and where there was none.
    #[must_use]
    pub fn surveyed(&self) -> Option<&[f32]> {
        match &self.surveying {
            Surveying::Over(surveyed) if !surveyed.is_empty() => Some(surveyed),
            _ => None,
        }
    }

    /// The mean over the partitions begun, row by row.
    ///
    /// A region whose refinement is not finished counts as one that is refined no further.
    #[must_use]
    pub fn partitions(&self) -> Vec<f32> {
        let mut sums = Cow::Borrowed(&self.settled);
        for Partition { region, stakes, .. } in &self.frontier {
            sums.to_mut().add(region, stakes.value(self.options.weighting, region));
        }
        sums.mean(self.counts.partitions)
    }

    /// The map as known now for the eye, row by row: that of the survey while it is asked, then the heatmap.
    #[must_use]
    pub fn sketch(&self, evidence: &Evidence) -> Vec<f32> {
        match &self.surveying {
            Surveying::Asked(survey) => survey.map(evidence),
            Surveying::Planned(_) | Surveying::Over(_) => self.heatmap(),
        }
    }

    /// The trees of the first partitions as known now, as many as were to be recorded and have begun.
    #[must_use]
    pub fn trees(&self) -> &[Tree] {
        self.record.trees()
    }

    /// Takes the verdicts on the survey, if it was asked, or asks it, if that is still to be done.
    fn survey(&mut self, evidence: &Evidence) {
        self.surveying = match std::mem::replace(&mut self.surveying, Surveying::Over(Vec::new())) {
            Surveying::Planned(survey) => {
                // Before anything is known, so that no score is inferred.
                survey.ask(&mut self.round, evidence);
                Surveying::Asked(survey)
            }
            Surveying::Asked(survey) => {
                self.counts.surveyed = survey.n_questions();
                self.counts.verdicts += self.counts.surveyed;
                Surveying::Over(survey.map(evidence))
            }
            over @ Surveying::Over(_) => over,
        };
    }

    /// Begins the next partitions; `false` if there are none left.
    fn begin_wave(&mut self, evidence: &Evidence) -> bool {
        let begun = self.counts.partitions;
        let end = begun.saturating_add(self.options.wave).min(self.options.partitions);
        for number in begun..end {
            let kind = match self.options.world {
                World::Both if number % 3 == 0 => World::Contingency,
                World::Both => World::Sufficient,
                kind => kind,
            };
            let path = Path::root(self.options.seed, number);
            let mut root = self.cutter(evidence).cut(self.whole, path, kind, Stakes::WHOLE);
            root.node = (number < self.options.trees).then(|| self.record.begin(kind, self.whole));
            self.frontier.push(root);
        }
        self.counts.partitions = end;
        begun < end
    }

    const fn cutter<'a>(&self, evidence: &'a Evidence) -> Cutter<'a> {
        Cutter { concentration: self.options.concentration, prints: evidence.prints() }
    }

    /// Takes a partition, and those that follow from it, as far as the known verdicts lead.
    fn pursue(&mut self, partition: Partition, evidence: &Evidence) {
        let mut open = vec![partition];
        while let Some(mut partition) = open.pop() {
            let n_verdicts = partition.n_verdicts();
            let is_judged = partition.judge(&mut self.round, evidence);
            self.counts.verdicts += partition.n_verdicts() - n_verdicts;
            if is_judged {
                self.counts.refinements += 1;
                let first = open.len();
                self.refine(&partition, evidence, &mut open);
                open[first..].reverse();
            } else {
                self.frontier.push(partition);
            }
        }
    }

    /// Settles what of a judged partition is refined no further, and cuts the rest in turn.
    fn refine(&mut self, partition: &Partition, evidence: &Evidence, open: &mut Vec<Partition>) {
        let score = |print| self.round.verdict(evidence, print).map_or(f32::NAN, |verdict| verdict.score);
        let Some(findings) = partition.refine(self.options.refine_equal, self.intact, score) else {
            self.settle(&partition.region, partition.stakes);
            return;
        };
        for (superpixel, finding) in findings.into_iter().enumerate() {
            let piece = partition.pieces[superpixel];
            let values = (finding.stakes.responsibility, finding.stakes.stake);
            let node = partition.node.map(|parent| self.record.add(parent, piece, values, finding.contingency));
            match finding.masked {
                Some(masked) if self.is_refinable(&piece) => {
                    let mut child = partition.child(superpixel, masked, finding.stakes, &self.cutter(evidence));
                    child.node = node;
                    open.push(child);
                }
                _ => self.settle(&piece, finding.stakes),
            }
        }
    }

    fn is_refinable(&self, region: &Region) -> bool {
        let is_long_enough =
            |side: u32, whole: u32| side >= 2 && f64::from(side) >= self.options.min_side * f64::from(whole);
        is_long_enough(region.height(), self.whole.height()) && is_long_enough(region.width(), self.whole.width())
    }

    fn settle(&mut self, region: &Region, stakes: Stakes) {
        self.settled.add(region, stakes.value(self.options.weighting, region));
    }
}

impl Inquiry for Search {
    /// Whether every partition is finished, or the budget used up.
    fn is_done(&self) -> bool {
        self.is_done
    }

    fn round(&self) -> &Round {
        &self.round
    }

    fn round_mut(&mut self) -> &mut Round {
        &mut self.round
    }

    fn advance(&mut self, evidence: &Evidence) {
        let is_last = self.round.is_exhausted(evidence);
        if is_last {
            self.round.abandon();
        }
        while self.round.is_over(evidence) {
            self.round.begin();
            self.survey(evidence);
            let frontier = std::mem::take(&mut self.frontier);
            frontier.into_iter().for_each(|partition| self.pursue(partition, evidence));
            if is_last || (self.frontier.is_empty() && !self.begin_wave(evidence)) {
                self.round.abandon();
                self.is_done = true;
                return;
            }
        }
        self.counts.rounds += 1;
    }
}
