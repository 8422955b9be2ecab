//! Images between levels of blur, by a mask: 0 for the strongest blur, 1 for none.

use crate::error::{Error, require};

/// An image (channels, pixels) at several levels of blur, the strongest first.
#[derive(Clone, Debug)]
pub struct Blurred {
    levels: Vec<f32>,
    n_levels: usize,
    n_channels: usize,
    n_pixels: usize,
}

impl Blurred {
    /// Takes the values by level, channel and pixel.
    ///
    /// # Errors
    /// If there are fewer than two levels, or not a value for each.
    pub fn new(levels: Vec<f32>, n_levels: usize, n_channels: usize) -> Result<Self, Error> {
        require(n_levels >= 2, "levels", n_levels, "at least 2")?;
        let n_pixels = levels.len() / (n_levels * n_channels).max(1);
        require(
            n_pixels * n_levels * n_channels == levels.len(),
            "levels",
            format!("{} values", levels.len()),
            "one a level, channel and pixel",
        )?;
        Ok(Self { levels, n_levels, n_channels, n_pixels })
    }

    /// Pixels of the image.
    #[must_use]
    pub const fn n_pixels(&self) -> usize {
        self.n_pixels
    }

    /// Channels of the image.
    #[must_use]
    pub const fn n_channels(&self) -> usize {
        self.n_channels
    }

    /// What a mask shows of the image, (channels, pixels), between the two levels that are nearest.
    #[must_use]
    pub fn shown(&self, mask: &[f32]) -> Vec<f32> {
        let mut shown = Vec::with_capacity(self.n_channels * self.n_pixels);
        for channel in 0..self.n_channels {
            shown.extend(mask.iter().enumerate().map(|(pixel, &value)| {
                let (level, share) = self.level(value);
                let [below, above] = self.between(level, channel, pixel);
                (1.0 - share) * below + share * above
            }));
        }
        shown
    }

    /// The slopes of a mask, from those of the image that it shows, (channels, pixels).
    #[must_use]
    pub fn back(&self, mask: &[f32], slopes: &[f32]) -> Vec<f32> {
        let mut found = vec![0.0; self.n_pixels];
        for (channel, slopes) in slopes.chunks_exact(self.n_pixels).enumerate() {
            for (pixel, ((found, &value), &slope)) in found.iter_mut().zip(mask).zip(slopes).enumerate() {
                let [below, above] = self.between(self.level(value).0, channel, pixel);
                *found += slope * self.steps() * (above - below);
            }
        }
        found
    }

    #[expect(clippy::cast_precision_loss, reason = "levels are few")]
    const fn steps(&self) -> f32 {
        (self.n_levels - 1) as f32
    }

    /// The level below a mask's value, and the share of the one above.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "levels are few; below 0 is 0")]
    #[expect(clippy::cast_precision_loss, reason = "levels are few")]
    fn level(&self, value: f32) -> (usize, f32) {
        let at = value * self.steps();
        let level = (at as usize).min(self.n_levels - 2);
        (level, at - level as f32)
    }

    fn between(&self, level: usize, channel: usize, pixel: usize) -> [f32; 2] {
        let place = |level: usize| (level * self.n_channels + channel) * self.n_pixels + pixel;
        [self.levels[place(level)], self.levels[place(level + 1)]]
    }
}
