//! Rendering of masked images into a caller's buffer.
//!
//! A mutant is made of two images that were normalised before: the photograph and the baseline. Rendering copies bytes of
//! one or the other and never computes, so it serves every element type and layout and is exact. A [`Slots`] remembers
//! what each of its slots shows, and only what differs is written.

use std::cmp::Ordering;

use crate::error::{Error, require};
use crate::pixels::region::Region;
use crate::question::{Batch, Question};

/// How the bytes of one image lie: `planes` of `height` rows of `width` pixels of `pixel_bytes` bytes each.
///
/// A float32 image in NCHW has 3 planes of 4-byte pixels, in NHWC one plane of 12-byte pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
    /// Planes that are stored one behind the other.
    pub planes: u32,
    /// Bytes of one pixel in one plane.
    pub pixel_bytes: u32,
}

impl Layout {
    /// Bytes of one image, or as many as can be counted.
    #[must_use]
    pub const fn image_bytes(&self) -> usize {
        self.plane_bytes().saturating_mul(self.planes as usize)
    }

    const fn row_bytes(&self) -> usize {
        (self.width as usize).saturating_mul(self.pixel_bytes as usize)
    }

    const fn plane_bytes(&self) -> usize {
        self.row_bytes().saturating_mul(self.height as usize)
    }
}

/// What the slots of a caller's buffer show: one slot an image.
#[derive(Clone, Debug, Default)]
pub struct Slots {
    slots: Vec<Slot>,
}

/// The rectangles that are masked in one slot; `None` before its first use.
type Slot = Option<Vec<Region>>;

impl Slots {
    /// For a buffer of `capacity` images whose content is not known.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { slots: vec![None; capacity] }
    }

    /// Number of images that the buffer holds.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.slots.len()
    }
}

/// Draws mutants of one image.
#[derive(Clone, Debug)]
pub struct Renderer {
    layout: Layout,
    image: Vec<u8>,
    baseline: Vec<u8>,
    threads: usize,
}

/// Below this many bytes a second thread costs more than it saves.
const BYTES_PER_THREAD: usize = 4 << 20;

impl Renderer {
    /// Takes the image and what masked pixels are replaced by, both in the layout, and renders with up to `threads` threads.
    ///
    /// # Errors
    /// If an image has not the layout's number of bytes or none at all, or `threads` is 0.
    pub fn new(layout: Layout, image: Vec<u8>, baseline: Vec<u8>, threads: usize) -> Result<Self, Error> {
        require(threads >= 1, "threads", threads, "at least 1")?;
        let Layout { height, width, planes, pixel_bytes } = layout;
        for (side, given) in [("height", height), ("width", width), ("planes", planes), ("pixel_bytes", pixel_bytes)] {
            require(given >= 1, side, given, "at least 1")?;
        }
        check_size("image", image.len(), layout.image_bytes())?;
        check_size("baseline", baseline.len(), layout.image_bytes())?;
        Ok(Self { layout, image, baseline, threads })
    }

    /// Draws one mutant a question of a batch into the first slots of a buffer.
    ///
    /// Only this method may write to the buffer between two calls with the same slots.
    ///
    /// # Errors
    /// If the batch is about an image of another size, the buffer is not the slots's number of images, or there are more
    /// questions than slots.
    pub fn render(&self, batch: &Batch, buffer: &mut [u8], slots: &mut Slots) -> Result<(), Error> {
        let questions = &batch.questions;
        let (given, needed) = ((batch.height, batch.width), (self.layout.height, self.layout.width));
        if given != needed {
            return Err(Error::ImageSize { what: "batch", given, needed });
        }
        let image_bytes = self.layout.image_bytes();
        check_size("buffer", buffer.len(), slots.capacity().saturating_mul(image_bytes))?;
        require(questions.len() <= slots.capacity(), "questions", questions.len(), "at most the slots's capacity")?;
        let threads = self.threads.min(questions.len() * image_bytes / BYTES_PER_THREAD).max(1);
        let share = questions.len().div_ceil(threads).max(1);
        let slots = slots.slots.chunks_mut(share).zip(buffer.chunks_mut(share * image_bytes));
        let mut work: Vec<_> = questions.chunks(share).zip(slots).collect();
        let own = work.pop();
        std::thread::scope(|scope| {
            for (questions, (slots, images)) in work {
                scope.spawn(move || self.draw_all(questions, slots, images));
            }
            if let Some((questions, (slots, images))) = own {
                self.draw_all(questions, slots, images);
            }
        });
        Ok(())
    }

