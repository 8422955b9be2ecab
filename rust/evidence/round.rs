//! A round: the questions that one inquiry has to have answered before it can go on.
//!
//! During a round the verdicts of earlier rounds are all that is known; whoever needs more queues a question. The queue's
//! order depends only on the inquiry, so batches of any size, several in flight, handed back in any order, lead to the same
//! next round.
//!
//! Where there are several baselines a round goes in passes, a baseline each: those that refused most often in earlier rounds
//! go first, and only what none has refused is asked beside the next.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use crate::cause::verdict::Verdict;
use crate::error::Error;
use crate::evidence::evidence::Evidence;
use crate::evidence::sharing::Sharing;
use crate::pixels::fingerprint::Fingerprint;
use crate::pixels::region::Region;
use crate::question::{Batch, Question};

/// The questions of one inquiry: queued, and in flight.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// Those of the present pass.
    queue: VecDeque<Waiting>,
    /// Those that no baseline has refused so far, by their number: the next pass.
    later: BTreeMap<u64, Waiting>,
    /// The baselines, strictest first, and the place of the present pass's.
    order: Vec<usize>,
    pass: usize,
    /// The questions queued or in flight.
    waiting: HashSet<Fingerprint>,
    n_queued: u64,
    in_flight: HashMap<u64, Vec<Waiting>>,
    /// What follows from the inquiry's verdicts, if it is used, and what followed so far.
    sharing: Option<Sharing>,
    inferred: HashMap<Fingerprint, Verdict>,
    n_calls: u64,
    n_questions: u64,
    max_calls: Option<u64>,
}

/// A question that is to be answered in this round.
#[derive(Clone, Debug)]
struct Waiting {
    question: Question,
    /// The least score that whoever asks can use; 0 for the label alone.
    floor: f64,
    /// Its number among all that were queued.
    number: u64,
}

impl Round {
    /// Nothing queued; at most `max_calls` questions will be handed out, whatever the evidence's budget allows beyond.
    #[must_use]
    pub fn new(max_calls: Option<u64>, sharing: Option<Sharing>) -> Self {
        Self { sharing, max_calls, ..Self::default() }
    }

    /// What infers verdicts, if anything does.
    #[must_use]
    pub const fn sharing(&self) -> Option<&Sharing> {
        self.sharing.as_ref()
    }

    /// Whether a set between the two is known to fail (see [`Sharing::refutes`]); `false` where nothing is inferred.
    #[must_use]
    pub fn refutes(&self, inner: &[Region], outer: impl FnOnce() -> Vec<Region>) -> bool {
        self.sharing.as_ref().is_some_and(|sharing| sharing.refutes(inner, outer()))
    }

    /// Begins the next round: from now on, the verdicts so far are used to infer others.
    pub fn begin(&mut self) {
        if let Some(sharing) = &mut self.sharing {
            sharing.begin_round();
        }
    }

    /// The verdict on a set of masked pixels, if it is known or was inferred.
    #[must_use]
    pub fn verdict(&self, evidence: &Evidence, fingerprint: Fingerprint) -> Option<Verdict> {
        self.verdict_at(evidence, fingerprint, 0.0)
    }

    /// The same for whoever needs a score of at least `floor`.
    #[must_use]
    pub fn verdict_at(&self, evidence: &Evidence, fingerprint: Fingerprint, floor: f64) -> Option<Verdict> {
        evidence.verdict_at(fingerprint, floor).or_else(|| self.inferred.get(&fingerprint).copied())
    }

    /// The verdict on a question, or `None` after queueing it for this round.
    pub fn ask(
        &mut self,
        evidence: &Evidence,
        fingerprint: Fingerprint,
        masked: impl FnOnce() -> Vec<Region>,
    ) -> Option<Verdict> {
        self.ask_at(evidence, fingerprint, 0.0, masked)
    }

