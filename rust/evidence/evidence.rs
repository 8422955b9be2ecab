//! Questions to the classifier and the verdicts that came back: nothing is asked twice.
//!
//! Questions are asked in *rounds*. During a round the verdicts of earlier rounds are all that is known; whoever needs
//! more queues a question. The queue's order depends only on the search, so batches of any size, several in flight,
//! handed back in any order, lead to the same next round.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::cause::verdict::Verdict;
use crate::error::Error;
use crate::evidence::sharing::{Sharing, SharingCounts};
use crate::pixels::fingerprint::Fingerprint;
use crate::pixels::region::Region;
use crate::question::{Batch, Question};

/// All that was asked and answered so far about one image.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    verdicts: HashMap<Fingerprint, Verdict>,
    /// The questions that passed, in no order that matters.
    passed: Vec<Question>,
    /// What follows from the verdicts, if it is used, and what followed so far.
    sharing: Option<Sharing>,
    inferred: HashMap<Fingerprint, Verdict>,
    queue: VecDeque<Question>,
    waiting: HashSet<Fingerprint>,
    in_flight: HashMap<u64, Vec<Question>>,
    next_batch: u64,
    n_calls: u64,
    max_calls: Option<u64>,
}

impl Evidence {
    /// Nothing asked yet; at most `max_calls` questions will be.
    #[must_use]
    pub fn new(max_calls: Option<u64>) -> Self {
        Self { max_calls, ..Self::default() }
    }

    /// Infers verdicts from now on.
    pub fn share(&mut self, sharing: Sharing) {
        self.sharing = Some(sharing);
    }

    /// Infers no more, and forgets all that was not asked itself.
    pub fn unshare(&mut self) {
        self.sharing = None;
        self.inferred.clear();
    }

    /// What sharing did; all zero where it is not used.
    #[must_use]
    pub fn sharing_counts(&self) -> SharingCounts {
        self.sharing.as_ref().map(Sharing::counts).unwrap_or_default()
    }

    /// Whether a set between the two is known to fail (see [`Sharing::refutes`]); `false` where nothing is inferred.
    #[must_use]
    pub fn refutes(&self, inner: &[Region], outer: impl FnOnce() -> Vec<Region>) -> bool {
        self.sharing.as_ref().is_some_and(|sharing| sharing.refutes(inner, outer()))
    }

    /// Begins a round: from now on, the verdicts so far are used to infer others.
    pub fn begin_round(&mut self) {
        if let Some(sharing) = &mut self.sharing {
            sharing.begin_round();
        }
    }

    /// Takes a verdict that was found outside: of the intact image, say.
    pub fn learn(&mut self, fingerprint: Fingerprint, verdict: Verdict) {
        self.verdicts.insert(fingerprint, verdict);
    }

    /// The verdict on a set of masked pixels, if it is known or was inferred.
    #[must_use]
    pub fn verdict(&self, fingerprint: Fingerprint) -> Option<Verdict> {
        self.verdicts.get(&fingerprint).or_else(|| self.inferred.get(&fingerprint)).copied()
    }

    /// The verdict on a question, or `None` after queueing it for this round.
    pub fn ask(&mut self, fingerprint: Fingerprint, masked: impl FnOnce() -> Vec<Region>) -> Option<Verdict> {
        if let Some(verdict) = self.verdict(fingerprint) {
            return Some(verdict);
        }
        if self.waiting.contains(&fingerprint) {
            return None;
        }
        let mut masked = masked();
        masked.sort_unstable();
        if let Some(verdict) = self.sharing.as_mut().and_then(|sharing| sharing.infer(fingerprint, &masked)) {
            self.inferred.insert(fingerprint, verdict);
            return Some(verdict);
        }
        self.waiting.insert(fingerprint);
        self.queue.push_back(Question { masked, fingerprint });
        None
    }

    /// The next questions of this round, at most `capacity`; `None` when all of them are in flight or answered.
    pub fn propose(&mut self, capacity: usize) -> Option<Batch> {
        let size = capacity.min(self.queue.len()).min(self.calls_left());
        if size == 0 {
            return None;
        }
        let questions: Vec<Question> = self.queue.drain(..size).collect();
        let id = self.next_batch;
        self.next_batch += 1;
        self.n_calls += size as u64;
        self.in_flight.insert(id, questions.clone());
        Some(Batch { id, questions })
    }

