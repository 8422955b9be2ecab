//! Peeling: a set without holes loses what it can do without, from outside, and gets no holes.
//!
//! Units, single blocks or squares of them, are left out, each alone: at first all that leave no hole, then windows of those
//! that were not asked of the present set. Of the units that are not missed as long a prefix goes together as zooming finds.
//! First go those that are missed least, that have few kept blocks beside them, and that are cold: so sets stay compact.

use std::collections::HashMap;

use crate::evidence::evidence::Evidence;
use crate::extraction::blocks::{Blocks, Group, size, without};
use crate::extraction::compact::{can_open, n_beside};
use crate::extraction::demand::Demand;
use crate::extraction::zoom::points;

/// What kept blocks all around weigh, as a share of the intact image's score.
const NEIGHBOURS: f64 = 0.2;
/// What heat weighs; it decides between equals.
const HEAT: f64 = 1e-3;
/// The priority of a unit that was never left out: before all others.
const UNSEEN: f64 = -2.0;

/// What units of one size a set can do without.
#[derive(Clone, Debug)]
pub struct Peeling<D: Demand> {
    kept: Vec<bool>,
    side: usize,
    /// Units that are left out, each alone, before any of them is dropped, once all were.
    window: usize,
    /// Blocks that stay.
    held: Vec<bool>,
    /// Whether it goes on until every unit was asked of the present set.
    is_thorough: bool,
    /// Whether nothing was asked for the present floor.
    is_first: bool,
    /// The last answer on each unit, and the number of blocks of the set that it was left out of: sets only shrink, so that
    /// number tells them apart.
    seen: HashMap<Group, (D::Answer, usize)>,
    going: Option<Going>,
}

/// Units that can go, each alone, and how many of them can go together.
#[derive(Clone, Debug)]
struct Going {
    units: Vec<Group>,
    /// So many can.
    low: usize,
    /// So many cannot.
    high: usize,
}

impl<D: Demand> Peeling<D> {
    /// Begins with a set without holes; units are of `side` by `side` blocks, one or two.
    #[must_use]
    pub fn new(kept: Vec<bool>, side: usize, window: usize, is_thorough: bool) -> Self {
        let held = vec![false; kept.len()];
        Self { kept, side, window, held, is_thorough, is_first: true, seen: HashMap::new(), going: None }
    }

    /// The same, but some blocks stay.
    #[must_use]
    pub fn holding(self, held: &[bool]) -> Self {
        Self { held: held.to_vec(), ..self }
    }

    /// Goes on from the same set for another floor; what was asked of it and is settled is not asked again.
    pub const fn begin_floor(&mut self) {
        self.is_first = true;
    }

    /// The smallest set known to be sufficient.
    #[must_use]
    pub fn kept(&self, blocks: &Blocks) -> Vec<bool> {
        self.going
            .as_ref()
            .map_or_else(|| self.kept.clone(), |going| self.without_first(&going.units, going.low, blocks))
    }

    /// Goes on as far as the known verdicts lead; `None` while it waits for more.
    pub fn advance(&mut self, demand: &D, heat: &[f64], blocks: &mut Blocks, evidence: &Evidence) -> Option<()> {
        loop {
            if self.going.is_some() {
                self.drop_together(demand, blocks, evidence)?;
            } else if self.leave_out(demand, heat, blocks, evidence)? {
                return Some(());
            }
        }
    }

    /// Leaves units out, each alone, and sees which can go; `true` if there is no more to be done.
    fn leave_out(&mut self, demand: &D, heat: &[f64], blocks: &mut Blocks, evidence: &Evidence) -> Option<bool> {
        let units = self.units(blocks);
        let n_kept = size(&self.kept);
        // What a higher floor refused may have been asked beside one baseline only: for a new floor all are asked again, and
        // what is settled is known.
        let is_fresh =
            |unit: &Group| !self.is_first && self.seen.get(unit).is_some_and(|&(_, asked_of)| asked_of == n_kept);
        let waiting: Vec<Group> = units.iter().filter(|unit| !is_fresh(unit)).cloned().collect();
        let mut waiting = self.by_priority(waiting, demand, heat, blocks);
        let n_waiting = waiting.len();
        if !self.is_first {
            waiting.truncate(self.window);
        }
        let sets: Vec<_> = waiting.iter().map(|unit| without(&self.kept, std::slice::from_ref(unit))).collect();
        let answers = demand.ask_all(&sets, blocks, evidence)?;
        self.seen.extend(waiting.iter().cloned().zip(answers.into_iter().map(|answer| (answer, n_kept))));
        let is_last = n_waiting <= waiting.len() || !self.is_thorough;
        let judged = if self.is_first { units } else { waiting };
        let can_go = |unit: &Group| self.seen.get(unit).is_some_and(|&(answer, _)| demand.holds(answer));
        let droppable: Vec<Group> = judged.into_iter().filter(can_go).collect();
        self.is_first = false;
        if droppable.is_empty() {
            return Some(is_last);
        }
        let units = self.by_priority(droppable, demand, heat, blocks);
        self.going = Some(Going { low: 1, high: units.len() + 1, units });
        Some(false)
    }

