//! What a verdict says of a set that has to keep a label, and a score.

use crate::cause::verdict::Verdict;

/// Reads verdicts against the intact image's score and a floor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judge {
    intact: f64,
    floor: f64,
}

impl Judge {
    /// By the verdict on the intact image; the floor is the least score that suffices, 0 for the label alone.
    #[must_use]
    pub fn new(intact: Verdict, floor: f64) -> Self {
        Self { intact: unit(intact.score), floor }
    }

    /// The same with another floor.
    #[must_use]
    pub const fn with_floor(self, floor: f64) -> Self {
        Self { floor, ..self }
    }

    /// The least score that suffices; 0 for the label alone.
    #[must_use]
    pub const fn floor(self) -> f64 {
        self.floor
    }

    /// The score as a share of the intact image's. Labels without scores count as all or nothing.
    #[must_use]
    pub fn share(self, verdict: Verdict) -> f64 {
        self.score(verdict) / self.intact
    }

    /// Whether the verdict is that on a sufficient set.
    #[must_use]
    pub fn suffices(self, verdict: Verdict) -> bool {
        verdict.is_passing && (self.floor <= 0.0 || self.score(verdict) >= self.floor)
    }

    /// The score. Labels without scores count as all or nothing.
    #[must_use]
    pub fn score(self, verdict: Verdict) -> f64 {
        match (verdict.score.is_nan(), verdict.is_passing) {
            (false, _) => f64::from(verdict.score),
            (true, true) => self.intact,
            (true, false) => 0.0,
        }
    }
}

/// A score to measure others by: 1 where there is none, or none above 0.
#[must_use]
pub fn unit(score: f32) -> f64 {
    if score.is_finite() && score > 0.0 { f64::from(score) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_alone_are_all_or_nothing() {
        let verdict = |is_passing| Verdict { is_passing, score: f32::NAN };
        let judge = Judge::new(verdict(true), 0.0);
        assert_eq!(
            [true, false].map(|is_passing| judge.share(verdict(is_passing)).to_bits()),
            [1.0, 0.0].map(f64::to_bits)
        );
        assert!(judge.suffices(verdict(true)) && !judge.suffices(verdict(false)));
    }

    #[test]
    fn a_floor_is_reached_with_the_label_only() {
        let verdict = |is_passing, score| Verdict { is_passing, score };
        let judge = Judge::new(verdict(true, 0.5), 0.25);
        assert!(judge.suffices(verdict(true, 0.25)) && !judge.suffices(verdict(true, 0.2)));
        assert!(!judge.suffices(verdict(false, 0.5)));
        assert!(judge.with_floor(0.0).suffices(verdict(true, -1.0)));
        assert!((judge.share(verdict(false, 0.25)) - 0.5).abs() < 1e-12);
    }
}
