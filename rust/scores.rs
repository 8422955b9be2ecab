//! From a model's output to what a verdict is made of: an image's scores, and the score and rank of the target label.

/// What a model's output still lacks to be scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing: they are scores.
    None,
    /// The numbers of an image are logits of labels that exclude each other.
    Softmax,
    /// Each number is a logit of its own.
    Sigmoid,
}

/// How a row of a model's output becomes scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scoring {
    /// What is applied to the numbers.
    pub activation: Activation,
    /// Whether the one number p of an image becomes the scores 1 - p and p.
    pub is_binary: bool,
}

impl Scoring {
    /// Number of scores that so many columns become.
    #[must_use]
    pub const fn n_classes(&self, n_columns: usize) -> usize {
        if self.is_binary { 2 } else { n_columns }
    }

    /// Turns the output for one image into its scores; numbers that give none become NaN.
    ///
    /// # Panics
    /// If `scores` has not [`Self::n_classes`] places for the columns of `output`.
    pub fn apply(&self, output: &[f32], scores: &mut [f32]) {
        assert_eq!(scores.len(), self.n_classes(output.len()), "a place for each class");
        let values = if self.is_binary { &mut scores[1..] } else { &mut *scores };
        match self.activation {
            Activation::None => values.copy_from_slice(output),
            Activation::Softmax => softmax(output, values),
            Activation::Sigmoid => values.iter_mut().zip(output).for_each(|(value, &x)| *value = sigmoid(x)),
        }
        if self.is_binary {
            scores[0] = 1.0 - scores[1];
        }
    }
}

/// The score of a label and its place among all scores, 1 for the best; among equal ones the first comes first. `None` if
/// a score is not finite.
///
/// # Panics
/// If there is no score for the label.
#[must_use]
pub fn score_and_rank(scores: &[f32], label: usize) -> Option<(f32, u32)> {
    if !scores.iter().fold(true, |all, score| all & score.is_finite()) {
        return None;
    }
    let own = scores[label];
    let count = |scores: &[f32], is_ahead: fn(f32, f32) -> bool| {
        scores.iter().map(|&other| u32::from(is_ahead(other, own))).sum::<u32>()
    };
    let n_ahead =
        count(&scores[..label], |other, own| other >= own) + count(&scores[label + 1..], |other, own| other > own);
    Some((own, 1 + n_ahead))
}

/// Numbers that are added up side by side.
const LANES: usize = 8;

fn softmax(logits: &[f32], values: &mut [f32]) {
    let (heads, tail) = logits.as_chunks::<LANES>();
    let mut most = [f32::NEG_INFINITY; LANES];
    for head in heads {
        most.iter_mut().zip(head).for_each(|(most, &x)| *most = if x > *most { x } else { *most });
    }
    let most = most.into_iter().chain(tail.iter().copied()).fold(f32::NEG_INFINITY, f32::max);
    values.iter_mut().zip(logits).for_each(|(value, &x)| *value = exp(x - most));
    let (heads, tail) = values.as_chunks::<LANES>();
    let mut sums = [0.0_f64; LANES];
    for head in heads {
        sums.iter_mut().zip(head).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    let sum = sums.into_iter().sum::<f64>() + tail.iter().copied().map(f64::from).sum::<f64>();
    #[expect(clippy::cast_possible_truncation, reason = "rounded to the scores' type")]
    let sum = sum as f32;
    values.iter_mut().for_each(|value| *value /= sum);
}

fn sigmoid(x: f32) -> f32 {
    let small = exp(-x.abs());
    (if x >= 0.0 { 1.0 } else { small }) / (1.0 + small)
}

/// e to the power of a number that is at most 0, to within 2 units in the last place; 0 where that would be subnormal.
///
/// Products and sums only: the compiler makes several of it at a time, and it gives the same on every machine.
pub(crate) fn exp(x: f32) -> f32 {
    const LOWEST: f32 = -87.3;
    /// Added to a small number it leaves no room for a fraction: what is taken off again is a whole number.
    const ROUNDING: f32 = 12_582_912.0;
    /// The logarithm of 2 in two parts, so that a whole number times the first is exact.
    const LN_2: (f32, f32) = (355.0 / 512.0, -2.121_944_4e-4);
    let is_zero = x < LOWEST;
    let x = if is_zero { LOWEST } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUNDING;
    let n = shifted - ROUNDING;
    let r = x - n * LN_2.0 - n * LN_2.1;
    // The series of e^r; |r| is at most half the logarithm of 2, where the eighth power adds nothing any more.
    let series = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    let power = series.into_iter().fold(0.0, |sum, coefficient| sum * r + coefficient);
    let two_to_n = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    if is_zero { 0.0 } else { power * two_to_n }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_exact_to_two_units_in_the_last_place() {
        for step in 0..=873_000 {
            #[expect(clippy::cast_precision_loss, reason = "small whole numbers")]
            let x = -(step as f32) * 1e-4;
            let (found, exact) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((found / exact - 1.0).abs() <= 2.0 * f64::from(f32::EPSILON), "e^{x}: {found}, not {exact}");
        }
        assert_eq!(exp(0.0).to_bits(), 1.0_f32.to_bits());
        assert_eq!(exp(-88.0).to_bits(), 0.0_f32.to_bits());
        assert_eq!(exp(f32::NEG_INFINITY).to_bits(), 0.0_f32.to_bits());
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn what_is_not_finite_has_no_rank() {
        for activation in [Activation::None, Activation::Softmax, Activation::Sigmoid] {
            for bad in [f32::NAN, f32::INFINITY] {
                for place in 0..19 {
                    let mut output = [0.5; 19];
                    output[place] = bad;
                    let mut scores = [0.0; 19];
                    Scoring { activation, is_binary: false }.apply(&output, &mut scores);
                    // The sigmoid of infinity is 1.
                    let is_known = activation == Activation::Sigmoid && bad == f32::INFINITY;
                    assert_eq!(
                        score_and_rank(&scores, 1).is_some(),
                        is_known,
                        "{activation:?} of {bad} in column {place}"
                    );
                }
            }
        }
    }

    #[test]
    fn among_equal_scores_the_first_comes_first() {
        let ranks = [0, 1, 2, 3].map(|label| score_and_rank(&[0.2, 0.3, 0.2, 0.3], label).map(|(_, rank)| rank));
        assert_eq!(ranks, [Some(3), Some(1), Some(4), Some(2)]);
    }
}
