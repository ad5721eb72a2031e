//! IDX, the format of MNIST and its descendants: unsigned bytes in 1 to 3 dimensions, plain or gzip.
//!
//! Layout (big endian): `0, 0, type, rank`, then `rank` 32-bit sizes, then the values. Only the type 0x08 (unsigned byte) is read.
//! The counts in the header are compared with the bytes present before anything is allocated; gzip is unpacked up to
//! what the header states and no further. Source: Y. LeCun, *The MNIST database*, section "file formats".

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use crate::error::{DataError, FolderProblem, Result};
use crate::image::Image;
use crate::source::{ImageSource, ImageSplits, Split};

/// The most values that one IDX file may hold, in bytes.
pub const MAX_IDX_BYTES: usize = 2 << 30;

/// Deflate cannot pack denser than this (RFC 1951: 258 bytes from 2 bits), so a higher ratio is a lie.
const MAX_GZIP_RATIO: usize = 1032;

/// What any gzipped file may unpack to, in bytes.
const FREE_BYTES: usize = 24 << 20;

/// How many times its length a gzipped file may unpack to beyond that. MNIST's images pack to a fifth.
const EXPANSION: usize = 20;

/// What is wrong with IDX bytes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdxError {
    /// The first four bytes are not those of the IDX file expected.
    #[error(
        "wrong magic number {got:#010x}; IDX with {rank} dimensions of unsigned bytes starts with {expected:#010x}"
    )]
    Magic {
        /// The dimensions expected.
        rank: usize,
        /// The magic number expected.
        expected: u32,
        /// The first four bytes.
        got: u32,
    },
    /// The file ends before its header does.
    #[error("the file ends inside its header: {got} of {expected} bytes")]
    ShortHeader {
        /// The header's length.
        expected: usize,
        /// The bytes present.
        got: usize,
    },
    /// The file holds fewer values than the header states.
    #[error("the header states {expected} values, but {got} follow")]
    Short {
        /// The values stated.
        expected: usize,
        /// The values present.
        got: usize,
    },
    /// Bytes follow the last value.
    #[error("the header states {expected} values, but more bytes follow")]
    Trailing {
        /// The values stated.
        expected: usize,
    },
    /// The sizes in the header exceed what the file can hold, or [`MAX_IDX_BYTES`].
    #[error(
        "the header states {dims:?} values; {present} bytes are present and {MAX_IDX_BYTES} is the limit"
    )]
    TooLarge {
        /// The sizes stated.
        dims: Vec<u32>,
        /// The bytes present.
        present: usize,
    },
    /// A small file states so many values that it can only have been made to exhaust memory.
    #[error(
        "the header states {dims:?} values in a gzipped file of {len} bytes; no more than {limit} are unpacked from such a file: unpack it first"
    )]
    Expansion {
        /// The sizes stated.
        dims: Vec<u32>,
        /// The file's length.
        len: usize,
        /// The most values that are unpacked.
        limit: usize,
    },
    /// Images and labels differ in number.
    #[error("{images} images but {labels} labels in {}", labels_path.display())]
    CountMismatch {
        /// The number of images.
        images: usize,
        /// The number of labels.
        labels: usize,
        /// The file of labels.
        labels_path: PathBuf,
    },
    /// The images have no pixel, or there are none.
    #[error("the header states {dims:?}: there is nothing to read")]
    Empty {
        /// The sizes stated.
        dims: Vec<usize>,
    },
    /// A label has no class.
    #[error("label {label} of sample {sample} is outside 0..{classes}")]
    Label {
        /// The sample.
        sample: usize,
        /// Its label.
        label: u8,
        /// The number of classes.
        classes: usize,
    },
    /// The gzip stream is damaged.
    #[error("damaged gzip stream: {0}")]
    Gzip(#[source] std::io::Error),
}

/// The sizes and values of an IDX file of unsigned bytes with `rank` dimensions; gzip is recognised by its first bytes.
///
/// # Errors
/// One variant of [`IdxError`] for each way the bytes can be wrong.
pub fn parse_idx(
    bytes: &[u8],
    rank: usize,
) -> std::result::Result<(Vec<usize>, Vec<u8>), IdxError> {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let most = bytes.len().saturating_mul(MAX_GZIP_RATIO);
        read_values(MultiGzDecoder::new(bytes), rank, most, true)
    } else {
        read_values(bytes, rank, bytes.len(), false)
    }
}

