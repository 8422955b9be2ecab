//! Sets of blocks as shapes: their holes, and what lies beside a block.
//!
//! Blocks touch where they share an edge, in what is kept as in the rest, and the rest has everything around the image; what
//! cannot be reached from there without crossing kept blocks is a hole.

use crate::extraction::blocks::Group;
use crate::pixels::region::Grid;

/// A set with its holes filled.
#[must_use]
pub fn filled(kept: &[bool], grid: &Grid) -> Vec<bool> {
    let mut is_filled = vec![true; kept.len()];
    let mut waiting: Vec<usize> = Vec::new();
    let mut reach = |block: usize, waiting: &mut Vec<usize>| {
        if !kept[block] && is_filled[block] {
            is_filled[block] = false;
            waiting.push(block);
        }
    };
    (0..kept.len()).filter(|&block| beside(block, grid).count() < 4).for_each(|block| reach(block, &mut waiting));
    while let Some(block) = waiting.pop() {
        beside(block, grid).for_each(|other| reach(other, &mut waiting));
    }
    is_filled
}

/// Whether some kept blocks, all within a square of two by two, can go from a set without holes and leave none.
#[must_use]
pub fn can_open(kept: &[bool], unit: &Group, grid: &Grid) -> bool {
    let is_reached = |&block: &usize| n_beside(kept, block, grid) < 4;
    // Two that lie over a corner do not touch; of all others, what reaches one reaches all.
    let columns = grid.n_columns();
    match unit[..] {
        [first, second] if first / columns != second / columns && first % columns != second % columns => {
            unit.iter().all(is_reached)
        }
        _ => unit.iter().any(is_reached),
    }
}

/// The number of kept blocks among the four beside a block.
#[must_use]
pub fn n_beside(kept: &[bool], block: usize, grid: &Grid) -> usize {
    beside(block, grid).filter(|&other| kept[other]).count()
}

/// The blocks beside one, four but for those outside of the image.
fn beside(block: usize, grid: &Grid) -> impl Iterator<Item = usize> {
    let columns = grid.n_columns();
    let (row, column) = (block / columns, block % columns);
    let beside = [
        (row > 0).then(|| block - columns),
        (row + 1 < grid.n_rows()).then(|| block + columns),
        (column > 0).then(|| block - 1),
        (column + 1 < columns).then(|| block + 1),
    ];
    beside.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(rows: &[&str]) -> Vec<bool> {
        rows.concat().chars().map(|block| block == '#').collect()
    }

    #[test]
    fn a_hole_is_what_no_edge_leads_to() {
        let grid = Grid::new(10, 10, 5);
        let ring = set(&[".....", ".###.", ".#.#.", ".###.", "....."]);
        assert_eq!(filled(&ring, &grid), set(&[".....", ".###.", ".###.", ".###.", "....."]));
        let over_a_corner = set(&[".....", ".##..", ".#.#.", ".###.", "....."]);
        assert_eq!(filled(&over_a_corner, &grid), set(&[".....", ".##..", ".###.", ".###.", "....."]));
        let open = set(&[".....", ".#.#.", ".#.#.", ".###.", "....."]);
        assert_eq!(filled(&open, &grid), open);
        let edge = set(&["#.#..", "#.#..", "###..", ".....", "....."]);
        assert_eq!(filled(&edge, &grid), edge);
    }

    /// Of every set of 4 x 4 blocks that has no hole, and every square of it.
    #[test]
    fn what_can_go_is_what_leaves_no_hole() {
        let grid = Grid::new(4, 4, 4);
        for bits in 0..1_u32 << 16 {
            let kept: Vec<bool> = (0..16).map(|block| bits >> block & 1 == 1).collect();
            if filled(&kept, &grid) != kept {
                continue;
            }
            let squares = [0, 2, 8, 10].map(|first| vec![first, first + 1, first + 4, first + 5]);
            for square in squares.into_iter().chain((0..16).map(|block| vec![block])) {
                let unit: Group = square.into_iter().filter(|&block| kept[block]).collect();
                let mut rest = kept.clone();
                unit.iter().for_each(|&block| rest[block] = false);
                let leaves_none = !unit.is_empty() && filled(&rest, &grid) == rest;
                assert_eq!(can_open(&kept, &unit, &grid), leaves_none, "{unit:?} of {kept:?}");
            }
        }
    }

    #[test]
    fn blocks_beside_are_counted() {
        let grid = Grid::new(8, 8, 4);
        let corner = set(&[".###", "####", "####", "####"]);
        assert_eq!((n_beside(&corner, 1, &grid), n_beside(&corner, 5, &grid), n_beside(&corner, 0, &grid)), (2, 4, 2));
    }
}
