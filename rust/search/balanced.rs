//! Balanced halves of the cells of a lattice.
//!
//! Each cell is kept in half of the runs, every two cells independently of each other, by the columns of a Hadamard matrix
//! (Sylvester 1867). A cell's effect is the sum of the scores of the runs that keep it, less that of the runs that mask it:
//! an estimate of its Banzhaf value (Banzhaf 1965). No other design of as many runs knows the effects better, and nothing is
//! random.

use std::ops::Range;

use crate::cause::verdict::Verdict;

/// Which runs keep which cells.
#[derive(Clone, Debug)]
pub struct Balanced {
    n_runs: u32,
    columns: Vec<u32>,
}

impl Balanced {
    /// For so many cells: as many runs as the next power of two above that.
    #[must_use]
    pub fn new(n_cells: usize) -> Self {
        let n_runs = u32::try_from(n_cells + 1).unwrap_or(u32::MAX).next_power_of_two().max(2);
        // Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4) scatters neighbours: no order that a lattice has.
        let mut columns: Vec<u32> = (1..n_runs).collect();
        columns.sort_by_key(|&column| column.wrapping_mul(0x9E37_79B9).rotate_left(13).wrapping_mul(0x85EB_CA6B));
        columns.truncate(n_cells);
        Self { n_runs, columns }
    }

    /// The runs; the first keeps every cell.
    #[must_use]
    pub const fn runs(&self) -> Range<u32> {
        0..self.n_runs
    }

    /// Whether a run keeps a cell.
    #[must_use]
    pub fn keeps(&self, run: u32, cell: usize) -> bool {
        (run & self.columns[cell]).count_ones().is_multiple_of(2)
    }

    /// The effect of each cell, from the scores of all runs.
    #[must_use]
    pub fn effects(&self, scores: &[f64]) -> Vec<f64> {
        let signed = |run, cell, score: f64| if self.keeps(run, cell) { score } else { -score };
        (0..self.columns.len())
            .map(|cell| self.runs().zip(scores).fold(0.0, |sum, (run, &score)| sum + signed(run, cell, score)))
            .collect()
    }
}

/// The score of a verdict; labels without scores count as all or nothing.
#[must_use]
pub fn score(verdict: Verdict) -> f64 {
    if verdict.score.is_nan() { f64::from(u8::from(verdict.is_passing)) } else { f64::from(verdict.score) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cell_is_kept_in_half_of_the_runs_and_every_two_in_a_quarter() {
        for n_cells in [1, 25, 49, 121] {
            let balanced = Balanced::new(n_cells);
            let count = |keeps: &dyn Fn(u32) -> bool| balanced.runs().filter(|&run| keeps(run)).count();
            for cell in 0..n_cells {
                assert_eq!(2 * count(&|run| balanced.keeps(run, cell)), balanced.runs().len());
                for other in 0..cell {
                    let both = count(&|run| balanced.keeps(run, cell) && balanced.keeps(run, other));
                    assert_eq!(4 * both, balanced.runs().len());
                }
            }
            assert!((0..n_cells).all(|cell| balanced.keeps(0, cell)));
        }
    }

    #[test]
    fn effects_of_a_sum_are_its_terms() {
        let balanced = Balanced::new(6);
        let terms = [0.5, -0.25, 0.0, 0.125, 2.0, -1.0];
        let score = |run| (0..6).filter(|&cell| balanced.keeps(run, cell)).map(|cell| terms[cell]).sum();
        let scores: Vec<f64> = balanced.runs().map(score).collect();
        let found: Vec<f64> = balanced.effects(&scores).into_iter().map(|effect| effect / 4.0).collect();
        assert_eq!(found, terms);
    }
}
