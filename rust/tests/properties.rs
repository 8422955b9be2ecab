//! Fast equals obvious, on random input.
#![allow(missing_docs)]

use dccausal::{
    Accumulator, Batch, Evidence, Fingerprinter, Grid, Layout, Question, Region, Renderer, Round, Sharing,
    SharingOptions, Slots, Verdict,
};
use proptest::prelude::*;

const HEIGHT: u32 = 13;
const WIDTH: u32 = 17;

fn region() -> impl Strategy<Value = Region> {
    (0..HEIGHT, 0..WIDTH).prop_flat_map(|(top, left)| {
        (top + 1..=HEIGHT, left + 1..=WIDTH).prop_map(move |(bottom, right)| Region { top, left, bottom, right })
    })
}

/// Disjoint rectangles: some of the blocks of a random lattice.
fn disjoint() -> impl Strategy<Value = Vec<Region>> {
    (1..6_u32).prop_flat_map(|cells| {
        let grid = Grid::new(HEIGHT, WIDTH, cells);
        proptest::collection::vec(any::<bool>(), grid.n_blocks()).prop_map(move |kept| grid.masked(&kept))
    })
}

fn pixels(regions: &[Region]) -> Vec<bool> {
    let mut pixels = vec![false; (HEIGHT * WIDTH) as usize];
    for region in regions {
        for row in region.top..region.bottom {
            for column in region.left..region.right {
                pixels[(row * WIDTH + column) as usize] = true;
            }
        }
    }
    pixels
}