    /// Drops as long a prefix of the units that can go as zooming finds.
    fn drop_together(&mut self, demand: &D, blocks: &mut Blocks, evidence: &Evidence) -> Option<()> {
        while let Some(Going { units, low, high }) = &self.going {
            let (n_units, low, high) = (units.len(), *low, *high);
            if high - low <= 1 {
                break;
            }
            let mut lengths = points(low, high);
            if lengths.is_empty() {
                lengths.push(low + 1);
            }
            // All of them, as long as that is not known to be too many.
            if high == n_units + 1 && !lengths.contains(&n_units) {
                lengths.push(n_units);
            }
            let sets: Vec<_> = lengths.iter().map(|&length| self.without_first(units, length, blocks)).collect();
            let answers = demand.ask_all(&sets, blocks, evidence)?;
            let last = answers.into_iter().rposition(|answer| demand.holds(answer));
            let going = self.going.as_mut()?;
            (going.low, going.high) = match last {
                None => (low, lengths[0]),
                Some(last) => (lengths[last], lengths.get(last + 1).copied().unwrap_or(high)),
            };
        }
        self.kept = self.kept(blocks);
        self.going = None;
        Some(())
    }

    /// The set without the first units, so many; one whose going would leave a hole is passed over.
    fn without_first(&self, units: &[Group], length: usize, blocks: &Blocks) -> Vec<bool> {
        let mut rest = self.kept.clone();
        for unit in &units[..length] {
            if can_open(&rest, unit, blocks.grid()) {
                unit.iter().for_each(|&block| rest[block] = false);
            }
        }
        rest
    }

    /// Kept blocks in squares of the lattice, row by row, that need not stay and can go without leaving a hole.
    fn units(&self, blocks: &Blocks) -> Vec<Group> {
        let (rows, columns) = (blocks.grid().n_rows(), blocks.grid().n_columns());
        let mut units = Vec::new();
        for top in (0..rows).step_by(self.side) {
            for left in (0..columns).step_by(self.side) {
                let square = (top..(top + self.side).min(rows))
                    .flat_map(|row| (left..(left + self.side).min(columns)).map(move |column| row * columns + column));
                let unit: Group = square.filter(|&block| self.kept[block] && !self.held[block]).collect();
                if can_open(&self.kept, &unit, blocks.grid()) {
                    units.push(unit);
                }
            }
        }
        units
    }

    /// Those that should go first, first; equals as they came.
    fn by_priority(&self, units: Vec<Group>, demand: &D, heat: &[f64], blocks: &Blocks) -> Vec<Group> {
        let mut ranked: Vec<(f64, Group)> =
            units.into_iter().map(|unit| (self.priority(&unit, demand, heat, blocks), unit)).collect();
        ranked.sort_by(|(left, _), (right, _)| left.total_cmp(right));
        ranked.into_iter().map(|(_, unit)| unit).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "a handful of blocks")]
    fn priority(&self, unit: &Group, demand: &D, heat: &[f64], blocks: &Blocks) -> f64 {
        let harm = self.seen.get(unit).map_or(UNSEEN, |&(answer, _)| -demand.worth(answer));
        let n_beside: usize = unit.iter().map(|&block| n_beside(&self.kept, block, blocks.grid())).sum();
        let heat = unit.iter().fold(0.0, |sum, &block| sum + heat[block]);
        let n_blocks = unit.len() as f64;
        harm + NEIGHBOURS * (n_beside as f64 / n_blocks) / 4.0 + HEAT * (heat / n_blocks)
    }
}
