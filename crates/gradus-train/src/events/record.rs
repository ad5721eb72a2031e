//! TFRecord framing: `length u64 LE | masked CRC-32C of the length | data | masked CRC-32C of the data`.
//!
//! Source: TensorFlow, `tensorflow/core/lib/io/record_writer.h` and `core/lib/hash/crc32c.h`.

use std::io::{self, Read, Write};

use super::error::{EventError, Result};

/// Bytes of a record besides its data.
pub const OVERHEAD_BYTES: u64 = 16;

/// The checksum of TFRecords: CRC-32C, rotated right by 15 and offset, so that a CRC of data that holds CRCs stays a good one.
///
/// # Example
/// ```
/// // CRC-32C of "123456789" is 0xe3069283 (RFC 3720)
/// let crc: u32 = 0xe306_9283;
/// assert_eq!(gradus_train::events::record::masked_crc(b"123456789"), crc.rotate_right(15).wrapping_add(0xa282_ead8));
/// ```
pub fn masked_crc(data: &[u8]) -> u32 {
    crc32c::crc32c(data)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

/// Writes one record; returns the bytes written.
///
/// # Errors
/// Those of `out`.
pub fn write_record(out: &mut impl Write, data: &[u8]) -> io::Result<u64> {
    let length = data.len() as u64;
    let header = length.to_le_bytes();
    out.write_all(&header)?;
    out.write_all(&masked_crc(&header).to_le_bytes())?;
    out.write_all(data)?;
    out.write_all(&masked_crc(data).to_le_bytes())?;
    Ok(length + OVERHEAD_BYTES)
}

/// Reads the record that starts at byte `offset` (which serves messages only); `None` at the end of the file.
///
/// Memory grows with the bytes that are there, not with the length that the header claims.
///
/// # Errors
/// [`EventError::CutHeader`], [`EventError::LengthChecksum`], [`EventError::TooLong`], [`EventError::CutData`],
/// [`EventError::DataChecksum`], [`EventError::Read`].
pub fn read_record(from: &mut impl Read, offset: u64, limit: u64) -> Result<Option<Vec<u8>>> {
    let mut header = Vec::with_capacity(12);
    let read = |source| EventError::Read { offset, source };
    let got = from
        .by_ref()
        .take(12)
        .read_to_end(&mut header)
        .map_err(read)? as u64;
    if got == 0 {
        return Ok(None);
    }
    let Some((length_bytes, crc)) = header.split_first_chunk::<8>() else {
        return Err(EventError::CutHeader { offset, got });
    };
    let Some(crc) = crc.first_chunk::<4>() else {
        return Err(EventError::CutHeader { offset, got });
    };
    let (expected, got) = (masked_crc(length_bytes), u32::from_le_bytes(*crc));
    if expected != got {
        return Err(EventError::LengthChecksum {
            offset,
            expected,
            got,
        });
    }
    let length = u64::from_le_bytes(*length_bytes);
    if length > limit {
        return Err(EventError::TooLong {
            offset,
            length,
            limit,
        });
    }
    let expected = length.saturating_add(4);
    let mut data = Vec::new();
    let got = from
        .by_ref()
        .take(expected)
        .read_to_end(&mut data)
        .map_err(read)? as u64;
    let crc = data.last_chunk::<4>().copied();
    let (true, Some(crc)) = (got == expected, crc) else {
        return Err(EventError::CutData {
            offset,
            got,
            expected,
        });
    };
    data.truncate(data.len() - 4);
    let (expected, got) = (masked_crc(&data), u32::from_le_bytes(crc));
    if expected != got {
        return Err(EventError::DataChecksum {
            offset,
            expected,
            got,
        });
    }
    Ok(Some(data))
}

#[cfg(test)]
mod tests {
    use super::{EventError, OVERHEAD_BYTES, masked_crc, read_record, write_record};

    fn record(data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        assert_eq!(
            write_record(&mut bytes, data).expect("memory"),
            data.len() as u64 + OVERHEAD_BYTES
        );
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Option<Vec<u8>>, EventError> {
        read_record(&mut &bytes[..], 0, 1000)
    }

    #[test]
    fn known_bytes() {
        // What TensorFlow's TFRecordWriter writes for b"abc".
        assert_eq!(record(b"abc")[..8], [3, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(masked_crc(&[]), 0xa282_ead8);
    }

    #[test]
    fn round_trip() {
        let mut bytes = record(b"first");
        bytes.extend(record(b""));
        let mut from = &bytes[..];
        assert_eq!(
            read_record(&mut from, 0, 9).expect("whole"),
            Some(b"first".to_vec())
        );
        assert_eq!(
            read_record(&mut from, 21, 9).expect("whole"),
            Some(Vec::new())
        );
        assert_eq!(read_record(&mut from, 37, 9).expect("the end"), None);
    }

    #[test]
    fn rejects_a_cut_at_every_byte() {
        let bytes = record(b"some data");
        for cut in 1..bytes.len() {
            let error = read(&bytes[..cut]).expect_err("cut");
            assert!(error.is_cut(), "cut at {cut}: {error}");
            assert_eq!(
                matches!(error, EventError::CutHeader { .. }),
                cut < 12,
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn rejects_every_flipped_bit() {
        let bytes = record(b"some data");
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let error = read(&bad).expect_err("damaged");
            let in_header = matches!(error, EventError::LengthChecksum { .. });
            let in_data = matches!(error, EventError::DataChecksum { .. });
            assert!(
                if bit < 96 { in_header } else { in_data },
                "bit {bit}: {error}"
            );
        }
    }

    #[test]
    fn rejects_a_length_over_the_limit_without_allocating_it() {
        let length = (1u64 << 60).to_le_bytes();
        let bytes = [&length[..], &masked_crc(&length).to_le_bytes()].concat();
        assert!(
            matches!(read(&bytes), Err(EventError::TooLong { length, limit: 1000, .. }) if length == 1 << 60)
        );
        let error = read_record(&mut &bytes[..], 0, u64::MAX).expect_err("no data");
        assert!(
            matches!(error, EventError::CutData { got: 0, .. }),
            "{error}"
        );
    }
}
