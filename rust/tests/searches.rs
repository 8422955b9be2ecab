//! Whole searches and extractions with classifiers of known causal structure.
#![allow(missing_docs)]

use dccausal::{
    Batch, Evidence, Extraction, ExtractionOptions, Question, Region, Search, SearchOptions, Stage, Verdict, Weighting,
    World,
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
    SearchOptions { partitions: 20, world, ..SearchOptions::paper(SIDE, SIDE, 7) }
}

fn searched(options: &SearchOptions, passes: fn(&Question) -> bool, capacity: usize) -> Search {
    let mut evidence = Evidence::new(None);
    evidence.learn(dccausal::Fingerprint::default(), Verdict { is_passing: true, score: 0.5 });
    let mut search = Search::new(options.clone(), evidence).unwrap();
    while let Some(batch) = search.propose(capacity) {
        search.submit(batch.id, &judge(&batch, passes)).unwrap();
    }
    assert!(search.is_done());
    search
}

fn explained(world: World, passes: fn(&Question) -> bool) -> Vec<Region> {
    let mut search = searched(&options(world), passes, 32);
    let extraction_options = ExtractionOptions { height: SIDE, width: SIDE, cells: 12, min_score: 0.0 };
    let heatmap = search.heatmap();
    let mut extraction = Extraction::new(&extraction_options, &heatmap, search.finish()).unwrap();
    while let Some(batch) = extraction.propose(32) {
        extraction.submit(batch.id, &judge(&batch, passes)).unwrap();
    }
    assert_eq!(extraction.stage(), Stage::Minimal);
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
    let options = SearchOptions {
        partitions: 1,
        min_side: 1.0,
        weighting: Weighting::Leaf,
        ..SearchOptions::paper(SIDE, SIDE, 0)
    };
    let heatmap = searched(&options, |question| !is_hidden(&FIRST, question), 16).heatmap();
    assert!(heatmap.iter().all(|value| [0.0_f32.to_bits(), 1.0_f32.to_bits()].contains(&value.to_bits())));
    assert_eq!(heatmap[(10 * SIDE + 10) as usize].to_bits(), 1.0_f32.to_bits());
    assert_eq!(heatmap[(90 * SIDE + 90) as usize].to_bits(), 0.0_f32.to_bits());
}
