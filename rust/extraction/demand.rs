//! What is demanded of a set of blocks, and what the answer to it says.
//!
//! A set may be asked about from two sides: as all that is shown, and as all that is hidden. A sufficient set keeps the label
//! when it alone is shown; a necessary one loses it when it alone is hidden; a contrastive one does both.

use crate::cause::verdict::Verdict;
use crate::error::{Error, require};
use crate::evidence::evidence::Evidence;
use crate::extraction::blocks::Blocks;
use crate::extraction::judge::{Judge, unit};

/// What a set has to be like.
pub trait Demand {
    /// What is known of a set once it was asked about.
    type Answer: Copy;

    /// The answers on several sets, once all of them are known; what is not is queued for this round.
    fn ask_all(&self, sets: &[Vec<bool>], blocks: &mut Blocks, evidence: &Evidence) -> Option<Vec<Self::Answer>>;

    /// Whether the set is as it has to be.
    fn holds(&self, answer: Self::Answer) -> bool;

    /// How well it does, so that sets that do not hold can be compared too: more is better.
    fn worth(&self, answer: Self::Answer) -> f64;
}

impl Demand for Judge {
    type Answer = Verdict;

    fn ask_all(&self, sets: &[Vec<bool>], blocks: &mut Blocks, evidence: &Evidence) -> Option<Vec<Verdict>> {
        blocks.ask_all_at(evidence, sets, self.floor())
    }

    fn holds(&self, verdict: Verdict) -> bool {
        self.suffices(verdict)
    }

    fn worth(&self, verdict: Verdict) -> f64 {
        self.share(verdict)
    }
}

/// What has to become of the label when a set is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hidden {
    /// It has to be lost.
    Lost,
    /// It has to be given.
    Given,
}

/// A demand on what is shown, on what is hidden, or on both.
#[derive(Clone, Debug, PartialEq)]
pub struct TwoSided {
    /// The least and the most score that the label may have when the set alone is shown, where that matters; a least of 0 asks
    /// for the label alone.
    shown: Option<(f64, f64)>,
    hidden: Option<Hidden>,
    judge: Judge,
    /// What scores are measured by.
    unit: f64,
    /// The blocks that the search began with.
    base: Vec<bool>,
}

/// The verdicts on a set: hidden, and shown. What did not matter any more may not be known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sides {
    hidden: Option<Verdict>,
    shown: Option<Verdict>,
}

impl TwoSided {
    /// By the verdict on the intact image, for a search that begins with some blocks.
    ///
    /// # Errors
    /// If nothing is demanded, or the scores are none or in the wrong order.
    pub fn new(
        shown: Option<(f64, f64)>,
        hidden: Option<Hidden>,
        intact: Verdict,
        base: Vec<bool>,
    ) -> Result<Self, Error> {
        require(shown.is_some() || hidden.is_some(), "least", "none", "given where nothing else is demanded")?;
        let (least, most) = shown.unwrap_or((0.0, f64::INFINITY));
        let is_range = least.is_finite() && least >= 0.0 && most >= least;
        require(is_range, "least", format!("{least:?}, most {most:?}"), "a score of at least 0, and most no less")?;
        // A label that is to come has hardly a score on the intact image.
        let unit = if hidden == Some(Hidden::Given) { 1.0 } else { unit(intact.score) };
        Ok(Self { shown, hidden, judge: Judge::new(intact, least), unit, base })
    }

    /// The blocks that the search began with.
    #[must_use]
    pub fn base(&self) -> &[bool] {
        &self.base
    }

    /// What is known of a set.
    fn known(&self, set: &[bool], blocks: &Blocks, evidence: &Evidence) -> Sides {
        Sides {
            hidden: self.hidden.and_then(|_| blocks.known_at(evidence, &opposite(set), 0.0)),
            shown: self.shown.and_then(|(least, _)| blocks.known_at(evidence, set, least)),
        }
    }

    /// Where something is missing of what it began with, a set hardly suffices; else it hardly loses the label.
    fn is_shown_first(&self, set: &[bool]) -> bool {
        let is_lacking = || self.base.iter().zip(set).any(|(is_base, is_in)| *is_base && !is_in);
        self.shown.is_some() && (self.hidden.is_none() || is_lacking())
    }

    /// Asks about one side of a set, if it has to be known.
    fn ask_side(&self, set: &[bool], is_first: bool, blocks: &mut Blocks, evidence: &Evidence) -> Option<()> {
        let Sides { hidden, shown } = self.known(set, blocks, evidence);
        if self.is_shown_first(set) == is_first {
            let may_do = self.is_hidden_well(hidden) || is_first && hidden.is_none();
            if let (Some((least, _)), true) = (self.shown, may_do) {
                blocks.ask_at(evidence, set, least)?;
            }
        } else {
            let may_do = self.is_shown_well(shown) || is_first && shown.is_none();
            if self.hidden.is_some() && may_do {
                blocks.ask_at(evidence, &opposite(set), 0.0)?;
            }
        }
        Some(())
    }

