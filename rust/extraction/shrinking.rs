//! Shrinking: a sufficient set loses all that it can do without, until it is 1-minimal.
//!
//! Coarse to fine: on each lattice, groups of kept blocks are left out, each alone, a window of groups at a time, the worst
//! ranked first. Those of a window that are not missed are put in order, least harmful first, and as many as possible are
//! dropped together. Windows are wide where most can go and narrow where few can: whatever goes, the rest of its window has
//! to be asked about again.
//!
//! *Confirmation.* Classifiers are not monotone: what was missed in a larger set may be dropped from a smaller one. On the
//! finest lattice all groups are tried again, until leaving out any single one loses the label.

use std::cmp::{Ordering, Reverse};

use crate::cause::verdict::Verdict;
use crate::evidence::evidence::Evidence;
use crate::extraction::blocks::{Blocks, Group, without};
use crate::pixels::region::Grid;

/// Groups that are left out, each alone, before any of them is dropped: on the coarse lattices, where it matters most which
/// ones go first; on the finest; and of those that were missed before, few of which can go.
const COARSE_WINDOW: usize = 8;
const FINE_WINDOW: usize = 4;
const MISSED_WINDOW: usize = 2;

/// The shrinking of one sufficient set.
#[derive(Clone, Debug)]
pub struct Shrinking {
    /// What it started from.
    started: Vec<bool>,
    /// The smallest set known to be sufficient.
    kept: Vec<bool>,
    /// The blocks that were dropped, in that order.
    dropped: Vec<usize>,
    /// Sides of the groups of blocks, in blocks, coarse to fine.
    sides: Vec<usize>,
    level: usize,
    /// The groups of the present lattice that are yet to be left out, next first; `None` before the first is.
    untried: Option<Vec<Group>>,
    /// Those that were missed, if of a larger set, with the score that was left.
    missed: Vec<(Group, f32)>,
    /// Whether the groups to be left out are those that were missed before.
    is_confirming: bool,
    /// Whether anything was dropped in this round through the finest lattice.
    has_dropped: bool,
    is_minimal: bool,
}

impl Shrinking {
    /// Begins with a sufficient set; the groups have these sides in blocks, of which there must be one, coarse to fine.
    #[must_use]
    pub fn new(started: Vec<bool>, sides: Vec<usize>) -> Self {
        Self {
            kept: started.clone(),
            started,
            dropped: Vec::new(),
            sides,
            level: 0,
            untried: None,
            missed: Vec::new(),
            is_confirming: false,
            has_dropped: false,
            is_minimal: false,
        }
    }

    /// What it started from.
    #[must_use]
    pub fn started(&self) -> &[bool] {
        &self.started
    }

    /// The smallest set known to be sufficient.
    #[must_use]
    pub fn kept(&self) -> &[bool] {
        &self.kept
    }

    /// The blocks that were dropped, in that order.
    #[must_use]
    pub fn dropped(&self) -> &[usize] {
        &self.dropped
    }

    /// Goes on as far as the known verdicts lead; `None` while it waits for more. At the end no group of the finest lattice
    /// can be left out.
    pub fn advance(&mut self, blocks: &mut Blocks, evidence: &Evidence) -> Option<()> {
        while !self.is_minimal {
            // One window of groups of the present lattice, or on to the next.
            let untried = self.untried.take().unwrap_or_else(|| self.groups(blocks));
            if untried.is_empty() {
                self.leave_lattice(blocks);
            } else if self.try_window(&untried, blocks, evidence).is_none() {
                self.untried = Some(untried);
                return None;
            }
        }
        Some(())
    }

    /// Once every group was tried: to the next lattice, or on the finest to the groups that were missed in larger sets.
    fn leave_lattice(&mut self, blocks: &Blocks) {
        let is_finest = self.is_finest();
        let mut missed = std::mem::take(&mut self.missed);
        if !is_finest {
            self.level += 1;
        } else if self.has_dropped {
            self.is_confirming = true;
            missed.sort_by(|(left, left_score), (right, right_score)| {
                let by_score = right_score.total_cmp(left_score);
                by_score.then_with(|| blocks.rank_of_group(right).cmp(&blocks.rank_of_group(left)))
            });
            self.untried = Some(missed.into_iter().map(|(group, _)| group).collect());
        } else {
            self.is_minimal = true;
        }
        self.has_dropped = false;
    }

    const fn is_finest(&self) -> bool {
        self.level + 1 == self.sides.len()
    }

