//! Reads event files; every length is bounded and every checksum compared.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use prost::Message;

use super::error::{EventError, Result};
use super::proto::{DT_FLOAT, Event, Kind, Tensor, What};
use super::record::{OVERHEAD_BYTES, read_record};
use super::writer::FILE_VERSION;

/// Longest record that is read unless told otherwise, in bytes.
const RECORD_LIMIT: u64 = 256 << 20;

/// Iterates over the events of a file, the version event included. Stops after the first error.
///
/// # Example
/// ```
/// use gradus_train::events::{EventError, EventReader};
/// let mut reader = EventReader::new(&b"not an event file"[..]);
/// assert!(matches!(reader.next(), Some(Err(EventError::LengthChecksum { offset: 0, .. }))));
/// assert!(reader.next().is_none());
/// ```
#[derive(Debug)]
pub struct EventReader<R> {
    from: R,
    offset: u64,
    limit: u64,
    done: bool,
}

impl<R: Read> EventReader<R> {
    /// Reads events from here.
    pub fn new(from: R) -> Self {
        Self {
            from,
            offset: 0,
            limit: RECORD_LIMIT,
            done: false,
        }
    }

    /// Sets the longest record to accept, in bytes (256 MiB by default).
    #[must_use]
    pub fn record_limit(self, limit: u64) -> Self {
        Self { limit, ..self }
    }

    /// Byte offset after the last whole event.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    fn read(&mut self) -> Result<Option<Event>> {
        let offset = self.offset;
        let Some(data) = read_record(&mut self.from, offset, self.limit)? else {
            return Ok(None);
        };
        let event =
            Event::decode(&data[..]).map_err(|source| EventError::Message { offset, source })?;
        if offset == 0 {
            match &event.what {
                Some(What::FileVersion(v)) if v == FILE_VERSION => {}
                Some(What::FileVersion(v)) => {
                    return Err(EventError::Version {
                        got: Some(v.clone()),
                    });
                }
                _ => return Err(EventError::Version { got: None }),
            }
        }
        self.offset = offset
            .saturating_add(data.len() as u64)
            .saturating_add(OVERHEAD_BYTES);
        Ok(Some(event))
    }
}

impl<R: Read> Iterator for EventReader<R> {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let item = self.read().transpose();
        self.done = !matches!(item, Some(Ok(_)));
        item
    }
}

/// Reads all events of a file. An empty file has none.
///
/// # Errors
/// One variant of [`EventError`] a way the file can be bad; [`EventError::is_cut`] tells a file that only ends too early.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<Event>> {
    let path = path.as_ref();
    let open = |source| EventError::Io {
        op: "open",
        path: path.to_path_buf(),
        source,
    };
    EventReader::new(BufReader::new(File::open(path).map_err(open)?)).collect()
}

/// One scalar of an event file.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalar {
    /// Training step.
    pub step: i64,
    /// Its name.
    pub tag: String,
    /// Its value.
    pub value: f32,
    /// Seconds since 1970.
    pub wall_time: f64,
}

/// The scalars among events, in order: simple values, and float tensors of one element as newer TensorFlow writes them.
pub fn scalars(events: &[Event]) -> Vec<Scalar> {
    let mut found = Vec::new();
    for event in events {
        let Some(What::Summary(summary)) = &event.what else {
            continue;
        };
        for value in &summary.value {
            let scalar = match &value.value {
                Some(Kind::Simple(x)) => Some(*x),
                Some(Kind::Tensor(tensor)) => tensor_scalar(tensor),
                _ => None,
            };
            found.extend(scalar.map(|x| Scalar {
                step: event.step,
                tag: value.tag.clone(),
                value: x,
                wall_time: event.wall_time,
            }));
        }
    }
    found
}