/// `most`: the bytes that the reader can yield at the utmost.
fn read_values(
    mut reader: impl Read,
    rank: usize,
    most: usize,
    packed: bool,
) -> std::result::Result<(Vec<usize>, Vec<u8>), IdxError> {
    let header_len = 4 + 4 * rank;
    let mut header = Vec::with_capacity(header_len);
    reader
        .by_ref()
        .take(as_u64(header_len))
        .read_to_end(&mut header)
        .map_err(IdxError::Gzip)?;
    let words: Vec<u32> = header
        .chunks_exact(4)
        .map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
        .collect();
    let expected = 0x0800 | u32::try_from(rank).unwrap_or(u32::MAX);
    match words.first() {
        Some(&got) if got != expected => {
            return Err(IdxError::Magic {
                rank,
                expected,
                got,
            });
        }
        _ if header.len() < header_len => {
            return Err(IdxError::ShortHeader {
                expected: header_len,
                got: header.len(),
            });
        }
        _ => {}
    }
    let stated = &words[1..];
    let too_large = || IdxError::TooLarge {
        dims: stated.to_vec(),
        present: most,
    };
    let mut dims = Vec::with_capacity(rank);
    let mut count = 1_usize;
    for &size in stated {
        let size = usize::try_from(size).map_err(|_| too_large())?;
        count = count.checked_mul(size).ok_or_else(too_large)?;
        dims.push(size);
    }
    if count > MAX_IDX_BYTES {
        return Err(too_large());
    }
    let limit = EXPANSION
        .saturating_mul(most / MAX_GZIP_RATIO)
        .max(FREE_BYTES);
    if packed && count > limit && count <= most {
        return Err(IdxError::Expansion {
            dims: stated.to_vec(),
            len: most / MAX_GZIP_RATIO,
            limit,
        });
    }
    let present = most.saturating_sub(header_len);
    if count > present {
        return Err(IdxError::Short {
            expected: count,
            got: present,
        });
    }
    // One byte more than stated shows whether anything follows.
    let mut values = Vec::with_capacity(count.min(FREE_BYTES) + 1);
    reader
        .take(as_u64(count) + 1)
        .read_to_end(&mut values)
        .map_err(IdxError::Gzip)?;
    match values.len() {
        got if got < count => Err(IdxError::Short {
            expected: count,
            got,
        }),
        got if got > count => Err(IdxError::Trailing { expected: count }),
        _ => Ok((dims, values)),
    }
}

fn as_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// Grey images and labels from a pair of IDX files, in the order of the files. Held decoded in memory.
#[derive(Clone, Debug)]
pub struct IdxSource {
    name: String,
    height: usize,
    width: usize,
    /// (N, H, W)
    pixels: Arc<[u8]>,
    labels: Vec<i64>,
    classes: Vec<String>,
}

impl IdxSource {
    /// Parses a pair of files that are in memory. `images_path` and `labels_path` are for messages. `classes` names the classes by
    /// label; without it they are called `0`, `1` and so on up to the largest label.
    ///
    /// # Errors
    /// [`DataError::Idx`] with the path of the file that is wrong.
    pub fn from_bytes(
        images: (&Path, &[u8]),
        labels: (&Path, &[u8]),
        classes: Option<&[String]>,
    ) -> Result<Self> {
        let wrong = |path: &Path, source| DataError::Idx {
            path: path.into(),
            source,
        };
        let (dims, pixels) = parse_idx(images.1, 3).map_err(|e| wrong(images.0, e))?;
        let (_, values) = parse_idx(labels.1, 1).map_err(|e| wrong(labels.0, e))?;
        if dims[0] != values.len() {
            let labels_path = labels.0.into();
            let source = IdxError::CountMismatch {
                images: dims[0],
                labels: values.len(),
                labels_path,
            };
            return Err(wrong(images.0, source));
        }
        if pixels.is_empty() {
            return Err(wrong(images.0, IdxError::Empty { dims }));
        }
        let classes = match classes {
            Some(names) => names.to_vec(),
            None => (0..=values.iter().copied().max().unwrap_or(0))
                .map(|label| label.to_string())
                .collect(),
        };
        if let Some(sample) = values
            .iter()
            .position(|&label| usize::from(label) >= classes.len())
        {
            let source = IdxError::Label {
                sample,
                label: values[sample],
                classes: classes.len(),
            };
            return Err(wrong(labels.0, source));
        }
        let name = images
            .0
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let labels = values.into_iter().map(i64::from).collect();
        Ok(Self {
            name,
            height: dims[1],
            width: dims[2],
            pixels: pixels.into(),
            labels,
            classes,
        })
    }

    /// Reads and parses a pair of files, plain or gzip.
    ///
    /// # Errors
    /// [`DataError::Io`] or [`DataError::Idx`], with the path of the file that is wrong.
    pub fn open(images: &Path, labels: &Path, classes: Option<&[String]>) -> Result<Self> {
        let (image_bytes, label_bytes) = (read_bounded(images)?, read_bounded(labels)?);
        Self::from_bytes((images, &image_bytes), (labels, &label_bytes), classes)
    }

