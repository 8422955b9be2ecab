//! Rectangles of pixels, and the grid of blocks in which explanations are cut.

use crate::cause::subset::SUPERPIXELS;

/// A rectangle of pixels: rows `top..bottom`, columns `left..right`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region {
    /// First row.
    pub top: u32,
    /// First column.
    pub left: u32,
    /// One past the last row.
    pub bottom: u32,
    /// One past the last column.
    pub right: u32,
}

impl Region {
    /// The whole of an image.
    #[must_use]
    pub const fn whole(height: u32, width: u32) -> Self {
        Self { top: 0, left: 0, bottom: height, right: width }
    }

    /// Number of rows.
    #[must_use]
    pub const fn height(&self) -> u32 {
        self.bottom - self.top
    }

    /// Number of columns.
    #[must_use]
    pub const fn width(&self) -> u32 {
        self.right - self.left
    }

    /// Number of pixels.
    #[must_use]
    pub const fn area(&self) -> u64 {
        self.height() as u64 * self.width() as u64
    }

    /// The pixels in both regions; `None` if there are none.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let common = Self {
            top: self.top.max(other.top),
            left: self.left.max(other.left),
            bottom: self.bottom.min(other.bottom),
            right: self.right.min(other.right),
        };
        (common.top < common.bottom && common.left < common.right).then_some(common)
    }

    /// Number of pixels in both regions.
    #[must_use]
    pub fn common_area(&self, other: &Self) -> u64 {
        self.intersection(other).map_or(0, |common| common.area())
    }

    /// Cuts the region at a point into its four superpixels: top left, top right, bottom left, bottom right.
    ///
    /// `row` and `column` are the first row and column of the bottom right piece; each must lie strictly inside the
    /// region, so that no piece is empty.
    #[must_use]
    pub fn cut(&self, row: u32, column: u32) -> [Region; SUPERPIXELS] {
        debug_assert!(self.top < row && row < self.bottom);
        debug_assert!(self.left < column && column < self.right);
        [
            Region { bottom: row, right: column, ..*self },
            Region { bottom: row, left: column, ..*self },
            Region { top: row, right: column, ..*self },
            Region { top: row, left: column, ..*self },
        ]
    }
}

/// The pixels of a region that are in a set (one value a pixel of an image of this width), as disjoint rectangles: runs along
/// the rows, joined where they are the same in rows one below the other.
#[must_use]
pub fn rectangles(set: &[bool], width: usize, within: &Region) -> Vec<Region> {
    let mut done = Vec::new();
    let mut open: Vec<Region> = Vec::new();
    for row in within.top..within.bottom {
        let line = &set[row as usize * width..][..within.right as usize];
        let mut runs = Vec::new();
        let mut column = within.left;
        while column < within.right {
            let left = column;
            while column < within.right && line[column as usize] == line[left as usize] {
                column += 1;
            }
            if line[left as usize] {
                runs.push(Region { top: row, left, bottom: row + 1, right: column });
            }
        }
        // Both are in order of their columns.
        let mut above = open.drain(..).peekable();
        for run in &mut runs {
            while let Some(region) = above.next_if(|region| region.left < run.left) {
                done.push(region);
            }
            if let Some(region) = above.next_if(|region| (region.left, region.right) == (run.left, run.right)) {
                run.top = region.top;
            }
        }
        done.extend(above);
        open = runs;
    }
    done.extend(open);
    done
}

/// The blocks over which explanations are minimal: a lattice of at most `cells` by `cells` rectangles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    rows: Vec<u32>,
    columns: Vec<u32>,
}

impl Grid {
    /// Divides an image into `cells` rows and columns of blocks, as even as whole pixels allow.
    ///
    /// A side shorter than `cells` pixels gets one block a pixel.
    #[must_use]
    pub fn new(height: u32, width: u32, cells: u32) -> Self {
        Self { rows: boundaries(height, cells), columns: boundaries(width, cells) }
    }

    /// The blocks between lines: where rows begin and end, and columns, ascending from 0 to the image's height and width.
    #[must_use]
    pub const fn of_lines(rows: Vec<u32>, columns: Vec<u32>) -> Self {
        Self { rows, columns }
    }

