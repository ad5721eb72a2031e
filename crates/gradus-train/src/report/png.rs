//! PNG files from pixels, for the report's gallery and for event files.

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageError};

/// What can be wrong with pixels.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PngError {
    /// Only grey, RGB and RGBA are written.
    #[error("encode_png: {channels} channels; expected 1 (grey), 3 (RGB) or 4 (RGBA)")]
    Channels {
        /// Channels given.
        channels: u8,
    },
    /// The pixels do not fill the image, or it has none.
    #[error("encode_png: {got} bytes do not make {width} × {height} pixels of {channels} channels")]
    Length {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Channels a pixel.
        channels: u8,
        /// Bytes given.
        got: usize,
    },
    /// The encoder failed.
    #[error("encode_png: {source}")]
    Encode {
        /// Why.
        source: ImageError,
    },
}

/// Encodes 8-bit pixels `(height, width, channels)`, row-major, as the bytes of a PNG file. The same pixels give the same bytes.
///
/// # Errors
/// One variant of [`PngError`] each for a channel count, a length that does not fit, and a failing encoder.
///
/// # Example
/// ```
/// let png = gradus_train::report::encode_png(2, 1, 3, &[255, 0, 0, 0, 0, 255])?; // a red and a blue pixel
/// assert!(png.starts_with(b"\x89PNG"));
/// # Ok::<(), gradus_train::report::PngError>(())
/// ```
pub fn encode_png(
    width: u32,
    height: u32,
    channels: u8,
    pixels: &[u8],
) -> Result<Vec<u8>, PngError> {
    let color = match channels {
        1 => ExtendedColorType::L8,
        3 => ExtendedColorType::Rgb8,
        4 => ExtendedColorType::Rgba8,
        _ => return Err(PngError::Channels { channels }),
    };
    let want = u64::from(width)
        .checked_mul(u64::from(height))
        .and_then(|n| n.checked_mul(u64::from(channels)));
    if want == Some(0) || want != Some(pixels.len() as u64) {
        return Err(PngError::Length {
            width,
            height,
            channels,
            got: pixels.len(),
        });
    }
    let mut out = Vec::new();
    PngEncoder::new(&mut out)
        .write_image(pixels, width, height, color)
        .map_err(|source| PngError::Encode { source })?;
    Ok(out)
}

/// Width and height that a PNG file's header states; `None` if it is no PNG file.
pub(super) fn png_size(png: &[u8]) -> Option<(u32, u32)> {
    let header = png.strip_prefix(b"\x89PNG\r\n\x1a\n")?.get(4..16)?;
    let (b"IHDR", size) = header.split_first_chunk::<4>()? else {
        return None;
    };
    let (width, height) = size.split_first_chunk::<4>()?;
    Some((
        u32::from_be_bytes(*width),
        u32::from_be_bytes(*height.first_chunk::<4>()?),
    ))
}

#[cfg(test)]
mod tests {
    use super::{PngError, encode_png, png_size};

    #[test]
    fn decodes_to_the_same_pixels() {
        for channels in [1u8, 3, 4] {
            let pixels: Vec<u8> = (0..7 * 5 * u32::from(channels))
                .map(|i| (i * 37 % 251) as u8)
                .collect();
            let png = encode_png(7, 5, channels, &pixels).expect("valid");
            assert_eq!(png_size(&png), Some((7, 5)));
            let back = image::load_from_memory(&png).expect("a PNG file");
            assert_eq!(back.as_bytes(), &pixels[..], "{channels} channels");
            assert_eq!(png, encode_png(7, 5, channels, &pixels).expect("valid"));
        }
    }

    #[test]
    fn rejects_what_does_not_fit() {
        assert!(matches!(
            encode_png(1, 1, 2, &[0, 0]),
            Err(PngError::Channels { channels: 2 })
        ));
        assert!(matches!(
            encode_png(2, 2, 3, &[0; 11]),
            Err(PngError::Length { got: 11, .. })
        ));
        assert!(matches!(
            encode_png(0, 2, 3, &[]),
            Err(PngError::Length { .. })
        ));
        assert!(matches!(
            encode_png(u32::MAX, u32::MAX, 4, &[0]),
            Err(PngError::Length { .. })
        ));
        assert_eq!(
            (png_size(b""), png_size(b"\x89PNG\r\n\x1a\n1234IHDRxx")),
            (None, None)
        );
    }
}
