//! Colour adjustments of 8-bit images with PIL's arithmetic: `ImageEnhance` and the HSV conversion.

use crate::image::{Image, luma};

/// Blends towards black: 0 gives black, 1 the image, more is brighter.
pub(super) fn brightness(image: &mut Image, factor: f64) {
    image
        .pixels_mut()
        .iter_mut()
        .for_each(|level| *level = blend(0, *level, factor));
}

/// Blends towards the mean grey level: 0 gives flat grey, 1 the image.
pub(super) fn contrast(image: &mut Image, factor: f64) {
    let sum: u64 = match image.channels() {
        1 => image.pixels().iter().map(|&level| u64::from(level)).sum(),
        _ => image
            .pixels()
            .chunks_exact(3)
            .map(|rgb| u64::from(luma(rgb)))
            .sum(),
    };
    let count = image.height() * image.width();
    // A mean of bytes, rounded half up, is a byte.
    let mean = (sum as f64 / count as f64 + 0.5) as u8;
    image
        .pixels_mut()
        .iter_mut()
        .for_each(|level| *level = blend(mean, *level, factor));
}

/// Blends towards each pixel's grey level: 0 gives grey, 1 the image. Grey images stay.
pub(super) fn saturation(image: &mut Image, factor: f64) {
    if image.channels() == 3 {
        for rgb in image.pixels_mut().chunks_exact_mut(3) {
            let grey = luma(rgb);
            rgb.iter_mut()
                .for_each(|level| *level = blend(grey, *level, factor));
        }
    }
}

/// Turns the hue by a share of the circle, -0.5..=0.5. Grey images stay.
pub(super) fn hue(image: &mut Image, share: f64) {
    if image.channels() == 3 {
        // Truncated and wrapped to a byte, as torchvision does.
        let turn = (share * 255.0) as i32 as u8;
        for rgb in image.pixels_mut().chunks_exact_mut(3) {
            let [h, s, v] = rgb_to_hsv([rgb[0], rgb[1], rgb[2]]);
            rgb.copy_from_slice(&hsv_to_rgb([h.wrapping_add(turn), s, v]));
        }
    }
}

/// `from + factor · (to - from)` in f32, cut to a byte; the ends are exact.
fn blend(from: u8, to: u8, factor: f64) -> u8 {
    let factor = factor as f32;
    if factor == 1.0 {
        return to;
    }
    // The cast truncates and saturates.
    (f32::from(from) + factor * (f32::from(to) - f32::from(from))) as u8
}

fn rgb_to_hsv([r, g, b]: [u8; 3]) -> [u8; 3] {
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    if most == least {
        return [0, 0, most];
    }
    let range = f32::from(most - least);
    let below = |level: u8| f32::from(most - level) / range;
    let (red, green, blue) = (below(r), below(g), below(b));
    // PIL computes the sums in f64 and keeps them in f32.
    let hue = if r == most {
        blue - green
    } else if g == most {
        (2.0 + f64::from(red) - f64::from(blue)) as f32
    } else {
        (4.0 + f64::from(green) - f64::from(red)) as f32
    };
    let hue = ((f64::from(hue) / 6.0 + 1.0) % 1.0) as f32;
    let saturation = range / f32::from(most);
    [
        (f64::from(hue) * 255.0) as u8,
        (f64::from(saturation) * 255.0) as u8,
        most,
    ]
}

fn hsv_to_rgb([h, s, v]: [u8; 3]) -> [u8; 3] {
    if s == 0 {
        return [v; 3];
    }
    let position = f32::from(h) as f64 * 6.0 / 255.0;
    let sector = position.floor();
    let part = f64::from((position - sector) as f32);
    let saturation = f64::from((f64::from(s) / 255.0) as f32);
    let level = |share: f64| (f64::from(v) * (1.0 - share)).round() as u8;
    let (p, q, t) = (
        level(saturation),
        level(saturation * part),
        level(saturation * (1.0 - part)),
    );
    match sector as u8 % 6 {
        0 => [v, t, p],
        1 => [q, v, p],
        2 => [p, v, t],
        3 => [p, q, v],
        4 => [t, p, v],
        _ => [v, p, q],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hsv_of_plain_colours() {
        assert_eq!(rgb_to_hsv([255, 0, 0]), [0, 255, 255]);
        assert_eq!(rgb_to_hsv([0, 255, 0]), [85, 255, 255]);
        assert_eq!(rgb_to_hsv([0, 0, 255]), [170, 255, 255]);
        assert_eq!(rgb_to_hsv([7, 7, 7]), [0, 0, 7]);
        assert_eq!(hsv_to_rgb([85, 255, 255]), [0, 255, 0]);
        assert_eq!(hsv_to_rgb([255, 255, 9]), [9, 0, 0]);
    }

    #[test]
    fn factor_one_keeps_the_image_and_zero_takes_it_all() {
        let image = || Image::new(1, 2, 3, vec![10, 200, 30, 250, 0, 99]).unwrap();
        for adjust in [brightness, contrast, saturation] {
            let mut same = image();
            adjust(&mut same, 1.0);
            assert_eq!(same, image());
        }
        let mut black = image();
        brightness(&mut black, 0.0);
        assert_eq!(black.pixels(), [0; 6]);
        let mut grey = image();
        saturation(&mut grey, 0.0);
        assert_eq!(grey, image().to_grey().to_rgb());
        let mut flat = image();
        contrast(&mut flat, 0.0);
        assert_eq!(flat.pixels(), [105; 6]); // luma 124 and 86
    }
}