fn tensor_scalar(tensor: &Tensor) -> Option<f32> {
    match (
        tensor.dtype,
        &tensor.float_val[..],
        &tensor.tensor_content[..],
    ) {
        (DT_FLOAT, [x], []) => Some(*x),
        (DT_FLOAT, [], bytes) => Some(f32::from_le_bytes(bytes.try_into().ok()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::super::record::write_record;
    use super::{Event, EventError, EventReader, Kind, Tensor, What, scalars};
    use crate::events::Histogram;

    /// Written by PyTorch's SummaryWriter; see `make_events.py` beside it.
    const GOLDEN: &[u8] = include_bytes!("../../tests/golden/torch.tfevents");

    fn file(events: &[Event]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for event in events {
            write_record(&mut bytes, &event.encode_to_vec()).expect("memory");
        }
        bytes
    }

    fn version(v: &str) -> Event {
        Event {
            wall_time: 1.0,
            step: 0,
            what: Some(What::FileVersion(v.into())),
        }
    }

    fn first_error(bytes: &[u8]) -> EventError {
        EventReader::new(bytes)
            .find_map(Result::err)
            .expect("an error")
    }

    #[test]
    fn reads_what_pytorch_wrote() {
        let events: Vec<Event> = EventReader::new(GOLDEN)
            .collect::<Result<_, _>>()
            .expect("a whole file");
        assert_eq!(
            events[0].what,
            Some(What::FileVersion("brain.Event:2".into()))
        );
        let found = scalars(&events);
        let losses: Vec<_> = found
            .iter()
            .filter(|s| s.tag == "train/loss")
            .map(|s| (s.step, s.value))
            .collect();
        assert_eq!(losses, vec![(0, 2.5), (10, 1.25), (20, 0.625)]);
        assert_eq!(
            found
                .iter()
                .filter(|s| s.tag == "new/style")
                .map(|s| (s.step, s.value))
                .collect::<Vec<_>>(),
            vec![(3, 0.5)]
        );
        assert!((found[0].wall_time - 1_700_000_000.0).abs() < 1e-6);
    }

    #[test]
    fn reads_the_texts_images_and_histograms_of_pytorch() {
        let events: Vec<Event> = EventReader::new(GOLDEN)
            .collect::<Result<_, _>>()
            .expect("a whole file");
        let kinds: Vec<(&str, &Kind)> = events
            .iter()
            .filter_map(|e| {
                if let Some(What::Summary(s)) = &e.what {
                    Some(s)
                } else {
                    None
                }
            })
            .flat_map(|s| {
                s.value
                    .iter()
                    .filter_map(|v| Some((v.tag.as_str(), v.value.as_ref()?)))
            })
            .collect();
        let kind = |tag: &str| {
            kinds
                .iter()
                .find(|k| k.0 == tag)
                .map(|k| k.1)
                .expect("the tag is there")
        };
        let Kind::Tensor(text) = kind("config/text_summary") else {
            panic!("text is a tensor")
        };
        assert_eq!(text.string_val, vec![b"**lr** = 0.1".to_vec()]);
        let Kind::Image(image) = kind("sample") else {
            panic!("an image")
        };
        assert_eq!((image.width, image.height, image.colorspace), (3, 2, 3));
        assert!(image.encoded_image_string.starts_with(b"\x89PNG"));
        // Our histogram of the same values has the same buckets.
        let Kind::Histogram(theirs) = kind("weights") else {
            panic!("a histogram")
        };
        let values: Vec<f32> = (-50..50)
            .map(|i| (i * i * i) as f32 / 1024.0)
            .chain([0.0, 1e-13, 3e9])
            .collect();
        assert_eq!(&Histogram::of(&values).to_proto(), theirs);
    }

    #[test]
    fn an_empty_file_has_no_events() {
        assert!(EventReader::new(&b""[..]).next().is_none());
    }

    #[test]
    fn a_cut_file_gives_its_whole_events_first() {
        for cut in [GOLDEN.len() - 1, GOLDEN.len() / 2, 5] {
            let mut reader = EventReader::new(&GOLDEN[..cut]);
            let items: Vec<_> = reader.by_ref().collect();
            let (last, whole) = items.split_last().expect("something");
            assert!(
                last.as_ref().is_err_and(EventError::is_cut),
                "cut at {cut}: {last:?}"
            );
            assert!(whole.iter().all(Result::is_ok));
            assert!(reader.offset() <= cut as u64);
        }
    }

    #[test]
    fn rejects_a_missing_or_wrong_version() {
        assert!(
            matches!(first_error(&file(&[version("brain.Event:1")])), EventError::Version { got: Some(v) } if v == "brain.Event:1")
        );
        let no_version = Event {
            wall_time: 1.0,
            step: 1,
            what: None,
        };
        assert!(matches!(
            first_error(&file(&[no_version])),
            EventError::Version { got: None }
        ));
    }

    #[test]
    fn rejects_a_record_that_is_no_event() {
        let mut bytes = file(&[version("brain.Event:2")]);
        let offset = bytes.len() as u64;
        write_record(&mut bytes, &[0x0a, 0xff]).expect("memory"); // field 1 as bytes, length cut
        assert!(
            matches!(first_error(&bytes), EventError::Message { offset: o, .. } if o == offset)
        );
    }

    #[test]
    fn rejects_long_records_by_limit() {
        let bytes = file(&[version("brain.Event:2")]);
        let mut reader = EventReader::new(&bytes[..]).record_limit(3);
        assert!(matches!(
            reader.next(),
            Some(Err(EventError::TooLong { limit: 3, .. }))
        ));
        assert!(reader.next().is_none());
    }

    #[test]
    fn names_a_file_that_is_not_there() {
        let dir = tempfile::tempdir().expect("temp dir");
        let error = super::read(dir.path().join("nothing")).expect_err("not there");
        assert!(
            error.to_string().starts_with("open ") && error.to_string().contains("nothing"),
            "{error}"
        );
    }

    #[test]
    fn tensors_of_one_float_are_scalars() {
        let tensor = |float_val: Vec<f32>, content: Vec<u8>| Tensor {
            dtype: 1,
            float_val,
            tensor_content: content,
            ..Tensor::default()
        };
        assert_eq!(super::tensor_scalar(&tensor(vec![2.5], vec![])), Some(2.5));
        assert_eq!(
            super::tensor_scalar(&tensor(vec![], 2.5f32.to_le_bytes().to_vec())),
            Some(2.5)
        );
        assert_eq!(super::tensor_scalar(&tensor(vec![], vec![1, 2])), None);
        assert_eq!(super::tensor_scalar(&tensor(vec![1.0, 2.0], vec![])), None);
    }
}
