//! The decoded image: 8-bit pixels, height × width × channels, rows from the top; and decoding from untrusted bytes.
//!
//! Knows PNG and JPEG, by content and not by name. Knows no paths: callers add them.

use std::io::Cursor;

use ::image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

/// The largest width or height that is decoded, in pixels.
pub const MAX_SIDE: u32 = 16_384;
/// The most memory that decoding one image may take, in bytes.
pub const MAX_DECODED_BYTES: u64 = 512 << 20;
/// What decoding any image may take, however small its file is: 16 million RGB pixels.
const FREE_BYTES: u64 = 48 << 20;
/// How many times its file's length decoding an image may take beyond that. Photographs take up to 30 as JPEG and 3 as PNG.
const EXPANSION: u64 = 50;

/// Start-of-image, and the first byte of the marker that follows.
const JPEG_START: [u8; 3] = [0xff, 0xd8, 0xff];

/// What is wrong with an image, or with its bytes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The file holds no byte.
    #[error("the file is empty")]
    Empty,
    /// The path leads to a pipe, device or folder.
    #[error("not a regular file")]
    NotAFile,
    /// The file is larger than any image that would be decoded.
    #[error("the file has {bytes} bytes, more than the limit of {MAX_DECODED_BYTES} for an image")]
    FileTooLarge {
        /// The file's length in bytes.
        bytes: u64,
    },
    /// The first bytes are those of neither PNG nor JPEG.
    #[error("not a PNG or JPEG image")]
    NotAnImage,
    /// The header states a size that is not decoded.
    #[error(
        "the image states {width}×{height} pixels; the limits are {MAX_SIDE} a side and {MAX_DECODED_BYTES} bytes"
    )]
    TooLarge {
        /// The width in the header.
        width: u32,
        /// The height in the header.
        height: u32,
    },
    /// A small file states so many pixels that it can only have been made to exhaust memory.
    #[error(
        "the image states {width}×{height} pixels in a file of {len} bytes, which takes {bytes} bytes to decode; no more than {limit} are \
         taken for such a file: make the image smaller, or save it with less compression"
    )]
    Expansion {
        /// The width in the header.
        width: u32,
        /// The height in the header.
        height: u32,
        /// The file's length.
        len: usize,
        /// The bytes that decoding takes.
        bytes: u64,
        /// The most that are taken for a file of this length.
        limit: u64,
    },
    /// The decoder refused the bytes: truncated or damaged.
    #[error("truncated or damaged image: {0}")]
    Damaged(#[source] ::image::ImageError),
    /// A PNG's palette is not made of whole colors.
    #[error("truncated or damaged image: a palette of {bytes} bytes, where a color has three")]
    Palette {
        /// The bytes of the palette.
        bytes: u32,
    },
    /// A JPEG file ends before its end marker.
    #[error("truncated or damaged image: the file ends before the image does")]
    Truncated,
    /// The pixels given do not fill the size given.
    #[error("{height}×{width}×{channels} pixels need {expected} bytes, not {got}")]
    Length {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// Channels.
        channels: usize,
        /// The bytes that the size takes.
        expected: usize,
        /// The bytes given.
        got: usize,
    },
    /// A size that no image has: a side of zero, or channels other than 1 and 3.
    #[error(
        "an image has at least one row and column and 1 or 3 channels, not {height}×{width}×{channels}"
    )]
    Size {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// Channels.
        channels: usize,
    },
}

/// An 8-bit image, grey (1 channel) or RGB (3 channels), stored (H, W, C) without gaps. Never empty.
///
/// ```
/// use gradus_data::Image;
/// let grey = Image::new(1, 2, 1, vec![10, 20])?;
/// assert_eq!(grey.to_rgb().pixels(), [10, 10, 10, 20, 20, 20]);
/// # Ok::<(), gradus_data::ImageError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    height: usize,
    width: usize,
    channels: usize,
    pixels: Vec<u8>,
}

/// Which channels a decoded image is given, whatever the file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorMode {
    /// As in the file: grey stays one channel, everything else becomes RGB.
    #[default]
    AsStored,
    /// Three channels, as torchvision's `ImageFolder` does.
    Rgb,
    /// One channel, by [`Image::to_grey`].
    Grey,
}