    /// The pixels of one image, (H, W).
    fn slice(&self, index: usize) -> Option<&[u8]> {
        let size = self.height * self.width;
        self.pixels.get(index.checked_mul(size)?..)?.get(..size)
    }
}

impl ImageSource for IdxSource {
    fn image(&self, index: usize) -> Result<Image> {
        let len = self.labels.len();
        let pixels = self.slice(index).ok_or(DataError::Index {
            what: "IDX",
            index,
            len,
        })?;
        Ok(Image::from_parts(
            self.height,
            self.width,
            1,
            pixels.to_vec(),
        ))
    }

    fn labels(&self) -> &[i64] {
        &self.labels
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn sample_name(&self, index: usize) -> String {
        format!("{}#{index}", self.name)
    }
}

fn read_bounded(path: &Path) -> Result<Vec<u8>> {
    let refused = |source| DataError::io("read", path, source);
    let metadata = fs::metadata(path).map_err(refused)?;
    if !metadata.is_file() {
        return Err(refused(std::io::Error::other("not a regular file")));
    }
    let limit = as_u64(MAX_IDX_BYTES) + 16;
    if metadata.len() > limit {
        let present = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
        return Err(DataError::Idx {
            path: path.into(),
            source: IdxError::TooLarge {
                dims: vec![],
                present,
            },
        });
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(refused)?;
    file.take(limit).read_to_end(&mut bytes).map_err(refused)?;
    Ok(bytes)
}

/// Opens the splits `train` and `test` (files `t10k-…`) under the names that MNIST gave them, `.gz` or plain, with `-` or `.` before `idx`.
/// `None` if the folder holds no training images under such a name.
///
/// # Errors
/// [`DataError::Folder`] if `dir` is missing or no folder; [`DataError::Io`] if one file of a pair is missing; [`DataError::Idx`].
pub fn open_idx_folder(dir: &Path) -> Result<Option<ImageSplits>> {
    match fs::metadata(dir) {
        Err(_) => return Err(DataError::folder(dir, FolderProblem::Missing)),
        Ok(metadata) if !metadata.is_dir() => {
            return Err(DataError::folder(dir, FolderProblem::NotAFolder));
        }
        Ok(_) => {}
    }
    let Some(images) = find(dir, "train-images", 3) else {
        return Ok(None);
    };
    let labels =
        find(dir, "train-labels", 1).unwrap_or_else(|| dir.join("train-labels-idx1-ubyte"));
    let train = IdxSource::open(&images, &labels, None)?;
    let classes = train.classes.clone();
    let mut splits = vec![Split {
        name: "train".into(),
        source: Arc::new(train),
    }];
    if let Some(images) = find(dir, "t10k-images", 3) {
        let labels =
            find(dir, "t10k-labels", 1).unwrap_or_else(|| dir.join("t10k-labels-idx1-ubyte"));
        let test = IdxSource::open(&images, &labels, Some(&classes))?;
        splits.push(Split {
            name: "test".into(),
            source: Arc::new(test),
        });
    }
    let name = dir
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Ok(Some(ImageSplits {
        name,
        classes,
        splits,
        skipped: vec![],
    }))
}

fn find(dir: &Path, stem: &str, rank: usize) -> Option<PathBuf> {
    let names = ["-", "."].into_iter().flat_map(|dash| {
        ["", ".gz"]
            .into_iter()
            .map(move |end| format!("{stem}{dash}idx{rank}-ubyte{end}"))
    });
    names.map(|name| dir.join(name)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn idx(magic: u32, dims: &[u32], values: &[u8]) -> Vec<u8> {
        let mut bytes = magic.to_be_bytes().to_vec();
        dims.iter().for_each(|d| bytes.extend(d.to_be_bytes()));
        bytes.extend_from_slice(values);
        bytes
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Plain and gzip take the same path: both must give the same answer.
    #[track_caller]
    fn refused(bytes: &[u8], rank: usize) -> IdxError {
        let plain = parse_idx(bytes, rank).unwrap_err();
        let packed = parse_idx(&gzip(bytes), rank).unwrap_err();
        assert_eq!(
            std::mem::discriminant(&plain),
            std::mem::discriminant(&packed),
            "{plain} | {packed}"
        );
        plain
    }

    #[test]
    fn plain_and_gzip_are_read() {
        let bytes = idx(0x803, &[2, 1, 3], &[1, 2, 3, 4, 5, 6]);
        let expected = (vec![2, 1, 3], vec![1, 2, 3, 4, 5, 6]);
        assert_eq!(parse_idx(&bytes, 3).unwrap(), expected);
        assert_eq!(parse_idx(&gzip(&bytes), 3).unwrap(), expected);
    }

    #[test]
    fn rejects_each_malformation() {
        assert!(matches!(
            refused(&idx(0x801, &[1, 1, 1], &[0]), 3),
            IdxError::Magic { got: 0x801, .. }
        ));
        assert!(matches!(
            refused(&idx(0xd03, &[1, 1, 1], &[0; 4]), 3),
            IdxError::Magic { .. }
        ));
        assert!(matches!(
            refused(&[], 1),
            IdxError::ShortHeader {
                expected: 8,
                got: 0
            }
        ));
        assert!(matches!(
            refused(&[0, 0, 8, 1, 0], 1),
            IdxError::ShortHeader { got: 5, .. }
        ));
        assert!(matches!(
            refused(&idx(0x801, &[4], &[1, 2, 3]), 1),
            IdxError::Short {
                expected: 4,
                got: 3
            }
        ));
        assert!(matches!(
            refused(&idx(0x801, &[2], &[1, 2, 3]), 1),
            IdxError::Trailing { expected: 2 }
        ));
        assert!(matches!(
            refused(&idx(0x803, &[u32::MAX; 3], &[]), 3),
            IdxError::TooLarge { .. }
        ));
        assert!(matches!(
            refused(&idx(0x803, &[60_000, 28, 28], &[0; 9]), 3),
            IdxError::Short { .. }
        ));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_give_an_error_or_as_many_values_as_stated(
            header in proptest::collection::vec(0_u8..4, 3 * 4),
            values in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40),
            packed: bool,
        ) {
            let mut bytes = [&[0, 0, 8, 3], &header[..], &values].concat();
            if packed {
                bytes = gzip(&bytes);
            }
            if let Ok((dims, found)) = parse_idx(&bytes, 3) {
                proptest::prop_assert_eq!(dims.iter().product::<usize>(), found.len());
                proptest::prop_assert_eq!(found, values);
            }
        }
    }

    #[test]
    fn a_gzip_bomb_stops_at_what_the_header_states() {
        let bomb = gzip(&idx(0x801, &[10], &vec![0; 32 << 20]));
        assert!(bomb.len() < 40_000);
        assert!(matches!(
            parse_idx(&bomb, 1),
            Err(IdxError::Trailing { expected: 10 })
        ));
        // A header that lies upward is refused by the ratio that deflate can reach, before anything is unpacked.
        let liar = gzip(&idx(0x801, &[1 << 30], &[0; 100]));
        assert!(matches!(parse_idx(&liar, 1), Err(IdxError::Short { .. })));
    }

    #[test]
    fn a_damaged_gzip_stream_is_named() {
        let mut packed = gzip(&idx(0x801, &[200], &[7; 200]));
        packed.truncate(packed.len() - 12);
        assert!(matches!(parse_idx(&packed, 1), Err(IdxError::Gzip(_))));
        let mut packed = gzip(&idx(0x801, &[200], &[7; 200]));
        let crc = packed.len() - 6;
        packed[crc] ^= 1;
        assert!(
            matches!(parse_idx(&packed, 1), Err(IdxError::Gzip(_))),
            "a wrong checksum is damage"
        );
    }

    #[test]
    fn pairs_must_agree() {
        let images = idx(0x803, &[2, 1, 1], &[5, 6]);
        let three = idx(0x801, &[3], &[0, 1, 1]);
        let (a, b) = (Path::new("i.idx"), Path::new("l.idx"));
        let error = IdxSource::from_bytes((a, &images), (b, &three), None).unwrap_err();
        assert_eq!(error.to_string(), "i.idx: 2 images but 3 labels in l.idx");
        let two = idx(0x801, &[2], &[0, 9]);
        let source = IdxSource::from_bytes((a, &images), (b, &two), None).unwrap();
        assert_eq!((source.classes().len(), source.labels()), (10, &[0, 9][..]));
        assert_eq!(source.image(1).unwrap().pixels(), [6]);
        assert!(matches!(
            source.image(2),
            Err(DataError::Index {
                index: 2,
                len: 2,
                ..
            })
        ));
        let names = ["only".to_owned()];
        let error = IdxSource::from_bytes((a, &images), (b, &two), Some(&names)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "l.idx: label 9 of sample 1 is outside 0..1"
        );
        let none = IdxSource::from_bytes(
            (a, &idx(0x803, &[0, 28, 28], &[])),
            (b, &idx(0x801, &[0], &[])),
            None,
        );
        assert!(matches!(
            none,
            Err(DataError::Idx {
                source: IdxError::Empty { .. },
                ..
            })
        ));
    }
}
