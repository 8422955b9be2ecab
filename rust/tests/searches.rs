//! Whole searches and extractions with classifiers of known causal structure.
#![allow(missing_docs)]

use dccausal::{
    Batch, Evidence, Extraction, ExtractionOptions, Inquiry, Question, Region, Search, SearchOptions, Stage, Staged,
    Verdict, Weighting, World,
};

const SIDE: u32 = 96;
const FIRST: Region = Region { top: 8, left: 8, bottom: 16, right: 16 };
const SECOND: Region = Region { top: 80, left: 72, bottom: 88, right: 80 };

fn is_hidden(region: &Region, question: &Question) -> bool {
    question.masked.iter().any(|masked| {
        masked.top < region.bottom
            && region.top < masked.bottom
            && masked.left < region.right
            && region.left < masked.right
    })
}

fn both(question: &Question) -> bool {
    !is_hidden(&FIRST, question) && !is_hidden(&SECOND, question)
}

fn either(question: &Question) -> bool {
    !is_hidden(&FIRST, question) || !is_hidden(&SECOND, question)
}

fn judge(batch: &Batch, passes: fn(&Question) -> bool) -> Vec<Verdict> {
    batch.questions.iter().map(|question| Verdict { is_passing: passes(question), score: 0.5 }).collect()
}

fn options(world: World) -> SearchOptions {
    SearchOptions { partitions: 20, world, ..SearchOptions::paper(7) }
}

fn evidence(max_calls: Option<u64>) -> Evidence {
    let mut evidence = Evidence::new(SIDE, SIDE, max_calls).unwrap();
    evidence.learn_intact(Verdict { is_passing: true, score: 0.5 });
    evidence
}

fn answer(inquiry: &mut impl Inquiry, evidence: &mut Evidence, passes: fn(&Question) -> bool, capacity: usize) {
    while let Some(batch) = inquiry.propose(evidence, capacity) {
        inquiry.submit(evidence, batch.id, &judge(&batch, passes)).unwrap();
    }
    assert!(inquiry.is_done());
}

fn searched(options: &SearchOptions, passes: fn(&Question) -> bool, capacity: usize) -> Search {
    let mut evidence = evidence(None);
    let mut search = Search::new(options.clone(), &evidence).unwrap();
    answer(&mut search, &mut evidence, passes, capacity);
    search
}

fn extraction(heatmap: &[f32], evidence: &Evidence) -> Extraction {
    Extraction::new(&ExtractionOptions { cells: 12, min_score: 0.0 }, heatmap, evidence).unwrap()
}

fn explained(world: World, passes: fn(&Question) -> bool) -> Vec<Region> {
    let mut evidence = evidence(None);
    let mut search = Search::new(options(world), &evidence).unwrap();
    answer(&mut search, &mut evidence, passes, 32);
    let mut extraction = extraction(&search.heatmap(), &evidence);
    answer(&mut extraction, &mut evidence, passes, 32);
    assert_eq!(extraction.stage(), Stage::Minimal);
    assert_eq!(search.n_calls() + extraction.n_calls(), evidence.n_calls());
    let kept = extraction.kept().iter().enumerate().filter(|(_, is_kept)| **is_kept);
    kept.map(|(block, _)| extraction.grid().block(block)).collect()
}

#[test]
fn what_needs_both_is_explained_by_both() {
    for world in [World::Intact, World::Contingency] {
        assert_eq!(explained(world, both), [FIRST, SECOND]);
    }
}

#[test]
fn where_either_will_do_one_is_enough() {
    for world in [World::Intact, World::Contingency] {
        let blocks = explained(world, either);
        assert!(blocks == [FIRST] || blocks == [SECOND], "{blocks:?}");
    }
}

#[test]
fn the_batch_size_changes_no_bit() {
    for world in [World::Intact, World::Contingency] {
        let bits = |capacity| {
            let search = searched(&options(world), either, capacity);
            (search.heatmap().into_iter().map(f32::to_bits).collect::<Vec<_>>(), search.n_calls())
        };
        assert_eq!(bits(1), bits(64));
        assert_eq!(bits(7), bits(64));
    }
}

#[test]
fn one_decisive_superpixel_has_all_the_weight() {
    let options = SearchOptions { partitions: 1, min_side: 1.0, weighting: Weighting::Leaf, ..SearchOptions::paper(0) };
    let heatmap = searched(&options, |question| !is_hidden(&FIRST, question), 16).heatmap();
    assert!(heatmap.iter().all(|value| [0.0_f32.to_bits(), 1.0_f32.to_bits()].contains(&value.to_bits())));
    assert_eq!(heatmap[(10 * SIDE + 10) as usize].to_bits(), 1.0_f32.to_bits());
    assert_eq!(heatmap[(90 * SIDE + 90) as usize].to_bits(), 0.0_f32.to_bits());
}

#[test]
fn what_one_inquiry_knows_no_other_asks() {
    let mut evidence = evidence(None);
    let mut search = Search::new(options(World::Contingency), &evidence).unwrap();
    answer(&mut search, &mut evidence, both, 32);
    let mut extraction = extraction(&search.heatmap(), &evidence);
    answer(&mut extraction, &mut evidence, both, 32);
    let n_calls = evidence.n_calls();
    let mut again = Search::new(options(World::Contingency), &evidence).unwrap();
    answer(&mut again, &mut evidence, both, 32);
    assert_eq!((again.n_calls(), evidence.n_calls()), (0, n_calls));
    assert_eq!(again.heatmap(), search.heatmap());
}

#[test]
fn an_extraction_needs_no_search() {
    let mut evidence = evidence(None);
    let heatmap = vec![0.0; (SIDE * SIDE) as usize];
    let mut extraction = extraction(&heatmap, &evidence);
    answer(&mut extraction, &mut evidence, both, 32);
    assert_eq!(extraction.stage(), Stage::Minimal);
}

#[test]
fn a_budget_that_others_use_up_ends_a_search() {
    let mut evidence = evidence(Some(60));
    let mut search = Search::new(options(World::Contingency), &evidence).unwrap();
    let batch = search.propose(&mut evidence, 8).unwrap();
    search.submit(&mut evidence, batch.id, &judge(&batch, both)).unwrap();
    evidence.spend(100);
    assert!(!search.is_done());
    assert!(search.propose(&mut evidence, 8).is_none());
    assert!(search.is_done());
    assert!(search.heatmap().iter().all(|value| value.is_finite()));
}