impl Image {
    /// An image from its pixels.
    ///
    /// # Errors
    /// [`ImageError::Size`] for an empty image or channels other than 1 and 3; [`ImageError::Length`] if `pixels` does not fill it.
    pub fn new(
        height: usize,
        width: usize,
        channels: usize,
        pixels: Vec<u8>,
    ) -> Result<Self, ImageError> {
        if height == 0 || width == 0 || !matches!(channels, 1 | 3) {
            return Err(ImageError::Size {
                height,
                width,
                channels,
            });
        }
        let expected = height
            .checked_mul(width)
            .and_then(|n| n.checked_mul(channels));
        if expected != Some(pixels.len()) {
            let expected = expected.unwrap_or(usize::MAX);
            return Err(ImageError::Length {
                height,
                width,
                channels,
                expected,
                got: pixels.len(),
            });
        }
        Ok(Self {
            height,
            width,
            channels,
            pixels,
        })
    }

    /// An image whose size is known to be right.
    pub(crate) fn from_parts(
        height: usize,
        width: usize,
        channels: usize,
        pixels: Vec<u8>,
    ) -> Self {
        debug_assert!(height > 0 && width > 0 && matches!(channels, 1 | 3));
        debug_assert_eq!(pixels.len(), height * width * channels);
        Self {
            height,
            width,
            channels,
            pixels,
        }
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// 1 (grey) or 3 (RGB).
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The pixels, (H, W, C).
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The pixels, (H, W, C), to change.
    pub fn pixels_mut(&mut self) -> &mut [u8] {
        &mut self.pixels
    }

    /// The pixels, (H, W, C), without a copy.
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }

    /// One row, (W, C).
    pub(crate) fn row(&self, y: usize) -> &[u8] {
        let stride = self.width * self.channels;
        &self.pixels[y * stride..][..stride]
    }

    /// The pixel at row `y` and column `x`.
    pub(crate) fn pixel(&self, y: usize, x: usize) -> &[u8] {
        &self.pixels[(y * self.width + x) * self.channels..][..self.channels]
    }

    /// The rectangle of `height` × `width` pixels whose upper left corner is `(top, left)`; must lie inside.
    pub(crate) fn crop(&self, top: usize, left: usize, height: usize, width: usize) -> Self {
        let mut pixels = Vec::with_capacity(height * width * self.channels);
        for y in top..top + height {
            pixels.extend_from_slice(
                &self.row(y)[left * self.channels..(left + width) * self.channels],
            );
        }
        Self::from_parts(height, width, self.channels, pixels)
    }

    /// Three channels: grey is repeated, RGB is copied.
    #[must_use]
    pub fn to_rgb(&self) -> Self {
        if self.channels == 3 {
            return self.clone();
        }
        let pixels = self.pixels.iter().flat_map(|&v| [v, v, v]).collect();
        Self::from_parts(self.height, self.width, 3, pixels)
    }

    /// One channel, by the ITU-R 601 luma that PIL's `convert("L")` computes: `(19595·R + 38470·G + 7471·B + 32768) >> 16`.
    #[must_use]
    pub fn to_grey(&self) -> Self {
        if self.channels == 1 {
            return self.clone();
        }
        let pixels = self.pixels.chunks_exact(3).map(luma).collect();
        Self::from_parts(self.height, self.width, 1, pixels)
    }

    /// The image in `mode`, without a copy where nothing changes.
    pub(crate) fn into_mode(self, mode: ColorMode) -> Self {
        match (mode, self.channels) {
            (ColorMode::Rgb, 1) => self.to_rgb(),
            (ColorMode::Grey, 3) => self.to_grey(),
            _ => self,
        }
    }

    /// Decodes PNG or JPEG bytes, recognised by content.
    ///
    /// Alpha is dropped, palettes are resolved, 16 bits become 8, CMYK becomes RGB. Orientation tags are not applied (as in
    /// torchvision). At most [`MAX_SIDE`] pixels a side and [`MAX_DECODED_BYTES`], and for large images at most 50 times the file's length;
    /// the header is checked before anything of that size is allocated.
    ///
    /// # Errors
    /// [`ImageError::Empty`], [`ImageError::NotAnImage`], [`ImageError::TooLarge`], [`ImageError::Expansion`], [`ImageError::Truncated`] or
    /// [`ImageError::Damaged`].
    pub fn decode(bytes: &[u8], mode: ColorMode) -> Result<Self, ImageError> {
        let decoder = open(bytes)?;
        // The decoder would paint what is missing grey; PIL refuses it, and so does this.
        if bytes.starts_with(&JPEG_START) && !jpeg_reaches_its_end(bytes) {
            return Err(ImageError::Truncated);
        }
        check_expansion(bytes, &decoder)?;
        let decoded = DynamicImage::from_decoder(decoder).map_err(damaged)?;
        Ok(from_dynamic(decoded)?.into_mode(mode))
    }

