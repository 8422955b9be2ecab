//! The contingency of a superpixel: the smallest set `W` of others that makes it decisive once they are masked.
//!
//! Definition 1 of the paper, with `P` the superpixels of a partition: `s` is a *cause* of the label iff there is a set
//! `W` of other superpixels such that masking any subset of `W` leaves the label (SC2) and masking `W` together with `s`
//! changes it (SC3).

use crate::cause::subset::{SUPERPIXELS, Subset};
use crate::cause::truth_table::TruthTable;

/// The smallest contingency of a superpixel that the known verdicts show.
#[must_use]
pub fn contingency(table: TruthTable, superpixel: usize) -> Option<Subset> {
    (0..SUPERPIXELS).find_map(|size| contingency_of_size(table, superpixel, size))
}

fn contingency_of_size(table: TruthTable, superpixel: usize, size: usize) -> Option<Subset> {
    Subset::of_size(size).find(|&witness| {
        !witness.contains(superpixel)
            && table.verdict(witness.with(superpixel)) == Some(false)
            && table.passes_with_all_subsets(witness)
    })
}

/// The subsets of one size that can still decide somebody's responsibility, once all smaller ones that could are known.
///
/// A set is worth a question only if some superpixel in it has no contingency yet and the set without that superpixel
/// passes with all its subsets: only then could the rest of the set be its contingency. Asking these sets, size by size,
/// gives the responsibilities of the complete table.
pub fn deciding_subsets(table: TruthTable, size: usize) -> impl Iterator<Item = Subset> {
    let undecided: [bool; SUPERPIXELS] = std::array::from_fn(|s| contingency(table, s).is_none());
    Subset::of_size(size).filter(move |&subset| {
        subset.superpixels().any(|s| undecided[s] && table.passes_with_all_subsets(subset.without(s)))
    })
}
