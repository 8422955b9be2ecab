//! A verdict: what the classifier's answer to a mutant says about the label.

/// The classifier's answer to one question.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// Whether the mutant still gives the target label.
    pub is_passing: bool,
    /// The score of the target label; not a number where the classifier gives labels only.
    pub score: f32,
}
