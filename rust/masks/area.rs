//! How a mask is drawn to an area.

/// The slopes of `weight` times the mean squared distance of a mask's sorted values from a mask that is 1 on its last
/// pixels, from the rank `n_hidden` on, and 0 before. Values are at least 0; equal ones are sorted by their place.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "pixels are far below 2^52")]
#[expect(clippy::cast_possible_truncation, reason = "the low half of a key is a place; slopes are float32")]
pub fn area_slopes(mask: &[f32], n_hidden: usize, weight: f64) -> Vec<f32> {
    let key = |(place, value): (usize, &f32)| (u64::from(value.to_bits()) << 32) | place as u64;
    let mut keys: Vec<u64> = mask.iter().enumerate().map(key).collect();
    keys.sort_unstable();
    let factor = (2.0 * weight / mask.len() as f64) as f32;
    let mut slopes = vec![0.0; mask.len()];
    for (rank, key) in keys.into_iter().enumerate() {
        let place = (key & u64::from(u32::MAX)) as usize;
        slopes[place] = factor * (mask[place] - f32::from(u8::from(rank >= n_hidden)));
    }
    slopes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_are_drawn_up_and_the_others_down() {
        let slopes = area_slopes(&[0.5, 0.25, 0.75, 0.25], 2, 2.0);
        assert_eq!(slopes, [-0.5, 0.25, -0.25, 0.25]);
        assert_eq!(area_slopes(&[0.25; 2], 1, 1.0), [0.25, -0.75]);
        assert!(area_slopes(&[], 0, 1.0).is_empty());
    }
}