    /// The same for whoever needs a score of at least `floor`: the verdict may be that of the baselines asked until one refused.
    pub fn ask_at(
        &mut self,
        evidence: &Evidence,
        fingerprint: Fingerprint,
        floor: f64,
        masked: impl FnOnce() -> Vec<Region>,
    ) -> Option<Verdict> {
        let known = self.verdict_at(evidence, fingerprint, floor);
        if known.is_some() {
            return known;
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
        if self.waiting.is_empty() {
            (self.order, self.pass) = (evidence.strictest_first(), 0);
        }
        self.waiting.insert(fingerprint);
        let question = Question { masked, fingerprint };
        self.queue.push_back(Waiting { question, floor, number: self.n_queued });
        self.n_queued += 1;
        None
    }

    /// The next questions, at most `capacity`, all beside one baseline; `None` when all of them are in flight or answered, or
    /// none are allowed.
    pub fn propose(&mut self, evidence: &mut Evidence, capacity: usize) -> Option<Batch> {
        let most = capacity.min(usize::try_from(self.calls_left(evidence)).unwrap_or(usize::MAX));
        let mut chosen = Vec::with_capacity(most.min(self.queue.len()));
        while chosen.len() < most {
            let Some(waiting) = self.queue.pop_front() else {
                if chosen.is_empty() && self.begin_pass() {
                    continue;
                }
                break;
            };
            // Another inquiry may have asked since, or an earlier round beside this baseline.
            let print = waiting.question.fingerprint;
            if evidence.verdict_at(print, waiting.floor).is_some() {
                self.waiting.remove(&print);
            } else if evidence.is_asked(print, self.order[self.pass]) {
                self.later.insert(waiting.number, waiting);
            } else {
                chosen.push(waiting);
            }
        }
        if chosen.is_empty() {
            return None;
        }
        self.n_calls += chosen.len() as u64;
        self.n_questions +=
            chosen.iter().map(|waiting| u64::from(!evidence.is_begun(waiting.question.fingerprint))).sum::<u64>();
        let questions = chosen.iter().map(|waiting| waiting.question.clone()).collect();
        let batch = evidence.hand_out(questions, self.order[self.pass]);
        self.in_flight.insert(batch.id, chosen);
        Some(batch)
    }

    /// Goes on to the next baseline with what the one before did not refuse, once that is all answered; `false` if there is
    /// nothing to go on with.
    fn begin_pass(&mut self) -> bool {
        if !self.in_flight.is_empty() || self.later.is_empty() {
            return false;
        }
        self.pass += 1;
        self.queue.extend(std::mem::take(&mut self.later).into_values());
        true
    }

    /// Takes the verdicts on a batch.
    ///
    /// # Errors
    /// If the batch is not in flight or the number of verdicts is not that of its questions.
    pub fn submit(&mut self, evidence: &mut Evidence, id: u64, verdicts: &[Verdict]) -> Result<(), Error> {
        let asked = self.in_flight.get(&id).ok_or(Error::UnknownBatch { id })?;
        if asked.len() != verdicts.len() {
            return Err(Error::VerdictCount { given: verdicts.len(), needed: asked.len() });
        }
        let asked = self.in_flight.remove(&id).unwrap_or_default();
        for (waiting, verdict) in asked.into_iter().zip(verdicts) {
            let print = waiting.question.fingerprint;
            evidence.take(&waiting.question, self.order[self.pass], waiting.floor, *verdict);
            if evidence.verdict_at(print, waiting.floor).is_none() {
                self.later.insert(waiting.number, waiting);
                continue;
            }
            self.waiting.remove(&print);
            if let (Some(sharing), Some(settled)) = (&mut self.sharing, evidence.verdict(print)) {
                sharing.learn(waiting.question, settled);
            }
        }
        Ok(())
    }

    /// Whether every question of this round that the budget allows has been answered.
    #[must_use]
    pub fn is_over(&self, evidence: &Evidence) -> bool {
        let is_asked = self.queue.is_empty() && self.later.is_empty();
        self.in_flight.is_empty() && (is_asked || self.is_exhausted(evidence))
    }

    /// Whether the budget of calls is used up, the inquiry's own or the evidence's.
    #[must_use]
    pub fn is_exhausted(&self, evidence: &Evidence) -> bool {
        self.calls_left(evidence) == 0
    }

    /// Forgets the questions that are queued or in flight; their verdicts will not be taken any more.
    pub fn abandon(&mut self) {
        self.queue.clear();
        self.later.clear();
        self.waiting.clear();
        self.in_flight.clear();
    }

    /// Sets of masked pixels that were asked about so far, beside however many baselines.
    #[must_use]
    pub const fn n_questions(&self) -> u64 {
        self.n_questions
    }

    /// Calls so far: questions handed out, once for each baseline that they were asked beside.
    #[must_use]
    pub const fn n_calls(&self) -> u64 {
        self.n_calls
    }

    /// Questions that may still be handed out.
    #[must_use]
    pub fn calls_left(&self, evidence: &Evidence) -> u64 {
        let own = self.max_calls.map_or(u64::MAX, |most| most.saturating_sub(self.n_calls));
        own.min(evidence.calls_left())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASS: Verdict = Verdict { is_passing: true, score: 0.5 };

    fn evidence(max_calls: Option<u64>) -> Evidence {
        Evidence::new(4, 40, max_calls).expect("sides in range")
    }

    fn ask(round: &mut Round, evidence: &Evidence, right: u32) -> Option<Verdict> {
        let region = Region { top: 0, left: 0, bottom: 4, right };
        round.ask(evidence, evidence.prints().region(&region), || vec![region])
    }

    #[test]
    fn a_question_is_proposed_once() {
        let (mut evidence, mut round) = (evidence(None), Round::default());
        assert_eq!(ask(&mut round, &evidence, 3), None);
        assert_eq!(ask(&mut round, &evidence, 3), None);
        let batch = round.propose(&mut evidence, 8).expect("one question waits");
        assert_eq!(batch.questions.len(), 1);
        assert_eq!(ask(&mut round, &evidence, 3), None);
        assert!(round.propose(&mut evidence, 8).is_none() && !round.is_over(&evidence));
        round.submit(&mut evidence, batch.id, &[PASS]).expect("the batch is in flight");
        assert_eq!(ask(&mut round, &evidence, 3), Some(PASS));
        assert!(round.is_over(&evidence));
    }

    #[test]
    fn batches_come_back_in_any_order_but_only_once_and_whole() {
        let (mut evidence, mut round) = (evidence(None), Round::default());
        (1..=5).for_each(|right| assert_eq!(ask(&mut round, &evidence, right), None));
        let mut propose = || round.propose(&mut evidence, 3).expect("5 wait");
        let (first, second) = (propose(), propose());
        let mut submit = |id, verdicts: &[Verdict]| {
            let taken = round.submit(&mut evidence, id, verdicts);
            (taken, round.is_over(&evidence))
        };
        assert_eq!(submit(second.id, &[PASS; 3]), (Err(Error::VerdictCount { given: 3, needed: 2 }), false));
        assert_eq!(submit(second.id, &[PASS; 2]), (Ok(()), false));
        assert_eq!(submit(second.id, &[PASS; 2]), (Err(Error::UnknownBatch { id: second.id }), false));
        assert_eq!(submit(first.id, &[PASS; 3]), (Ok(()), true));
    }

    #[test]
    fn either_budget_ends_a_round_early() {
        for (own, common) in [(Some(3), None), (None, Some(3)), (Some(3), Some(9)), (Some(9), Some(3))] {
            let (mut evidence, mut round) = (evidence(common), Round::new(own, None));
            (1..=5).for_each(|right| assert_eq!(ask(&mut round, &evidence, right), None));
            let batch = round.propose(&mut evidence, 10).expect("3 are allowed");
            assert_eq!(batch.questions.len(), 3);
            round.submit(&mut evidence, batch.id, &[PASS; 3]).expect("the batch is in flight");
            assert!(round.propose(&mut evidence, 10).is_none());
            assert!(round.is_over(&evidence) && round.is_exhausted(&evidence));
        }
    }

    #[test]
    fn what_is_spent_outside_counts() {
        let (mut evidence, mut round) = (evidence(Some(7)), Round::default());
        evidence.spend(4);
        (1..=5).for_each(|right| assert_eq!(ask(&mut round, &evidence, right), None));
        let batch = round.propose(&mut evidence, 10).expect("3 are allowed");
        assert_eq!((batch.questions.len(), round.n_calls(), evidence.n_calls()), (3, 3, 7));
        evidence.spend(u64::MAX);
        assert_eq!(evidence.calls_left(), 0);
    }

    #[test]
    fn what_another_inquiry_asked_meanwhile_is_not_asked_again() {
        let (mut evidence, mut one, mut other) = (evidence(None), Round::default(), Round::default());
        (1..=3).for_each(|right| assert_eq!(ask(&mut one, &evidence, right), None));
        (2..=3).for_each(|right| assert_eq!(ask(&mut other, &evidence, right), None));
        let batch = one.propose(&mut evidence, 2).expect("3 wait");
        one.submit(&mut evidence, batch.id, &[PASS; 2]).expect("the batch is in flight");
        assert_eq!(other.propose(&mut evidence, 8).map(|batch| batch.questions.len()), Some(1));
        assert_eq!(evidence.n_calls(), 3);
    }
}