    /// Number of rows of blocks.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.rows.len() - 1
    }

    /// Number of columns of blocks.
    #[must_use]
    pub fn n_columns(&self) -> usize {
        self.columns.len() - 1
    }

    /// Number of blocks.
    #[must_use]
    pub fn n_blocks(&self) -> usize {
        self.n_rows() * self.n_columns()
    }

    /// The block of an index, counted row by row.
    #[must_use]
    pub fn block(&self, index: usize) -> Region {
        let (row, column) = (index / self.n_columns(), index % self.n_columns());
        self.run(row, column, column + 1)
    }

    /// The blocks `first..end` of one row as a single rectangle.
    #[must_use]
    pub fn run(&self, row: usize, first: usize, end: usize) -> Region {
        Region { top: self.rows[row], left: self.columns[first], bottom: self.rows[row + 1], right: self.columns[end] }
    }

    /// The blocks with a pixel that is not masked by these rectangles, which must be disjoint.
    #[must_use]
    pub fn cover(&self, masked: &[Region]) -> Vec<bool> {
        let hidden = |block: &Region| masked.iter().map(|region| region.common_area(block)).sum::<u64>();
        (0..self.n_blocks()).map(|index| self.block(index)).map(|block| hidden(&block) < block.area()).collect()
    }

    /// What each pixel has if blocks have these values, row by row.
    #[must_use]
    pub fn pixels<T: Copy>(&self, values: &[T]) -> Vec<T> {
        let columns = self.n_columns();
        let mut pixels = Vec::new();
        for (row, cells) in values.chunks_exact(columns).enumerate() {
            let first = pixels.len();
            let widths = self.columns.windows(2).map(|edges| (edges[1] - edges[0]) as usize);
            cells.iter().zip(widths).for_each(|(&value, width)| pixels.extend(std::iter::repeat_n(value, width)));
            let line = first..pixels.len();
            (self.rows[row] + 1..self.rows[row + 1]).for_each(|_| pixels.extend_from_within(line.clone()));
        }
        pixels
    }

    /// The blocks that are *not* in `kept`, as few rectangles as runs along the rows make, in reading order.
    #[must_use]
    pub fn masked(&self, kept: &[bool]) -> Vec<Region> {
        let columns = self.n_columns();
        let mut regions = Vec::new();
        for (row, cells) in kept.chunks_exact(columns).enumerate() {
            let mut column = 0;
            while column < columns {
                let first = column;
                while column < columns && cells[column] == cells[first] {
                    column += 1;
                }
                if !cells[first] {
                    regions.push(self.run(row, first, column));
                }
            }
        }
        regions
    }
}

fn boundaries(side: u32, cells: u32) -> Vec<u32> {
    let cells = u64::from(cells.clamp(1, side));
    (0..=cells).map(|i| u32::try_from(i * u64::from(side) / cells).expect("a boundary lies within the side")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_covers_the_region_without_overlap() {
        let region = Region { top: 2, left: 3, bottom: 9, right: 11 };
        let pieces = region.cut(5, 4);
        assert_eq!(pieces.iter().map(Region::area).sum::<u64>(), region.area());
        assert_eq!(pieces[0], Region { top: 2, left: 3, bottom: 5, right: 4 });
        assert_eq!(pieces[3], Region { top: 5, left: 4, bottom: 9, right: 11 });
    }

    #[test]
    fn rectangles_are_the_set() {
        let set: Vec<bool> = ".##..##.##..#..####.".chars().map(|pixel| pixel == '#').collect();
        let of = |within: &Region| {
            let regions = rectangles(&set, 4, within);
            let mut pixels = vec![0; 20];
            for region in &regions {
                for pixel in (0..20).filter(|pixel| {
                    let at = Region { top: pixel / 4, left: pixel % 4, bottom: pixel / 4 + 1, right: pixel % 4 + 1 };
                    region.common_area(&at) > 0
                }) {
                    pixels[pixel as usize] += 1;
                }
            }
            (regions.len(), pixels)
        };
        let whole: Vec<i32> = set.iter().map(|&is_kept| i32::from(is_kept)).collect();
        assert_eq!(of(&Region::whole(5, 4)), (5, whole));
        let (n, pixels) = of(&Region { top: 1, left: 1, bottom: 3, right: 3 });
        assert_eq!((n, pixels.iter().sum::<i32>(), pixels[9]), (2, 3, 1));
    }

    #[test]
    fn blocks_tile_a_side_that_does_not_divide() {
        let grid = Grid::new(10, 7, 4);
        let area: u64 = (0..grid.n_blocks()).map(|b| grid.block(b).area()).sum();
        assert_eq!(area, 70);
        assert_eq!(Grid::new(3, 200, 28).n_rows(), 3);
    }

    #[test]
    fn masked_runs_are_joined_along_rows() {
        let grid = Grid::new(4, 4, 2);
        assert_eq!(
            grid.masked(&[false, false, true, false]),
            vec![Region { top: 0, left: 0, bottom: 2, right: 4 }, Region { top: 2, left: 2, bottom: 4, right: 4 },]
        );
    }
}
