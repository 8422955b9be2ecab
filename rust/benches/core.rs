//! What the core costs besides the classifier: the search without rendering, and rendering against memcpy.
#![allow(missing_docs)]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use dccausal::{
    Batch, Evidence, Extraction, ExtractionOptions, Fingerprinter, Inquiry, Layout, Question, Region, Renderer, Search,
    SearchOptions, Sharing, SharingOptions, Slots, Verdict, Weighting, World,
};
use std::hint::black_box;

/// A classifier that costs next to nothing: a weighted sum of what is visible of nine spots.
fn verdict(question: &Question) -> Verdict {
    let spots = (0..9_u32).map(|i| (i / 3 * 70 + 30, i % 3 * 70 + 30, 1 + i % 4));
    let visible: u32 = spots
        .filter(|(row, column, _)| {
            !question.masked.iter().any(|r| r.top <= *row && *row < r.bottom && r.left <= *column && *column < r.right)
        })
        .map(|(_, _, weight)| weight)
        .sum();
    Verdict { is_passing: visible > 9, score: 0.5 }
}

fn answer(inquiry: &mut impl Inquiry, evidence: &mut Evidence) {
    while let Some(batch) = inquiry.propose(evidence, 64) {
        let verdicts: Vec<_> = batch.questions.iter().map(verdict).collect();
        inquiry.submit(evidence, batch.id, &verdicts).expect("in flight");
    }
}

fn search(side: u32, options: &SearchOptions) -> (Search, Evidence) {
    let mut evidence = Evidence::new(side, side, None).expect("sides in range");
    let mut search = Search::new(options.clone(), &evidence).expect("options in range");
    answer(&mut search, &mut evidence);
    (search, evidence)
}

fn searches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("search 224x224, 50 partitions");
    for (name, world) in [("intact", World::Intact), ("contingency", World::Contingency)] {
        let options = SearchOptions { world, ..SearchOptions::paper(0) };
        group.throughput(Throughput::Elements(search(224, &options).0.n_calls()));
        group.bench_function(name, |bencher| bencher.iter(|| black_box(search(224, &options)).0.heatmap()));
    }
    group.finish();
    let options = SearchOptions {
        partitions: 6,
        world: World::Both,
        weighting: Weighting::Score,
        min_side: 0.25,
        refine_equal: true,
        concentration: 4,
        wave: 3,
        sharing: Some(SharingOptions { reach: 0.5, audit: 0.03, seed: 0 }),
        survey: vec![4, 5],
        shown: vec![4, 5],
        ..SearchOptions::paper(0)
    };
    let mut group = criterion.benchmark_group("search 224x224, default");
    group.throughput(Throughput::Elements(search(224, &options).0.n_calls()));
    group.bench_function("both", |bencher| bencher.iter(|| black_box(search(224, &options)).0.heatmap()));
    group.finish();
    let mut group = criterion.benchmark_group("search 2048x2048, 500 partitions");
    group.sample_size(10);
    let options = SearchOptions { partitions: 500, ..SearchOptions::paper(0) };
    group.bench_function("intact", |bencher| bencher.iter(|| black_box(search(2048, &options)).0.heatmap()));
    group.finish();
}

fn extraction(criterion: &mut Criterion) {
    let options = ExtractionOptions { cells: 28, min_score: 0.0 };
    criterion.bench_function("extraction 224x224, 28 blocks a side", |bencher| {
        bencher.iter_batched(
            || search(224, &SearchOptions { partitions: 4, ..SearchOptions::paper(0) }),
            |(searched, mut evidence)| {
                let mut extraction =
                    Extraction::new(&options, &searched.heatmap(), &evidence).expect("options in range");
                answer(&mut extraction, &mut evidence);
                extraction.kept().len()
            },
            BatchSize::SmallInput,
        );
    });
}

fn rendering(criterion: &mut Criterion) {
    let layout = Layout { height: 224, width: 224, planes: 3, pixel_bytes: 4 };
    let n = 64;
    let mut evidence = Evidence::new(224, 224, None).expect("sides in range");
    let mut source = Search::new(SearchOptions::paper(0), &evidence).expect("options in range");
    let batch = source.propose(&mut evidence, n).expect("a first round");
    let other = source.propose(&mut evidence, n).expect("a second batch of the first round");
    let blank = |question: &Question| Question { masked: vec![Region::whole(224, 224)], ..question.clone() };
    let nothing = Batch { questions: batch.questions.iter().map(blank).collect(), ..batch.clone() };
    let image = vec![1_u8; layout.image_bytes()];
    let renderer = Renderer::new(layout, image.clone(), vec![2; layout.image_bytes()], 1).expect("sizes agree");
    let mut buffer = vec![0_u8; n * layout.image_bytes()];
    let mut group = criterion.benchmark_group("64 images of 224x224 float32, one thread");
    group.throughput(Throughput::Bytes(buffer.len() as u64));
    group.bench_function("memcpy", |bencher| {
        bencher.iter(|| buffer.chunks_exact_mut(image.len()).for_each(|slot| slot.copy_from_slice(black_box(&image))));
    });
    group.bench_function("render whole images", |bencher| {
        bencher.iter(|| {
            let mut slots = Slots::new(n);
            renderer.render(black_box(&nothing), &mut buffer, &mut slots)
        });
    });
    let mut slots = Slots::new(n);
    let mut turn = false;
    group.bench_function("render what changed", |bencher| {
        bencher.iter(|| {
            turn = !turn;
            let batch = if turn { &batch } else { &other };
            renderer.render(black_box(batch), &mut buffer, &mut slots)
        });
    });
    group.finish();
}

/// The questions of a search in the contingencies' worlds, as many as asked for, and the first of another's.
fn questions(n: usize, seed: u64) -> Vec<Question> {
    let options =
        SearchOptions { partitions: 4096, world: World::Contingency, min_side: 0.2, ..SearchOptions::paper(seed) };
    let mut evidence = Evidence::new(224, 224, Some(n as u64)).expect("sides in range");
    let mut search = Search::new(options, &evidence).expect("options in range");
    let mut asked = Vec::new();
    while let Some(batch) = search.propose(&mut evidence, 64) {
        let verdicts: Vec<_> = batch.questions.iter().map(verdict).collect();
        asked.extend(batch.questions.iter().cloned());
        search.submit(&mut evidence, batch.id, &verdicts).expect("in flight");
    }
    asked
}

fn sharing(criterion: &mut Criterion) {
    let known = questions(10_000, 0);
    let prints = Fingerprinter::new(224, 224);
    let mut asked = questions(10_000, 1);
    asked.reverse();
    asked.truncate(500);
    let mut group = criterion.benchmark_group("500 questions against 10,000 known masks");
    group.throughput(Throughput::Elements(asked.len() as u64));
    for reach in [0.2, 0.5, 1.0] {
        let options = SharingOptions { reach, audit: 0.0, seed: 0 };
        let mut sharing = Sharing::new(options, 224, 224).expect("options in range");
        known.iter().for_each(|question| sharing.learn(question.clone(), verdict(question)));
        sharing.begin_round();
        group.bench_function(format!("reach {reach}"), |bencher| {
            bencher.iter(|| {
                asked.iter().filter(|q| sharing.infer(prints.regions(&q.masked), &q.masked).is_some()).count()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, searches, extraction, sharing, rendering);
criterion_main!(benches);
