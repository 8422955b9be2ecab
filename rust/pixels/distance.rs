//! The exact Euclidean distance transform (Felzenszwalb and Huttenlocher, *Distance Transforms of Sampled Functions*, 2012).

/// No distance; one more is none either.
const NONE: i32 = i32::MAX / 2;

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
        // Between two targets of a row nothing beyond them is nearer.
        let mut end = 0;
        while let Some(first) = row[end..].iter().position(|&distance| distance > 0).map(|gap| end + gap) {
            end = row[first..].iter().position(|&distance| distance == 0).map_or(width, |gap| first + gap);
            let left = first.saturating_sub(1);
            envelope.lower(&row[left..(end + 1).min(width)]);
            envelope.draw(&mut squares[left..end]);
        }
    }
    Some(squares)
}

/// The distance to the nearest target in the same column; at least `NONE` where there is none.
fn column_distances(is_target: &[bool], width: usize) -> Vec<i32> {
    let mut distances: Vec<i32> = is_target.iter().map(|&is_target| if is_target { 0 } else { NONE }).collect();
    let n_rows = is_target.len() / width;
    let step = |to: &mut [i32], from: &[i32]| {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = (*to).min(from + 1));
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

/// The lower envelope of one parabola a column. All numbers are whole and small enough to be exact.
#[derive(Default)]
struct Envelope {
    parabolas: Vec<Parabola>,
}

struct Parabola {
    column: f64,
    /// Its value there.
    height: f64,
    /// Where it takes over from the one before, as a fraction.
    start: (f64, f64),
}

impl Envelope {
    #[expect(clippy::cast_precision_loss, reason = "columns are few")]
    fn lower(&mut self, distances: &[i32]) {
        self.parabolas.clear();
        for (column, &distance) in distances.iter().enumerate().filter(|(_, distance)| **distance < NONE) {
            let (column, height) = (column as f64, f64::from(distance) * f64::from(distance));
            // The first one begins before all others.
            let mut start = (-1.0, 0.0);
            while let Some(last) = self.parabolas.last() {
                let rise = (height + column * column) - (last.height + last.column * last.column);
                let run = 2.0 * (column - last.column);
                if rise * last.start.1 > last.start.0 * run {
                    start = (rise, run);
                    break;
                }
                self.parabolas.pop();
            }
            self.parabolas.push(Parabola { column, height, start });
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "columns are few")]
    fn draw(&self, squares: &mut [f64]) {
        let mut later = self.parabolas.iter();
        let Some(mut lowest) = later.next() else { return };
        let mut next = later.next();
        for (column, square) in squares.iter_mut().enumerate() {
            let column = column as f64;
            while let Some(parabola) = next.filter(|next| next.start.0 < column * next.start.1) {
                (lowest, next) = (parabola, later.next());
            }
            *square = (column - lowest.column) * (column - lowest.column) + lowest.height;
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