proptest! {
    #[test]
    fn fingerprints_are_equal_iff_the_pixels_are(left in disjoint(), right in disjoint()) {
        let prints = Fingerprinter::new(HEIGHT, WIDTH);
        let same_pixels = pixels(&left) == pixels(&right);
        prop_assert_eq!(prints.regions(&left) == prints.regions(&right), same_pixels);
    }

    #[test]
    fn masked_runs_are_the_blocks_that_are_not_kept(cells in 1..9_u32, bits in any::<u128>()) {
        let grid = Grid::new(HEIGHT, WIDTH, cells);
        let kept: Vec<bool> = (0..grid.n_blocks()).map(|block| bits >> (block % 128) & 1 == 1).collect();
        let blocks: Vec<Region> = (0..kept.len()).filter(|&b| !kept[b]).map(|b| grid.block(b)).collect();
        prop_assert_eq!(pixels(&grid.masked(&kept)), pixels(&blocks));
    }

    #[test]
    fn the_heatmap_is_the_sum_of_its_rectangles(parts in proptest::collection::vec((region(), 0..1000_u32), 0..20)) {
        let mut sums = Accumulator::new(HEIGHT, WIDTH);
        let mut expected = vec![0_u32; (HEIGHT * WIDTH) as usize];
        for (region, value) in &parts {
            sums.add(region, f64::from(*value) / 1024.0);
            for (sum, inside) in expected.iter_mut().zip(pixels(&[*region])) {
                *sum += if inside { *value } else { 0 };
            }
        }
        for (found, expected) in sums.mean(1).into_iter().zip(expected) {
            prop_assert!((f64::from(found) - f64::from(expected) / 1024.0).abs() < 1e-6);
        }
    }

    #[test]
    fn rendering_copies_the_baseline_where_masked(
        rounds in proptest::collection::vec(proptest::collection::vec(disjoint(), 1..5), 1..6),
        planes in 1..4_u32,
        pixel_bytes in 1..5_u32,
        threads in 1..4_usize,
    ) {
        let layout = Layout { height: HEIGHT, width: WIDTH, planes, pixel_bytes };
        let bytes = layout.image_bytes();
        let image: Vec<u8> = (0..bytes).map(|i| u8::try_from(i % 100).unwrap()).collect();
        let baseline: Vec<u8> = (0..bytes).map(|i| u8::try_from(i % 100 + 100).unwrap()).collect();
        let renderer = Renderer::new(layout, image.clone(), baseline.clone(), threads).unwrap();
        let mut buffer = vec![255; 4 * bytes];
        let mut slots = Slots::new(4);
        let prints = Fingerprinter::new(HEIGHT, WIDTH);
        for masks in rounds {
            let questions: Vec<Question> = masks.iter()
                .map(|masked| Question { fingerprint: prints.regions(masked), masked: masked.clone() })
                .collect();
            let batch = Batch { id: 0, height: HEIGHT, width: WIDTH, baseline: 0, questions };
            renderer.render(&batch, &mut buffer, &mut slots).unwrap();
            for (masked, drawn) in masks.iter().zip(buffer.chunks_exact(bytes)) {
                let masked = pixels(masked);
                for (i, byte) in drawn.iter().enumerate() {
                    let pixel = i / pixel_bytes as usize % masked.len();
                    prop_assert_eq!(*byte, if masked[pixel] { baseline[i] } else { image[i] });
                }
            }
        }
    }

    #[test]
    fn a_queue_keeps_its_order_for_any_capacity(asked in proptest::collection::vec(disjoint(), 1..20), capacity in 1..9_usize) {
        let prints = Fingerprinter::new(HEIGHT, WIDTH);
        let drain = |capacity: usize| {
            let (mut evidence, mut round) = (Evidence::new(HEIGHT, WIDTH, None).unwrap(), Round::default());
            for masked in &asked {
                round.ask(&evidence, prints.regions(masked), || masked.clone());
            }
            let mut order = Vec::new();
            while let Some(batch) = round.propose(&mut evidence, capacity) {
                order.extend(batch.questions);
            }
            order
        };
        prop_assert_eq!(drain(capacity), drain(usize::MAX));
    }

    #[test]
    fn a_cover_is_every_block_with_a_pixel_that_is_not_masked(cells in 1..9_u32, masked in disjoint()) {
        let grid = Grid::new(HEIGHT, WIDTH, cells);
        let hidden = pixels(&masked);
        let expected: Vec<bool> = (0..grid.n_blocks())
            .map(|index| pixels(&[grid.block(index)]).iter().zip(&hidden).any(|(inside, hidden)| *inside && !hidden))
            .collect();
        prop_assert_eq!(grid.cover(&masked), expected);
    }

    #[test]
    fn the_nearest_known_set_answers(
        known in proptest::collection::vec((disjoint(), any::<bool>()), 1..30),
        asked in disjoint(),
        reach in 0.0..1.0_f64,
    ) {
        let prints = Fingerprinter::new(HEIGHT, WIDTH);
        let mut sharing = Sharing::new(SharingOptions { reach, audit: 0.0, seed: 0 }, HEIGHT, WIDTH).unwrap();
        for (masked, is_passing) in &known {
            let question = Question { fingerprint: prints.regions(masked), masked: masked.clone() };
            sharing.learn(question, Verdict { is_passing: *is_passing, score: 0.0 });
        }
        sharing.begin_round();
        let found = sharing.infer(prints.regions(&asked), &asked).map(|verdict| verdict.is_passing);
        let target = pixels(&asked);
        let area = |set: &[bool]| set.iter().filter(|masked| **masked).count();
        let lies_within = |inner: &[bool], outer: &[bool]| inner.iter().zip(outer).all(|(inner, outer)| !inner || *outer);
        let nearest = |wanted: bool| {
            known.iter()
                .filter(|(_, is_passing)| *is_passing == wanted)
                .map(|(masked, _)| pixels(masked))
                .filter(|set| if wanted { lies_within(&target, set) } else { lies_within(set, &target) })
                .map(|set| area(&set).abs_diff(area(&target)))
                .filter(|gap| f64::from(u32::try_from(*gap).unwrap()) <= (reach * f64::from(HEIGHT * WIDTH)).floor())
                .min()
        };
        let expected = match (nearest(false), nearest(true)) {
            _ if reach <= 0.0 => None,
            (None, None) => None,
            (Some(below), Some(above)) if below == above => None,
            (Some(below), above) if above.is_none_or(|above| below < above) => Some(false),
            _ => Some(true),
        };
        prop_assert_eq!(found, expected);
    }
}
