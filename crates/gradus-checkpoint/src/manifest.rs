//! The manifest of a checkpoint: which files it has, with their lengths and digests, and a digest of its own.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::damage::DamageReason;
use crate::digest::hex;
use crate::names::is_plain_name;

/// The version of the layout of checkpoints that this program writes, and the newest that it reads.
pub const CHECKPOINT_VERSION: u64 = 1;

/// The file that holds the manifest.
pub(crate) const MANIFEST: &str = "manifest.json";

/// The most bytes that a manifest may have.
pub(crate) const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// One file of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// The name, one plain path component.
    pub name: String,
    /// The length.
    pub bytes: u64,
    /// The SHA-256, as lower-case hex digits.
    pub sha256: String,
}

/// What a checkpoint consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The layout's version, [`CHECKPOINT_VERSION`] when written.
    pub format_version: u64,
    /// The program that wrote it, such as `gradus 0.1.0`.
    pub program: String,
    /// The training step after which it was written.
    pub step: u64,
    /// The files, sorted by name, without the manifest itself.
    pub files: Vec<FileRecord>,
    /// The SHA-256 of the manifest's own text with this field empty.
    sha256: String,
}

/// The one field that every version has.
#[derive(Deserialize)]
struct Version {
    format_version: u64,
}

impl Manifest {
    /// The manifest of these files, by this program.
    pub(crate) fn new(step: u64, mut files: Vec<FileRecord>) -> Self {
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let mut manifest = Self {
            format_version: CHECKPOINT_VERSION,
            program: Self::this_program(),
            step,
            files,
            sha256: String::new(),
        };
        manifest.sha256 = hex(&Sha256::digest(manifest.text()));
        manifest
    }

    /// What [`Manifest::program`] is in the manifests that this program writes.
    pub fn this_program() -> String {
        format!("gradus {}", env!("CARGO_PKG_VERSION"))
    }

    /// The file of that name.
    pub fn file(&self, name: &str) -> Option<&FileRecord> {
        self.files.iter().find(|file| file.name == name)
    }

    /// The one text that a manifest has.
    pub(crate) fn text(&self) -> String {
        // A struct of numbers and strings always serialises.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads a manifest. Any changed byte is found: the text must be the one that these values have, and fit its digest.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, DamageReason> {
        let json = |cause| DamageReason::ManifestJson { cause };
        let Version { format_version } = serde_json::from_slice(bytes).map_err(json)?;
        if format_version != CHECKPOINT_VERSION {
            return Err(DamageReason::Version {
                found: format_version,
            });
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(json)?;
        let unsigned = Self {
            sha256: String::new(),
            ..manifest.clone()
        };
        let digest = hex(&Sha256::digest(unsigned.text()));
        if digest != manifest.sha256 || manifest.text().as_bytes() != bytes {
            return Err(DamageReason::ManifestDigest);
        }
        for (i, file) in manifest.files.iter().enumerate() {
            let repeated = manifest.files[..i].iter().any(|f| f.name == file.name);
            if repeated || !is_plain_name(&file.name) || file.name == MANIFEST {
                let name = file.name.clone();
                return Err(DamageReason::FileName { name });
            }
        }
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(name: &str) -> Manifest {
        let file = FileRecord {
            name: name.to_owned(),
            bytes: 3,
            sha256: hex(&Sha256::digest(b"abc")),
        };
        Manifest::new(50, vec![file])
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let manifest = sample("model.safetensors");
        let text = manifest.text().into_bytes();
        assert_eq!(Manifest::parse(&text).unwrap(), manifest);
        for bit in 0..text.len() * 8 {
            let mut bad = text.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Manifest::parse(&bad).is_err(), "bit {bit}");
        }
        for len in 0..text.len() {
            assert!(Manifest::parse(&text[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn another_version_is_named_before_anything_else() {
        let newer = br#"{"format_version": 2, "shards": []}"#;
        let reason = Manifest::parse(newer).unwrap_err().to_string();
        assert_eq!(
            reason,
            "its format version is 2, this program reads 1; use a newer gradus"
        );
    }

    #[test]
    fn names_must_be_plain() {
        for name in ["../model", "/etc/passwd", "", "manifest.json", "a/b"] {
            let reason = Manifest::parse(sample(name).text().as_bytes()).unwrap_err();
            assert!(
                matches!(reason, DamageReason::FileName { .. }),
                "{name}: {reason}"
            );
        }
    }
}