    /// Encodes as an 8-bit PNG, grey or RGB. The same pixels give the same bytes.
    ///
    /// # Errors
    /// [`ImageError::TooLarge`] beyond the sides that PNG can state.
    pub fn encode_png(&self) -> Result<Vec<u8>, ImageError> {
        use ::image::ImageEncoder;
        let width = u32::try_from(self.width).unwrap_or(u32::MAX);
        let height = u32::try_from(self.height).unwrap_or(u32::MAX);
        if width > MAX_SIDE || height > MAX_SIDE {
            return Err(ImageError::TooLarge { width, height });
        }
        let color = if self.channels == 1 {
            ColorType::L8
        } else {
            ColorType::Rgb8
        };
        let mut bytes = Vec::new();
        ::image::codecs::png::PngEncoder::new(&mut bytes)
            .write_image(&self.pixels, width, height, color.into())
            .map_err(ImageError::Damaged)?;
        Ok(bytes)
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Image({}×{}×{})", self.height, self.width, self.channels)
    }
}

/// The size that a PNG or JPEG file's header states: `(height, width)`, within the limits of [`Image::decode`].
///
/// # Errors
/// As [`Image::decode`], but for damage after the header.
pub fn read_size(bytes: &[u8]) -> Result<(usize, usize), ImageError> {
    let (width, height) = open(bytes)?.dimensions();
    Ok((side(height), side(width)))
}

/// PIL's luma of one RGB pixel.
pub(crate) fn luma(rgb: &[u8]) -> u8 {
    let sum =
        19595 * u32::from(rgb[0]) + 38470 * u32::from(rgb[1]) + 7471 * u32::from(rgb[2]) + 0x8000;
    (sum >> 16) as u8
}

/// A decoder whose header is read and within the limits.
fn open(bytes: &[u8]) -> Result<impl ImageDecoder + '_, ImageError> {
    if bytes.is_empty() {
        return Err(ImageError::Empty);
    }
    let format = match bytes {
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => ImageFormat::Png,
        _ if bytes.starts_with(&JPEG_START) => ImageFormat::Jpeg,
        _ => return Err(ImageError::NotAnImage),
    };
    if let Some((width, height, bytes_per_pixel)) = png_size(bytes) {
        check_size(width, height, bytes_per_pixel)?;
    }
    check_palettes(bytes)?;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    check_size(
        width,
        height,
        u64::from(decoder.color_type().bytes_per_pixel()),
    )?;
    Ok(decoder)
}

/// Refuses a PNG whose palette ends within a color: png 0.18.1 panics where a pixel has that color.
fn check_palettes(bytes: &[u8]) -> Result<(), ImageError> {
    let mut rest = bytes
        .strip_prefix(b"\x89PNG\x0d\x0a\x1a\x0a")
        .unwrap_or_default();
    while let Some((len, behind)) = rest.split_first_chunk::<4>()
        && let Some((kind, data)) = behind.split_first_chunk::<4>()
    {
        let bytes = u32::from_be_bytes(*len);
        if kind == b"PLTE" && !bytes.is_multiple_of(3) {
            return Err(ImageError::Palette { bytes });
        }
        // The data and its checksum.
        let end = usize::try_from(bytes).map_or(usize::MAX, |len| len.saturating_add(4));
        rest = data.get(end..).unwrap_or_default();
    }
    Ok(())
}

/// Width, height and decoded bytes a pixel that a PNG's first chunk states: checked before the decoder may allocate anything by them.
fn png_size(bytes: &[u8]) -> Option<(u32, u32, u64)> {
    let header = bytes.strip_prefix(b"\x89PNG\x0d\x0a\x1a\x0a")?.get(4..18)?;
    let rest = header.strip_prefix(b"IHDR")?;
    let width = u32::from_be_bytes(rest.get(..4)?.try_into().ok()?);
    let height = u32::from_be_bytes(rest.get(4..8)?.try_into().ok()?);
    // Grey, RGB, palette (which becomes RGB), grey with alpha; else RGBA.
    let channels = match rest.get(9)? {
        0 => 1,
        2 | 3 => 3,
        4 => 2,
        _ => 4,
    };
    Some((
        width,
        height,
        if *rest.get(8)? == 16 {
            2 * channels
        } else {
            channels
        },
    ))
}