    const fn window(&self) -> usize {
        match (self.is_finest(), self.is_confirming) {
            (false, _) => COARSE_WINDOW,
            (true, false) => FINE_WINDOW,
            (true, true) => MISSED_WINDOW,
        }
    }

    /// Leaves out each group of a window alone, and drops as many as can be spared together, least harmful first.
    fn try_window(&mut self, untried: &[Group], blocks: &mut Blocks, evidence: &Evidence) -> Option<()> {
        let (window, later) = untried.split_at(untried.len().min(self.window()));
        let sets: Vec<_> = window.iter().map(|group| without(&self.kept, std::slice::from_ref(group))).collect();
        let verdicts: Vec<Verdict> = blocks.ask_all(evidence, &sets)?;
        let tried = window.iter().cloned().zip(verdicts);
        let (mut droppable, missed): (Vec<_>, Vec<_>) = tried.partition(|(_, verdict)| blocks.suffices(*verdict));
        droppable.sort_by(|(left, left_verdict), (right, right_verdict)| {
            let by_score = right_verdict.score.total_cmp(&left_verdict.score);
            by_score.then_with(|| blocks.rank_of_group(right).cmp(&blocks.rank_of_group(left)))
        });
        let scores: Vec<f32> = droppable.iter().map(|(_, verdict)| verdict.score).collect();
        let droppable: Vec<Group> = droppable.into_iter().map(|(group, _)| group).collect();
        let n_dropped = self.longest_droppable_prefix(&droppable, blocks, evidence)?;
        self.missed.extend(missed.into_iter().map(|(group, verdict)| (group, verdict.score)));
        let mut rest: Vec<Group> = Vec::new();
        for (i, group) in droppable.into_iter().enumerate() {
            match i.cmp(&n_dropped) {
                Ordering::Less => self.drop(group, blocks),
                // The longest prefix ends here because this one was missed.
                Ordering::Equal => self.missed.push((group, scores[i])),
                Ordering::Greater => rest.push(group),
            }
        }
        self.untried = Some(rest.into_iter().chain(later.iter().cloned()).collect());
        Some(())
    }

    fn drop(&mut self, mut group: Group, blocks: &Blocks) {
        group.iter().for_each(|&block| self.kept[block] = false);
        group.sort_by_key(|&block| Reverse(blocks.rank(block)));
        self.dropped.extend(group);
        self.has_dropped = true;
    }

    /// How many of the groups, each droppable alone, can be left out together, from the first on.
    fn longest_droppable_prefix(&self, droppable: &[Group], blocks: &mut Blocks, evidence: &Evidence) -> Option<usize> {
        if droppable.is_empty() {
            return Some(0);
        }
        let (mut passing, mut failing) = (1, droppable.len() + 1);
        let mut probe = droppable.len();
        while failing - passing > 1 {
            if blocks.passes(evidence, &without(&self.kept, &droppable[..probe]))? {
                passing = probe;
            } else {
                failing = probe;
            }
            probe = usize::midpoint(passing, failing);
        }
        Some(passing)
    }

    /// The kept blocks in the groups of the present lattice, the worst ranked first.
    fn groups(&self, blocks: &Blocks) -> Vec<Group> {
        let side = self.sides[self.level];
        let columns = blocks.grid().n_columns();
        let across = columns.div_ceil(side);
        let mut groups: Vec<Group> = vec![Group::new(); blocks.grid().n_rows().div_ceil(side) * across];
        for (block, _) in self.kept.iter().enumerate().filter(|(_, is_kept)| **is_kept) {
            let (row, column) = (block / columns, block % columns);
            groups[row / side * across + column / side].push(block);
        }
        groups.retain(|group| !group.is_empty());
        groups.sort_by_key(|group| Reverse(blocks.rank_of_group(group)));
        groups
    }
}

/// Sides of the groups of blocks, from about a sixth of the image down to one block, halving.
#[must_use]
pub fn sides(grid: &Grid) -> Vec<usize> {
    let coarsest = (grid.n_rows().max(grid.n_columns()) / 6).max(1).ilog2();
    (0..=coarsest).rev().map(|power| 1 << power).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_halve_down_to_one_block() {
        let of = |cells| sides(&Grid::new(224, 224, cells));
        assert_eq!(of(28), [4, 2, 1]);
        assert_eq!(of(56), [8, 4, 2, 1]);
        assert_eq!(of(5), [1]);
    }
}
