//! A verdict: what the classifier's answer to a mutant says about the label.

/// The floor of whoever measures a score and decides nothing by it: one answer with a score settles that.
pub const MEASURED: f64 = f64::INFINITY;

/// The classifier's answer to one question.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// Whether the mutant still gives the target label.
    pub is_passing: bool,
    /// The score of the target label; not a number where the classifier gives labels only.
    pub score: f32,
}

impl Verdict {
    /// What is known of a set beside two baselines: the label has to stay beside each, and the score is the lesser.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self { is_passing: self.is_passing && other.is_passing, score: self.score.min(other.score) }
    }

    /// Whether the answer beside one baseline settles that the set does not do, whatever it gives beside others: the label is
    /// lost, or the score is below the floor; a floor of 0 asks for the label alone.
    #[must_use]
    pub fn refuses(self, floor: f64) -> bool {
        !self.is_passing || (floor > 0.0 && f64::from(self.score) < floor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_to_do_beside_each_baseline() {
        let verdict = |is_passing, score| Verdict { is_passing, score };
        assert_eq!(verdict(true, 0.5).and(verdict(true, 0.25)), verdict(true, 0.25));
        assert_eq!(verdict(true, 0.5).and(verdict(false, 0.75)), verdict(false, 0.5));
        assert!(verdict(true, f32::NAN).and(verdict(true, f32::NAN)).score.is_nan());
    }

    #[test]
    fn a_label_lost_or_a_score_too_low_refuses() {
        let verdict = |is_passing, score| Verdict { is_passing, score };
        assert!(verdict(false, 0.9).refuses(0.0) && verdict(true, 0.4).refuses(0.5));
        assert!(!verdict(true, -1.0).refuses(0.0) && !verdict(true, 0.5).refuses(0.5));
        assert!(!verdict(true, f32::NAN).refuses(0.5));
    }
}
