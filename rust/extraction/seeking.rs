//! Seeking: a first set of which something is demanded, before it is made minimal.
//!
//! *Ranked*: about the shortest prefix of the ranked blocks, added to what it begins with, that does. A few lengths are asked
//! for at once, all blocks among them; where none does, the lengths in between are, since classifiers are not monotone; then it
//! is given up. *Surveyed*, for where heat does not say enough: squares are added to the best of these, each alone, then the best
//! squares together; where that does not do, it begins again from the best set so far.

use std::collections::BTreeSet;

use crate::evidence::evidence::Evidence;
use crate::extraction::blocks::{Blocks, Group, size};
use crate::extraction::compact::filled;
use crate::extraction::demand::Demand;
use crate::extraction::zoom::points;
use crate::pixels::region::Grid;

/// Of all blocks, the share by which the first set may be longer than the shortest prefix.
const PRECISION: usize = 64;
/// Lengths that are asked for before it is given up.
const SCAN: usize = 16;
/// How often squares are surveyed.
const SURVEYS: usize = 3;
/// Blocks a side of the squares.
pub const SQUARE: usize = 2;

/// Prefixes of the ranking.
#[derive(Clone, Debug)]
pub struct Ranked {
    base: Vec<bool>,
    closed: Vec<bool>,
    /// The blocks that may be added, best first.
    order: Vec<usize>,
    n_scans: usize,
    low: usize,
    high: Option<usize>,
    /// Where none of the lengths did: the best of them, and what it is worth.
    missed: Option<(Vec<bool>, f64)>,
}

impl Ranked {
    /// Begins with some blocks, of which none is among those that must stay out.
    #[must_use]
    pub fn new(base: Vec<bool>, closed: Vec<bool>, blocks: &Blocks) -> Self {
        let order = blocks.ranking().iter().copied().filter(|&block| !base[block] && !closed[block]).collect();
        Self { base, closed, order, n_scans: 0, low: 0, high: None, missed: None }
    }

    /// Goes on by squares, from the best set where none did.
    #[must_use]
    pub fn survey(&self) -> Surveyed {
        let (base, worth) = self.missed.clone().unwrap_or_else(|| (self.base.clone(), f64::NEG_INFINITY));
        Surveyed { base, worth, n_surveys: 0 }
    }

    /// The smallest set so far that does.
    #[must_use]
    pub fn best(&self, grid: &Grid) -> Option<Vec<bool>> {
        self.high.map(|length| self.prefix(length, grid))
    }

    /// Goes on as far as the known verdicts lead; `None` while it waits for more, then the set, if there is one.
    pub fn advance<D: Demand>(
        &mut self,
        demand: &D,
        blocks: &mut Blocks,
        evidence: &Evidence,
    ) -> Option<Option<Vec<bool>>> {
        let close = (blocks.grid().n_blocks() / PRECISION).max(1);
        loop {
            let lengths = match self.high {
                None if self.n_scans < 2 => self.scan(),
                None => return Some(None),
                Some(high) if high - self.low > close => points(self.low, high),
                Some(_) => Vec::new(),
            };
            if lengths.is_empty() {
                return Some(self.best(blocks.grid()));
            }
            let sets: Vec<_> = lengths.iter().map(|&length| self.prefix(length, blocks.grid())).collect();
            let answers = demand.ask_all(&sets, blocks, evidence)?;
            match answers.iter().position(|&answer| demand.holds(answer)) {
                Some(0) => self.high = Some(lengths[0]),
                Some(first) => (self.low, self.high) = (lengths[first - 1], Some(lengths[first])),
                None if self.high.is_some() => self.low = lengths[lengths.len() - 1],
                None => {
                    self.missed = first_of_the_best(&sets, answers.into_iter().map(|answer| demand.worth(answer)));
                    self.n_scans += 1;
                }
            }
        }
    }

    /// The lengths that are asked for at first, and where none of them does.
    fn scan(&self) -> Vec<usize> {
        let n = self.order.len();
        let mut lengths = BTreeSet::from([0, n]);
        lengths.extend(points(0, n));
        if self.n_scans > 0 {
            lengths.extend((1..SCAN).map(|i| n * i / SCAN));
        }
        if size(&self.base) == 0 {
            lengths.remove(&0);
        }
        lengths.into_iter().collect()
    }