    /// Takes the verdicts on a batch.
    ///
    /// # Errors
    /// If the batch is not in flight or the number of verdicts is not that of its questions.
    pub fn submit(&mut self, id: u64, verdicts: &[Verdict]) -> Result<(), Error> {
        let asked = self.in_flight.get(&id).ok_or(Error::UnknownBatch { id })?;
        if asked.len() != verdicts.len() {
            return Err(Error::VerdictCount { given: verdicts.len(), needed: asked.len() });
        }
        let asked = self.in_flight.remove(&id).unwrap_or_default();
        for (question, verdict) in asked.into_iter().zip(verdicts) {
            self.waiting.remove(&question.fingerprint);
            self.verdicts.insert(question.fingerprint, *verdict);
            if verdict.is_passing {
                self.passed.push(question.clone());
            }
            if let Some(sharing) = &mut self.sharing {
                sharing.learn(question, *verdict);
            }
        }
        Ok(())
    }

    /// Whether every question of this round that the budget allows has been answered.
    #[must_use]
    pub fn is_round_over(&self) -> bool {
        self.in_flight.is_empty() && (self.queue.is_empty() || self.is_exhausted())
    }

    /// Whether the budget of calls is used up.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.calls_left() == 0
    }

    /// The mutants that were asked about and pass.
    #[must_use]
    pub fn passed(&self) -> &[Question] {
        &self.passed
    }

    /// Changes the budget: at most `max_calls` questions in all, those asked already included.
    pub const fn set_budget(&mut self, max_calls: Option<u64>) {
        self.max_calls = max_calls;
    }

    /// Forgets the questions that are queued or in flight; their verdicts will not be taken any more.
    pub fn abandon_round(&mut self) {
        self.queue.clear();
        self.waiting.clear();
        self.in_flight.clear();
    }

    /// Questions handed out so far.
    #[must_use]
    pub const fn n_calls(&self) -> u64 {
        self.n_calls
    }

    /// Questions that the budget still allows.
    #[must_use]
    pub fn calls_left(&self) -> usize {
        let left = self.max_calls.map_or(u64::MAX, |most| most.saturating_sub(self.n_calls));
        usize::try_from(left).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::fingerprint::Fingerprinter;

    const PASS: Verdict = Verdict { is_passing: true, score: 0.5 };

    fn ask(evidence: &mut Evidence, right: u32) -> Option<Verdict> {
        let region = Region { top: 0, left: 0, bottom: 4, right };
        evidence.ask(Fingerprinter::new(4, 40).region(&region), || vec![region])
    }

    #[test]
    fn a_question_is_proposed_once() {
        let mut evidence = Evidence::new(None);
        assert_eq!(ask(&mut evidence, 3), None);
        assert_eq!(ask(&mut evidence, 3), None);
        let batch = evidence.propose(8).expect("one question waits");
        assert_eq!(batch.questions.len(), 1);
        assert_eq!(ask(&mut evidence, 3), None);
        assert!(evidence.propose(8).is_none() && !evidence.is_round_over());
        evidence.submit(batch.id, &[PASS]).expect("the batch is in flight");
        assert_eq!(ask(&mut evidence, 3), Some(PASS));
        assert!(evidence.is_round_over());
    }

    #[test]
    fn batches_come_back_in_any_order_but_only_once_and_whole() {
        let mut evidence = Evidence::new(None);
        (1..=5).for_each(|right| assert_eq!(ask(&mut evidence, right), None));
        let (first, second) = (evidence.propose(3).expect("5 wait"), evidence.propose(3).expect("2 wait"));
        assert_eq!(evidence.submit(second.id, &[PASS; 3]), Err(Error::VerdictCount { given: 3, needed: 2 }));
        assert_eq!(evidence.submit(second.id, &[PASS; 2]), Ok(()));
        assert_eq!(evidence.submit(second.id, &[PASS; 2]), Err(Error::UnknownBatch { id: second.id }));
        assert!(!evidence.is_round_over());
        assert_eq!(evidence.submit(first.id, &[PASS; 3]), Ok(()));
        assert!(evidence.is_round_over());
    }

    #[test]
    fn the_budget_ends_a_round_early() {
        let mut evidence = Evidence::new(Some(3));
        (1..=5).for_each(|right| assert_eq!(ask(&mut evidence, right), None));
        let batch = evidence.propose(10).expect("3 are allowed");
        assert_eq!(batch.questions.len(), 3);
        evidence.submit(batch.id, &[PASS; 3]).expect("the batch is in flight");
        assert!(evidence.propose(10).is_none() && evidence.is_round_over() && evidence.is_exhausted());
    }
}
