//! An inquiry: whatever asks questions about an image, round by round, until it knows enough.

use crate::cause::verdict::Verdict;
use crate::error::Error;
use crate::evidence::evidence::Evidence;
use crate::evidence::round::Round;
use crate::question::Batch;

/// A state machine that proposes questions and takes the verdicts on them.
///
/// Call [`propose`](Self::propose) and [`submit`](Self::submit) until [`is_done`](Self::is_done), always with the evidence
/// that it began with. Several inquiries may share one evidence, one after the other or at the same time.
pub trait Inquiry {
    /// Whether it knows all it wanted to, or the budget is used up.
    fn is_done(&self) -> bool;

    /// The questions of the present round.
    fn round(&self) -> &Round;

    /// The same, to be changed.
    fn round_mut(&mut self) -> &mut Round;

    /// Uses the verdicts of the last round, and queues the questions of the next.
    fn advance(&mut self, evidence: &Evidence);

    /// The next questions, at most `capacity`; `None` while all of the round's are in flight, or at the end.
    fn propose(&mut self, evidence: &mut Evidence, capacity: usize) -> Option<Batch> {
        while !self.is_done() {
            let batch = self.round_mut().propose(evidence, capacity);
            if batch.is_some() || !self.round().is_over(evidence) {
                return batch;
            }
            // Others have asked the questions that were left, or used up the budget.
            self.advance(evidence);
        }
        None
    }

    /// Takes the verdicts on a batch, in the order of its questions.
    ///
    /// # Errors
    /// If the batch is not in flight or the number of verdicts is wrong.
    fn submit(&mut self, evidence: &mut Evidence, id: u64, verdicts: &[Verdict]) -> Result<(), Error> {
        self.round_mut().submit(evidence, id, verdicts)?;
        if self.round().is_over(evidence) {
            self.advance(evidence);
        }
        Ok(())
    }

    /// The number of questions that it has handed out itself.
    fn n_calls(&self) -> u64 {
        self.round().n_calls()
    }
}
