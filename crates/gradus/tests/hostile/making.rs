//! Files made byte by byte.

use std::io::{Cursor, Write};

use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A zip archive of these entries.
pub(crate) fn archive(method: CompressionMethod, entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in entries {
        zip.start_file(*name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The bytes of an archive's entry.
pub(crate) fn entry(archive: &[u8], name: &str) -> Vec<u8> {
    let mut zip = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
    let mut out = Vec::new();
    std::io::copy(&mut zip.by_name(name).unwrap(), &mut out).unwrap();
    out
}

/// A safetensors file of this header and these many bytes of data.
pub(crate) fn safetensors(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

/// A NumPy array of this header and number of zero bytes.
pub(crate) fn npy(descr: &str, shape: &str, data: usize) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    out.extend(header.as_bytes());
    out.resize(out.len() + data, 0);
    out
}

/// An IDX file of unsigned bytes with these sizes and values.
pub(crate) fn idx(sizes: &[u32], values: &[u8]) -> Vec<u8> {
    let mut out = vec![0, 0, 8, u8::try_from(sizes.len()).unwrap()];
    out.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    out.extend(values);
    out
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

pub(crate) fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// A chunk of a PNG file.
pub(crate) fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(data.len()).unwrap().to_be_bytes().to_vec();
    out.extend(kind);
    out.extend(data);
    let crc = crc32(&out[4..]).to_be_bytes();
    out.extend(crc);
    out
}

/// A grey PNG image of 8 bits with this size and these packed rows.
pub(crate) fn png(width: u32, height: u32, packed: &[u8]) -> Vec<u8> {
    let mut header = width.to_be_bytes().to_vec();
    header.extend(height.to_be_bytes());
    header.extend([8, 0, 0, 0, 0]);
    let chunks = [
        chunk(b"IHDR", &header),
        chunk(b"IDAT", packed),
        chunk(b"IEND", &[]),
    ];
    [PNG, &chunks.concat()].concat()
}

/// A PNG image of 9 by 7 pixels of 4 bits, all of color 8 of a palette of so many bytes.
pub(crate) fn png_of_palette(bytes: usize) -> Vec<u8> {
    let row = [0, 0x88, 0x88, 0x88, 0x88, 0x80];
    let chunks = [
        chunk(b"IHDR", &[0, 0, 0, 9, 0, 0, 0, 7, 4, 3, 0, 0, 0]),
        chunk(b"PLTE", &vec![7; bytes]),
        chunk(b"IDAT", &zlib(&row.repeat(7))),
        chunk(b"IEND", &[]),
    ];
    [PNG, &chunks.concat()].concat()
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// The same with every chunk's checksum put right, as far as there are chunks.
pub(crate) fn png_repaired(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let mut at = PNG.len();
    while let Some(len) = out.get(at..at + 4) {
        let len = u32::from_be_bytes([len[0], len[1], len[2], len[3]]) as usize;
        let end = at.saturating_add(8).saturating_add(len);
        let Some(body) = out.get(at + 4..end) else {
            break;
        };
        let crc = crc32(body).to_be_bytes();
        let Some(place) = out.get_mut(end..end + 4) else {
            break;
        };
        place.copy_from_slice(&crc);
        at = end + 4;
    }
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// An event file with the checksums of all its records put right, as far as there are records.
pub(crate) fn events_repaired(bytes: &[u8]) -> Vec<u8> {
    let crc = |bytes: &[u8]| gradus::train::events::record::masked_crc(bytes).to_le_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while let Some(header) = out.get(at..at + 8) {
        let len =
            usize::try_from(u64::from_le_bytes(header.try_into().unwrap())).unwrap_or(usize::MAX);
        let of_header = crc(header);
        let Some(place) = out.get_mut(at + 8..at + 12) else {
            break;
        };
        place.copy_from_slice(&of_header);
        let end = (at + 12).saturating_add(len);
        let Some(data) = out.get(at + 12..end) else {
            break;
        };
        let of_data = crc(data);
        let Some(place) = out.get_mut(end..end.saturating_add(4)) else {
            break;
        };
        place.copy_from_slice(&of_data);
        at = end + 4;
    }
    out
}

/// A manifest with its own digest put right, if it has one.
pub(crate) fn manifest_signed(bytes: &[u8]) -> Vec<u8> {
    const KEY: &[u8] = b"  \"sha256\": \"";
    const DIGITS: usize = 64;
    let found = bytes.windows(KEY.len()).rposition(|w| w == KEY);
    let Some(start) = found.map(|at| at + KEY.len()) else {
        return bytes.to_vec();
    };
    let end = (start + DIGITS).min(bytes.len());
    let unsigned = [&bytes[..start], &bytes[end..]].concat();
    let digest = Sha256::digest(&unsigned);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    [&bytes[..start], digest.as_bytes(), &bytes[end..]].concat()
}
