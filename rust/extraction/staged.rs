//! What extractions have in common: an inquiry that goes from stage to stage as verdicts come in.

use crate::evidence::evidence::Evidence;
use crate::evidence::inquiry::Inquiry;
use crate::evidence::round::Round;
use crate::extraction::blocks::Blocks;
use crate::extraction::options::Stage;
use crate::pixels::region::Grid;

/// How far an extraction has come with its blocks.
#[derive(Clone, Debug)]
pub struct Course {
    /// The lattice, and what is asked of it.
    pub blocks: Blocks,
    stage: Stage,
}

impl Course {
    /// At its beginning.
    #[must_use]
    pub const fn new(blocks: Blocks) -> Self {
        Self { blocks, stage: Stage::Growth }
    }
}

/// An extraction in stages.
pub trait Staged {
    /// Its blocks and its stage.
    fn course(&self) -> &Course;

    /// The same, to be changed.
    fn course_mut(&mut self) -> &mut Course;

    /// The stage that is reached as far as the known verdicts lead; `None` while the present one waits for more.
    fn pursue(&mut self, evidence: &Evidence) -> Option<Stage>;

    /// The set that shrinking started from, row by row; `None` before growth has found one.
    fn grown(&self) -> Option<&[bool]>;

    /// How far it has come.
    fn stage(&self) -> Stage {
        self.course().stage
    }

    /// The lattice of blocks.
    fn grid(&self) -> &Grid {
        self.course().blocks.grid()
    }
}

impl<T: Staged> Inquiry for T {
    /// Whether what was looked for is minimal, or the extraction had to stop.
    fn is_done(&self) -> bool {
        matches!(self.stage(), Stage::Minimal | Stage::Stopped)
    }

    fn round(&self) -> &Round {
        self.course().blocks.round()
    }

    fn round_mut(&mut self) -> &mut Round {
        self.course_mut().blocks.round_mut()
    }

    fn advance(&mut self, evidence: &Evidence) {
        let is_last = self.round().is_exhausted(evidence);
        if is_last {
            self.round_mut().abandon();
        }
        while !self.is_done() {
            match self.pursue(evidence) {
                Some(stage) => self.course_mut().stage = stage,
                None if is_last => {
                    self.round_mut().abandon();
                    self.course_mut().stage = Stage::Stopped;
                }
                None => return,
            }
        }
    }
}