    /// Whether hiding the set does what it has to.
    fn is_hidden_well(&self, verdict: Option<Verdict>) -> bool {
        match (self.hidden, verdict) {
            (None, _) => true,
            (Some(Hidden::Lost), Some(verdict)) => !verdict.is_passing,
            (Some(Hidden::Given), Some(verdict)) => verdict.is_passing,
            (Some(_), None) => false,
        }
    }

    /// Whether showing the set alone does what it has to.
    fn is_shown_well(&self, verdict: Option<Verdict>) -> bool {
        let Some((_, most)) = self.shown else { return true };
        verdict.is_some_and(|verdict| {
            self.judge.suffices(verdict) && (most.is_infinite() || self.judge.score(verdict) <= most)
        })
    }
}

impl Demand for TwoSided {
    type Answer = Sides;

    /// Each set is asked about on the side on which it is the likelier to fail; then those that do there are asked about on the
    /// other. Where the other side is known not to do, nothing is asked.
    fn ask_all(&self, sets: &[Vec<bool>], blocks: &mut Blocks, evidence: &Evidence) -> Option<Vec<Sides>> {
        for is_first in [true, false] {
            let answers: Vec<_> = sets.iter().map(|set| self.ask_side(set, is_first, blocks, evidence)).collect();
            answers.into_iter().collect::<Option<()>>()?;
        }
        Some(sets.iter().map(|set| self.known(set, blocks, evidence)).collect())
    }

    fn holds(&self, sides: Sides) -> bool {
        self.is_hidden_well(sides.hidden) && self.is_shown_well(sides.shown)
    }

    fn worth(&self, sides: Sides) -> f64 {
        let share = |verdict: Option<Verdict>| verdict.map_or(0.0, |verdict| self.judge.score(verdict) / self.unit);
        let hidden = share(sides.hidden);
        share(sides.shown) + if self.hidden == Some(Hidden::Given) { hidden } else { -hidden }
    }
}

/// The blocks that are not in a set.
fn opposite(set: &[bool]) -> Vec<bool> {
    set.iter().map(|is_in| !is_in).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTACT: Verdict = Verdict { is_passing: true, score: 0.5 };

    fn sides(hidden: Option<(bool, f32)>, shown: Option<(bool, f32)>) -> Sides {
        let verdict = |(is_passing, score)| Verdict { is_passing, score };
        Sides { hidden: hidden.map(verdict), shown: shown.map(verdict) }
    }

    #[test]
    fn contrast_needs_both_sides() {
        let demand =
            TwoSided::new(Some((0.25, f64::INFINITY)), Some(Hidden::Lost), INTACT, Vec::new()).expect("a demand");
        assert!(demand.holds(sides(Some((false, 0.1)), Some((true, 0.25)))));
        assert!(!demand.holds(sides(Some((false, 0.1)), Some((true, 0.2)))));
        assert!(!demand.holds(sides(Some((false, 0.1)), Some((false, 0.4)))));
        assert!(!demand.holds(sides(Some((true, 0.1)), None)));
        assert!((demand.worth(sides(Some((false, 0.125)), Some((true, 0.25)))) - 0.25).abs() < 1e-9);
    }

    #[test]
    fn completeness_has_two_bounds() {
        let demand = TwoSided::new(Some((0.45, 0.55)), None, INTACT, Vec::new()).expect("a demand");
        let holds = |score| demand.holds(sides(None, Some((true, score))));
        assert!(holds(0.5) && !holds(0.44) && !holds(0.56));
    }

    #[test]
    fn another_label_has_to_come() {
        let demand = TwoSided::new(None, Some(Hidden::Given), INTACT, Vec::new()).expect("a demand");
        assert!(demand.holds(sides(Some((true, 0.3)), None)) && !demand.holds(sides(Some((false, 0.4)), None)));
        assert!((demand.worth(sides(Some((false, 0.25)), None)) - 0.25).abs() < 1e-9);
    }

    #[test]
    fn something_has_to_be_demanded() {
        assert!(TwoSided::new(None, None, INTACT, Vec::new()).is_err());
        assert!(TwoSided::new(Some((0.5, 0.4)), None, INTACT, Vec::new()).is_err());
        assert!(TwoSided::new(Some((f64::NAN, 0.4)), None, INTACT, Vec::new()).is_err());
    }
}
