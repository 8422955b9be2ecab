//! The exact Euclidean distance transform (Felzenszwalb and Huttenlocher, *Distance Transforms of Sampled Functions*, 2012).

/// For every pixel, row by row, the square of its distance to the nearest pixel of a set; `None` if the set is empty.
#[must_use]
pub fn squared_distances(is_target: &[bool], width: usize) -> Option<Vec<f64>> {
    if !is_target.contains(&true) {
        return None;
    }
    let along_columns = column_distances(is_target, width);
    let mut squares = vec![0.0; is_target.len()];
    let mut envelope = Envelope::default();
    for (row, squares) in along_columns.chunks_exact(width).zip(squares.chunks_exact_mut(width)) {
        envelope.lower(row);
        envelope.draw(squares);
    }
    Some(squares)
}

/// The distance to the nearest target in the same column; `u32::MAX` where there is none.
fn column_distances(is_target: &[bool], width: usize) -> Vec<u32> {
    let mut distances: Vec<u32> = is_target.iter().map(|&is_target| if is_target { 0 } else { u32::MAX }).collect();
    let n_rows = is_target.len() / width;
    let step = |to: &mut [u32], from: &[u32]| {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = (*to).min(from.saturating_add(1)));
    };
    for row in 1..n_rows {
        let (above, below) = distances.split_at_mut(row * width);
        step(&mut below[..width], &above[(row - 1) * width..]);
    }
    for row in (1..n_rows).rev() {
        let (above, below) = distances.split_at_mut(row * width);
        step(&mut above[(row - 1) * width..], &below[..width]);
    }
    distances
}

/// The lower envelope of one parabola a column.
#[derive(Default)]
struct Envelope {
    /// Each parabola's column, and its value there.
    parabolas: Vec<(f64, f64)>,
    /// Where each takes over from the one before.
    starts: Vec<f64>,
}

impl Envelope {
    #[expect(clippy::cast_precision_loss, reason = "columns are few")]
    fn lower(&mut self, distances: &[u32]) {
        self.parabolas.clear();
        self.starts.clear();
        for (column, &distance) in distances.iter().enumerate().filter(|(_, distance)| **distance < u32::MAX) {
            let (column, height) = (column as f64, f64::from(distance) * f64::from(distance));
            let mut start = f64::NEG_INFINITY;
            while let Some(&(other, other_height)) = self.parabolas.last() {
                let rise = (height + column * column) - (other_height + other * other);
                start = rise / (2.0 * (column - other));
                if self.starts.last().is_none_or(|&before| start > before) {
                    break;
                }
                self.parabolas.pop();
                self.starts.pop();
                start = f64::NEG_INFINITY;
            }
            self.parabolas.push((column, height));
            self.starts.push(start);
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "columns are few")]
    fn draw(&self, squares: &mut [f64]) {
        let mut at = 0;
        for (column, square) in squares.iter_mut().enumerate() {
            let column = column as f64;
            while self.starts.get(at + 1).is_some_and(|&start| start < column) {
                at += 1;
            }
            let (lowest, height) = self.parabolas[at];
            *square = (column - lowest) * (column - lowest) + height;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::squared_distances;

    #[test]
    fn distances_are_exact() {
        let mut is_target = vec![false; 35];
        is_target[0] = true;
        is_target[34] = true;
        let squares = squared_distances(&is_target, 7).expect("there are two");
        for (pixel, square) in (0_u32..).zip(squares) {
            let (row, column) = (pixel / 7, pixel % 7);
            let (down, right) = (4 - row, 6 - column);
            let expected = (row * row + column * column).min(down * down + right * right);
            assert!((square - f64::from(expected)).abs() < f64::EPSILON, "pixel {row}, {column}");
        }
    }

    #[test]
    fn nothing_has_no_distance() {
        assert!(squared_distances(&[false; 6], 3).is_none());
        assert!(squared_distances(&[], 0).is_none());
    }
}