    fn draw_all(&self, questions: &[Question], slots: &mut [Slot], images: &mut [u8]) {
        let images = images.chunks_exact_mut(self.layout.image_bytes());
        for ((question, slot), image) in questions.iter().zip(slots).zip(images) {
            self.draw(&question.masked, slot, image);
        }
    }

    fn draw(&self, masked: &[Region], slot: &mut Slot, image: &mut [u8]) {
        match slot {
            None => {
                image.copy_from_slice(&self.image);
                masked.iter().for_each(|region| self.copy(&self.baseline, region, image));
            }
            Some(shown) => {
                let gone: Vec<Region> = difference(shown, masked).collect();
                let new: Vec<Region> = difference(masked, shown).collect();
                // What both have masked stays, whatever rectangles it is made of.
                for region in &gone {
                    outside(region, &new, &mut |part| self.copy(&self.image, &part, image));
                }
                for region in &new {
                    outside(region, &gone, &mut |part| self.copy(&self.baseline, &part, image));
                }
            }
        }
        let shown = slot.get_or_insert_default();
        shown.clear();
        shown.extend_from_slice(masked);
    }

    fn copy(&self, source: &[u8], region: &Region, image: &mut [u8]) {
        let row_bytes = self.layout.row_bytes();
        let pixel_bytes = self.layout.pixel_bytes as usize;
        let (first, end) = (region.left as usize * pixel_bytes, region.right as usize * pixel_bytes);
        for plane in 0..self.layout.planes as usize {
            let start = plane * self.layout.plane_bytes();
            if first == 0 && end == row_bytes {
                let rows = start + region.top as usize * row_bytes..start + region.bottom as usize * row_bytes;
                image[rows.clone()].copy_from_slice(&source[rows]);
                continue;
            }
            for row in region.top as usize..region.bottom as usize {
                let span = start + row * row_bytes + first..start + row * row_bytes + end;
                image[span.clone()].copy_from_slice(&source[span]);
            }
        }
    }
}

/// The rectangles of one sorted list that are not in another.
fn difference<'a>(left: &'a [Region], right: &'a [Region]) -> impl Iterator<Item = Region> + 'a {
    let mut others = right.iter().peekable();
    left.iter().copied().filter(move |region| {
        while others.next_if(|other| *other < region).is_some() {}
        others.peek().is_none_or(|other| other.cmp(&region) != Ordering::Equal)
    })
}

/// Hands out the parts of a region that lie outside of others, as disjoint rectangles.
fn outside(region: &Region, others: &[Region], take: &mut impl FnMut(Region)) {
    let found = others.iter().enumerate().find_map(|(i, other)| Some((i, region.intersection(other)?)));
    let Some((i, common)) = found else { return take(*region) };
    let parts = [
        Region { bottom: common.top, ..*region },
        Region { top: common.top, bottom: common.bottom, right: common.left, ..*region },
        Region { top: common.top, bottom: common.bottom, left: common.right, ..*region },
        Region { top: common.bottom, ..*region },
    ];
    for part in parts.iter().filter(|part| part.area() > 0) {
        outside(part, &others[i + 1..], take);
    }
}

fn check_size(buffer: &'static str, given: usize, needed: usize) -> Result<(), Error> {
    if given == needed { Ok(()) } else { Err(Error::BufferSize { buffer, given, needed }) }
}
