//! Sets of blocks as shapes: their holes, and what lies beside a block.
//!
//! What is not kept is connected in eight directions, and with everything around the image; what cannot be reached from there
//! without crossing kept blocks is a hole.

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
    (0..kept.len()).filter(|&block| around(block, grid).count() < 8).for_each(|block| reach(block, &mut waiting));
    while let Some(block) = waiting.pop() {
        around(block, grid).for_each(|other| reach(other, &mut waiting));
    }
    is_filled
}

/// Whether some kept blocks, all within a square of two by two, can go from a set without holes and leave none.
#[must_use]
pub fn can_open(kept: &[bool], unit: &Group, grid: &Grid) -> bool {
    // They touch each other, so what reaches one of them reaches all.
    unit.iter().any(|&block| around(block, grid).filter(|&other| kept[other]).count() < 8)
}

/// The number of kept blocks among the four beside a block.
#[must_use]
pub fn n_beside(kept: &[bool], block: usize, grid: &Grid) -> usize {
    let columns = grid.n_columns();
    let (row, column) = (block / columns, block % columns);
    let beside = [
        (row > 0).then(|| block - columns),
        (row + 1 < grid.n_rows()).then(|| block + columns),
        (column > 0).then(|| block - 1),
        (column + 1 < columns).then(|| block + 1),
    ];
    beside.into_iter().flatten().filter(|&other| kept[other]).count()
}

/// The blocks around one, eight but for those outside of the image.
fn around(block: usize, grid: &Grid) -> impl Iterator<Item = usize> {
    let columns = grid.n_columns();
    let (row, column) = (block / columns, block % columns);
    let rows = row.saturating_sub(1)..(row + 2).min(grid.n_rows());
    let places = rows.flat_map(move |row| {
        (column.saturating_sub(1)..(column + 2).min(columns)).map(move |column| row * columns + column)
    });
    places.filter(move |&other| other != block)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(rows: &[&str]) -> Vec<bool> {
        rows.concat().chars().map(|block| block == '#').collect()
    }

    #[test]
    fn a_hole_is_what_no_diagonal_leads_to() {
        let grid = Grid::new(10, 10, 5);
        let ring = set(&[".....", ".###.", ".#.#.", ".###.", "....."]);
        assert_eq!(filled(&ring, &grid), set(&[".....", ".###.", ".###.", ".###.", "....."]));
        let open = set(&[".....", ".##..", ".#.#.", ".###.", "....."]);
        assert_eq!(filled(&open, &grid), open);
        let edge = set(&["###..", "#.#..", "###..", ".....", "....."]);
        assert_eq!(filled(&edge, &grid)[6..8], [true, true]);
    }

    #[test]
    fn only_what_the_outside_reaches_can_go() {
        let grid = Grid::new(8, 8, 4);
        let all = vec![true; 16];
        assert!(can_open(&all, &vec![0, 1, 4, 5], &grid));
        assert!(can_open(&all, &vec![7], &grid));
        assert!(!can_open(&all, &vec![5], &grid));
        let corner = set(&[".###", "####", "####", "####"]);
        assert!(can_open(&corner, &vec![5], &grid));
        assert!(!can_open(&corner, &vec![6], &grid));
        assert_eq!((n_beside(&corner, 1, &grid), n_beside(&corner, 5, &grid), n_beside(&corner, 0, &grid)), (2, 4, 2));
    }
}