/// Walks over a JPEG's markers, segments and scans (ITU-T T.81, annex B): whether its end-of-image marker is there.
fn jpeg_reaches_its_end(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[first, marker]) = bytes.get(at..at + 2) {
        match (first, marker) {
            (0xff, 0xd9) => return true,
            // Filling, or a marker without a segment (restart, temporary).
            (0xff, 0xff) => at += 1,
            (0xff, 0x01 | 0xd0..=0xd8) => at += 2,
            // A segment with its length; after a scan's header, its data runs up to the next marker.
            (0xff, 0x02..) => match bytes.get(at + 2..at + 4) {
                Some(&[high, low]) => at += 2 + usize::from(u16::from_be_bytes([high, low])),
                _ => return false,
            },
            // Data of a scan, in which 0xff is followed by 0.
            _ => at += if first == 0xff { 2 } else { 1 },
        }
    }
    false
}

fn check_size(width: u32, height: u32, bytes_per_pixel: u64) -> Result<(), ImageError> {
    let bytes = u64::from(width)
        .saturating_mul(u64::from(height))
        .saturating_mul(bytes_per_pixel);
    if width > MAX_SIDE || height > MAX_SIDE || bytes > MAX_DECODED_BYTES {
        return Err(ImageError::TooLarge { width, height });
    }
    Ok(())
}

/// Compares what decoding takes with what a file of this length may ask for.
fn check_expansion(file: &[u8], decoder: &impl ImageDecoder) -> Result<(), ImageError> {
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width).saturating_mul(u64::from(height));
    let color = decoder.color_type();
    let stored = u64::from(color.bytes_per_pixel());
    // What is not 8 bits of grey or RGB is converted into another buffer.
    let converted = match color {
        ColorType::L8 | ColorType::Rgb8 => 0,
        _ if color.has_color() => 3,
        _ => 1,
    };
    // A progressive JPEG keeps all of its coefficients, of 16 bits, until the last scan.
    let kept = if is_progressive(file) { 2 * stored } else { 0 };
    let bytes = pixels.saturating_mul(stored + converted + kept);
    let len = file.len();
    let limit = u64::try_from(len)
        .unwrap_or(u64::MAX)
        .saturating_mul(EXPANSION);
    let limit = limit.clamp(FREE_BYTES, MAX_DECODED_BYTES);
    if bytes > limit {
        return Err(ImageError::Expansion {
            width,
            height,
            len,
            bytes,
            limit,
        });
    }
    Ok(())
}

/// Whether a JPEG's first frame header says that it comes in several scans over all pixels (ITU-T T.81, table B.1).
fn is_progressive(bytes: &[u8]) -> bool {
    let mut at = 2;
    while bytes.starts_with(&JPEG_START)
        && let Some(&[0xff, marker, high, low]) = bytes.get(at..at + 4)
    {
        match marker {
            0xc2 | 0xc6 | 0xca | 0xce => return true,
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => return false,
            0xff => at += 1,
            _ => at += 2 + usize::from(u16::from_be_bytes([high, low])),
        }
    }
    false
}

fn damaged(error: ::image::ImageError) -> ImageError {
    ImageError::Damaged(error)
}

/// Sides are at most [`MAX_SIDE`], so they fit.
fn side(pixels: u32) -> usize {
    usize::try_from(pixels).unwrap_or(usize::MAX)
}