    fn prefix(&self, length: usize, grid: &Grid) -> Vec<bool> {
        let mut set = self.base.clone();
        self.order[..length].iter().for_each(|&block| set[block] = true);
        let set = filled(&set, grid);
        set.into_iter().zip(&self.closed).map(|(is_in, is_closed)| is_in && !is_closed).collect()
    }
}

/// Squares, each added alone.
#[derive(Clone, Debug)]
pub struct Surveyed {
    base: Vec<bool>,
    /// What that is worth; nothing is known of no blocks at all.
    worth: f64,
    n_surveys: usize,
}

impl Surveyed {
    /// Goes on as far as the known verdicts lead; `None` while it waits for more, then the set, if there is one.
    pub fn advance<D: Demand>(
        &mut self,
        demand: &D,
        blocks: &mut Blocks,
        evidence: &Evidence,
    ) -> Option<Option<Vec<bool>>> {
        while self.n_surveys < SURVEYS {
            let squares = self.squares(blocks.grid());
            let mut sets: Vec<_> = squares.iter().map(|square| self.with([square], blocks.grid())).collect();
            let mut answers = demand.ask_all(&sets, blocks, evidence)?;
            let mut ranking: Vec<usize> = (0..squares.len()).collect();
            ranking.sort_by(|&left, &right| demand.worth(answers[right]).total_cmp(&demand.worth(answers[left])));
            if let Some(&best) = ranking.iter().find(|&&square| demand.holds(answers[square])) {
                return Some(Some(sets[best].clone()));
            }
            let lengths = lengths(squares.len());
            let best = |length: usize| ranking[..length].iter().map(|&square| &squares[square]);
            let prefixes: Vec<_> = lengths.iter().map(|&length| self.with(best(length), blocks.grid())).collect();
            let more = demand.ask_all(&prefixes, blocks, evidence)?;
            if let Some(first) = more.iter().position(|&answer| demand.holds(answer)) {
                return Some(Some(prefixes[first].clone()));
            }
            sets.extend(prefixes);
            answers.extend(more);
            let Some((set, worth)) = first_of_the_best(&sets, answers.into_iter().map(|answer| demand.worth(answer)))
            else {
                return Some(None);
            };
            if worth <= self.worth {
                return Some(None);
            }
            (self.base, self.worth, self.n_surveys) = (set, worth, self.n_surveys + 1);
        }
        Some(None)
    }

    fn with<'a>(&self, squares: impl IntoIterator<Item = &'a Group>, grid: &Grid) -> Vec<bool> {
        let mut set = self.base.clone();
        squares.into_iter().flatten().for_each(|&block| set[block] = true);
        filled(&set, grid)
    }

    /// The squares of the lattice, without what is there already, row by row.
    fn squares(&self, grid: &Grid) -> Vec<Group> {
        let (rows, columns) = (grid.n_rows(), grid.n_columns());
        let mut squares = Vec::new();
        for top in (0..rows).step_by(SQUARE) {
            for left in (0..columns).step_by(SQUARE) {
                let square = (top..(top + SQUARE).min(rows))
                    .flat_map(|row| (left..(left + SQUARE).min(columns)).map(move |column| row * columns + column));
                let square: Group = square.filter(|&block| !self.base[block]).collect();
                if !square.is_empty() {
                    squares.push(square);
                }
            }
        }
        squares
    }
}

/// The best of some sets, the first of equals, and what it is worth.
fn first_of_the_best(sets: &[Vec<bool>], worths: impl Iterator<Item = f64>) -> Option<(Vec<bool>, f64)> {
    let best = sets.iter().zip(worths).reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map(|(set, worth)| (set.clone(), worth))
}

/// Numbers of squares from two up to all of them, each about a third more than the one before.
fn lengths(n: usize) -> Vec<usize> {
    let mut lengths = Vec::new();
    let mut length = 2;
    while length < n {
        lengths.push(length);
        length += length.div_ceil(3);
    }
    if n > 1 {
        lengths.push(n);
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_grow_by_a_third() {
        assert_eq!(lengths(49), [2, 3, 4, 6, 8, 11, 15, 20, 27, 36, 48, 49]);
        assert_eq!(lengths(2), [2]);
        assert_eq!(lengths(1), [0; 0]);
    }
}
