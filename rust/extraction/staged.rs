//! What extractions have in common: an inquiry that goes from stage to stage as verdicts come in.

use crate::evidence::evidence::Evidence;
use crate::evidence::inquiry::Inquiry;
use crate::evidence::round::Round;
use crate::extraction::blocks::Blocks;
use crate::extraction::options::Stage;

/// An extraction in stages.
pub trait Staged {
    /// How far it has come.
    fn stage(&self) -> Stage;

    /// The same, to be changed.
    fn stage_mut(&mut self) -> &mut Stage;

    /// Its lattice, and what is asked of it.
    fn blocks(&self) -> &Blocks;

    /// The same, to be changed.
    fn blocks_mut(&mut self) -> &mut Blocks;

    /// The stage that is reached as far as the known verdicts lead; `None` while the present one waits for more.
    fn pursue(&mut self, evidence: &Evidence) -> Option<Stage>;
}

impl<T: Staged> Inquiry for T {
    /// Whether what was looked for is minimal, or the extraction had to stop.
    fn is_done(&self) -> bool {
        matches!(self.stage(), Stage::Minimal | Stage::Stopped)
    }

    fn round(&self) -> &Round {
        self.blocks().round()
    }

    fn round_mut(&mut self) -> &mut Round {
        self.blocks_mut().round_mut()
    }

    fn advance(&mut self, evidence: &Evidence) {
        let is_last = self.round().is_exhausted(evidence);
        if is_last {
            self.round_mut().abandon();
        }
        while !self.is_done() {
            match self.pursue(evidence) {
                Some(stage) => *self.stage_mut() = stage,
                None if is_last => {
                    self.round_mut().abandon();
                    *self.stage_mut() = Stage::Stopped;
                }
                None => return,
            }
        }
    }
}