fn from_dynamic(decoded: DynamicImage) -> Result<Image, ImageError> {
    let (height, width) = (side(decoded.height()), side(decoded.width()));
    if decoded.color().has_color() {
        Image::new(height, width, 3, decoded.into_rgb8().into_raw())
    } else {
        Image::new(height, width, 1, decoded.into_luma8().into_raw())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient(height: usize, width: usize, channels: usize) -> Image {
        let pixels = (0..height * width * channels)
            .map(|i| (i * 7 % 256) as u8)
            .collect();
        Image::new(height, width, channels, pixels).unwrap()
    }

    #[test]
    fn png_round_trips_grey_and_rgb() {
        for channels in [1, 3] {
            let image = gradient(5, 7, channels);
            let bytes = image.encode_png().unwrap();
            assert_eq!(Image::decode(&bytes, ColorMode::AsStored).unwrap(), image);
            assert_eq!(read_size(&bytes).unwrap(), (5, 7));
        }
    }

    #[test]
    fn modes_convert_while_decoding() {
        let grey = gradient(2, 3, 1).encode_png().unwrap();
        assert_eq!(
            Image::decode(&grey, ColorMode::Rgb).unwrap(),
            gradient(2, 3, 1).to_rgb()
        );
        let rgb = gradient(2, 3, 3).encode_png().unwrap();
        assert_eq!(
            Image::decode(&rgb, ColorMode::Grey).unwrap(),
            gradient(2, 3, 3).to_grey()
        );
    }

    /// A JPEG of waves, 50 rows and 60 columns.
    fn jpeg(noise: u8) -> Vec<u8> {
        let wave = |x: u32, y: u32, c: u32| {
            (128.0 + 100.0 * (f64::from(x + c) / 9.0).sin() * (f64::from(y) / 7.0).cos()) as u8
        };
        let rgb = ::image::RgbImage::from_fn(60, 50, |x, y| {
            ::image::Rgb([wave(x, y, 0), wave(x, y, 5), (x * 7 + y * 13) as u8 & noise])
        });
        let mut bytes = Vec::new();
        let mut encoder = ::image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 95);
        encoder.encode_image(&rgb).unwrap();
        bytes
    }

    #[test]
    fn jpeg_is_decoded_and_refused_when_cut() {
        let bytes = jpeg(0);
        let image = Image::decode(&bytes, ColorMode::AsStored).unwrap();
        assert_eq!(
            (image.height(), image.width(), image.channels()),
            (50, 60, 3)
        );
        assert_eq!(read_size(&bytes).unwrap(), (50, 60));
        let expected = (128.0 + 100.0 * (20.0_f64 / 9.0).sin() * (30.0_f64 / 7.0).cos()) as u8;
        assert!(
            image.pixel(30, 20)[0].abs_diff(expected) < 12,
            "{:?}, {expected}",
            image.pixel(30, 20)
        );
        for bytes in [jpeg(0), jpeg(255)] {
            for keep in [
                4,
                20,
                300,
                bytes.len() / 2,
                bytes.len() * 9 / 10,
                bytes.len() - 40,
                bytes.len() - 1,
            ] {
                let cut = Image::decode(&bytes[..keep], ColorMode::AsStored);
                assert!(
                    matches!(cut, Err(ImageError::Damaged(_) | ImageError::Truncated)),
                    "{keep} of {} bytes: {cut:?}",
                    bytes.len()
                );
            }
        }
    }

    #[test]
    fn small_files_of_many_pixels_are_refused() {
        let zeros = |side: usize| {
            let image = Image::new(side, side, 1, vec![0; side * side]).unwrap();
            image.encode_png().unwrap()
        };
        assert!(Image::decode(&zeros(3000), ColorMode::AsStored).is_ok());
        let error = Image::decode(&zeros(8000), ColorMode::AsStored).unwrap_err();
        assert!(
            matches!(error, ImageError::Expansion { width: 8000, bytes: 64_000_000, limit, .. } if limit == FREE_BYTES),
            "{error}"
        );
        let jpeg = jpeg(0);
        assert!(!is_progressive(&jpeg));
        let frame = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
        let mut progressive = jpeg;
        progressive[frame + 1] = 0xc2;
        assert!(is_progressive(&progressive));
        assert!(!is_progressive(&zeros(3)));
    }

    #[test]
    fn alpha_is_dropped() {
        let rgba =
            ::image::RgbaImage::from_fn(2, 2, |x, y| ::image::Rgba([x as u8, y as u8, 9, 0]));
        let mut bytes = Cursor::new(Vec::new());
        rgba.write_to(&mut bytes, ImageFormat::Png).unwrap();
        let image = Image::decode(bytes.get_ref(), ColorMode::AsStored).unwrap();
        assert_eq!(image.pixels(), [0, 0, 9, 1, 0, 9, 0, 1, 9, 1, 1, 9]);
    }

    #[test]
    fn sizes_are_checked() {
        assert!(matches!(
            Image::new(0, 3, 1, vec![]),
            Err(ImageError::Size { .. })
        ));
        assert!(matches!(
            Image::new(1, 1, 2, vec![0, 0]),
            Err(ImageError::Size { .. })
        ));
        assert!(matches!(
            Image::new(2, 2, 1, vec![0; 3]),
            Err(ImageError::Length {
                expected: 4,
                got: 3,
                ..
            })
        ));
        assert!(matches!(
            Image::new(usize::MAX, 2, 1, vec![]),
            Err(ImageError::Length { .. })
        ));
    }

    #[test]
    fn luma_is_pils() {
        assert_eq!(luma(&[255, 255, 255]), 255);
        assert_eq!(luma(&[255, 0, 0]), 76);
        assert_eq!(luma(&[0, 255, 0]), 150);
        assert_eq!(luma(&[0, 0, 255]), 29);
    }
}
