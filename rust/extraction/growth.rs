//! Growth: the shortest prefix of the ranked blocks that is sufficient, or a smaller sufficient set.
//!
//! Several lengths are asked for at a time, zooming in. Where the search has seen small sets pass, only shorter prefixes than
//! those are asked for, and the smallest set is taken; not so where a score is asked for, since the hottest blocks keep more
//! of it.

use std::cmp::Reverse;

use crate::evidence::evidence::Evidence;
use crate::extraction::blocks::{Blocks, size};
use crate::pixels::region::Region;
use crate::question::Question;

/// Prefix lengths that are asked for at once when zooming in.
const FAN: usize = 3;
/// Sets that were seen to pass and that are asked about, as blocks.
const COVERS: usize = 4;

/// The search for a first sufficient set.
#[derive(Clone, Debug)]
pub struct Growth {
    /// The smallest sets that were seen to pass, as blocks, the smallest first.
    covers: Vec<Vec<bool>>,
    /// The smallest set known to be sufficient, or all blocks.
    smallest: Vec<bool>,
}

/// What growth came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grown {
    /// This set is sufficient.
    Sufficient(Vec<bool>),
    /// Not even all blocks are.
    Nothing,
}

impl Growth {
    /// Nothing asked yet.
    #[must_use]
    pub fn new(blocks: &Blocks, evidence: &Evidence) -> Self {
        let covers = if blocks.floor() <= 0.0 { smallest_covers(blocks, evidence) } else { Vec::new() };
        Self { covers, smallest: blocks.all() }
    }

    /// The smallest set known to be sufficient so far, or all blocks.
    #[must_use]
    pub fn smallest(&self) -> &[bool] {
        &self.smallest
    }

    /// Goes on as far as the known verdicts lead; `None` while it waits for more.
    pub fn advance(&mut self, blocks: &mut Blocks, evidence: &Evidence) -> Option<Grown> {
        // One after the other: blocks have more pixels than the set, so nearly always the smallest passes.
        let mut cover = None;
        for candidate in &self.covers {
            if blocks.passes(evidence, candidate)? {
                self.smallest.clone_from(candidate);
                cover = Some(candidate.clone());
                break;
            }
        }
        let mut lengths: Vec<usize> = match &cover {
            None => (0..7).map(|halvings| (blocks.ranking().len() >> halvings).max(1)).collect(),
            // Seldom does a prefix of half its length pass; if it does, there is time for shorter ones.
            Some(cover) => vec![(size(cover) / 2).max(1)],
        };
        lengths.reverse();
        lengths.dedup();
        let (mut failing, mut passing) = (0, None);
        loop {
            let prefixes: Vec<_> = lengths.iter().map(|&length| blocks.prefix(length)).collect();
            for (length, verdict) in lengths.iter().zip(blocks.ask_all(evidence, &prefixes)?) {
                if blocks.suffices(verdict) {
                    passing = Some(*length);
                    break;
                }
                failing = *length;
            }
            let Some(shortest) = passing else {
                return Some(cover.map_or(Grown::Nothing, Grown::Sufficient));
            };
            let gap = shortest - failing;
            if gap <= 1 {
                return Some(Grown::Sufficient(blocks.prefix(shortest)));
            }
            self.smallest = blocks.prefix(shortest);
            lengths = (1..=FAN).map(|step| failing + gap * step / (FAN + 1)).collect();
            lengths.retain(|length| (failing + 1..shortest).contains(length));
            lengths.dedup();
            if lengths.is_empty() {
                lengths.push(failing + 1);
            }
        }
    }
}

/// The smallest sets that were seen to pass, as blocks, the smallest first. They are to be asked again, since blocks have
/// more pixels.
fn smallest_covers(blocks: &Blocks, evidence: &Evidence) -> Vec<Vec<bool>> {
    let grid = blocks.grid();
    let half = grid.n_blocks() / 2;
    let n_pixels = evidence.whole().area();
    let masked = |question: &Question| question.masked.iter().map(Region::area).sum::<u64>();
    let mut seen: Vec<_> = evidence.passed().iter().map(|question| (masked(question), question)).collect();
    seen.sort_by_key(|&(masked, question)| (Reverse(masked), question.fingerprint));
    let mut covers = Vec::new();
    // Where blocks are not quite even, half of them may have a little more than half of the pixels.
    for (_, question) in seen.into_iter().take_while(|(masked, _)| masked * 3 >= n_pixels) {
        let cover = grid.cover(&question.masked);
        let is_small = size(&cover) <= half;
        if is_small && covers.len() < COVERS && !covers.contains(&cover) {
            covers.push(cover);
        }
        if covers.len() == COVERS {
            break;
        }
    }
    covers.sort_by_key(|cover| size(cover));
    covers
}
