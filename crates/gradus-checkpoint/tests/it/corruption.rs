//! Whatever is changed in a committed checkpoint is found and named, and the one before it is taken.

use std::path::{Path, PathBuf};

use gradus_checkpoint::DamageReason;

use crate::store::{mark, names, save, sound};

/// Two checkpoints, steps 1 and 2; `spoil` gets the directory of the second.
#[track_caller]
fn falls_back(spoil: impl FnOnce(&Path)) -> DamageReason {
    let dir = tempfile::tempdir().unwrap();
    save(&sound(dir.path()), 1, 1).unwrap();
    save(&sound(dir.path()), 2, 2).unwrap();
    spoil(&dir.path().join("step-2"));
    let mut newest = sound(dir.path()).newest_whole().unwrap();
    assert_eq!(mark(&newest.checkpoint.unwrap()), 1);
    assert_eq!(newest.damaged.len(), 1);
    let damaged = newest.damaged.remove(0);
    assert!(damaged.to_string().contains("step-2: "), "{damaged}");
    assert!(sound(dir.path()).load(2).is_err());
    damaged.reason
}

#[test]
fn every_flipped_bit_and_every_cut_is_found() {
    let dir = tempfile::tempdir().unwrap();
    save(&sound(dir.path()), 1, 1).unwrap();
    let step = dir.path().join("step-1");
    let files: Vec<PathBuf> = names(&step).iter().map(|name| step.join(name)).collect();
    let whole = || {
        sound(dir.path())
            .newest_whole()
            .unwrap()
            .checkpoint
            .is_some()
    };
    assert!(whole());
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        for at in (0..bytes.len()).step_by(7) {
            let mut bad = bytes.clone();
            bad[at] ^= 1 << (at % 8);
            std::fs::write(&file, &bad).unwrap();
            assert!(!whole(), "{}: byte {at}", file.display());
            std::fs::write(&file, &bytes[..at]).unwrap();
            assert!(!whole(), "{}: cut to {at}", file.display());
        }
        std::fs::write(&file, [&bytes[..], b" "].concat()).unwrap();
        assert!(!whole(), "{}: lengthened", file.display());
        std::fs::write(&file, &bytes).unwrap();
    }
    assert!(whole());
}

#[test]
fn swapped_files_are_found() {
    let reason = falls_back(|step| {
        let other = step.with_file_name("step-1");
        std::fs::copy(
            other.join("optimizer.safetensors"),
            step.join("optimizer.safetensors"),
        )
        .unwrap();
    });
    assert!(matches!(reason, DamageReason::Digest { name } if name == "optimizer.safetensors"));
}

#[test]
fn a_renamed_checkpoint_is_found() {
    let reason = falls_back(|step| {
        let other = step.with_file_name("step-1");
        for name in names(step) {
            std::fs::copy(other.join(&name), step.join(&name)).unwrap();
        }
    });
    assert!(matches!(reason, DamageReason::Step { found: 1 }));
}

#[test]
fn missing_files_are_named() {
    let reason = falls_back(|step| std::fs::remove_file(step.join("model.safetensors")).unwrap());
    assert!(matches!(reason, DamageReason::Missing { name } if name == "model.safetensors"));
    let reason = falls_back(|step| std::fs::remove_file(step.join("manifest.json")).unwrap());
    assert!(matches!(reason, DamageReason::Missing { name } if name == "manifest.json"));
}

#[test]
fn a_file_in_place_of_the_directory_is_named() {
    let reason = falls_back(|step| {
        std::fs::remove_dir_all(step).unwrap();
        std::fs::write(step, b"").unwrap();
    });
    assert!(matches!(reason, DamageReason::NotADirectory));
}

#[test]
#[cfg(unix)]
fn links_are_not_followed() {
    let reason = falls_back(|step| {
        let model = step.join("model.safetensors");
        let elsewhere = step.with_file_name("elsewhere");
        std::fs::rename(&model, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &model).unwrap();
    });
    assert!(matches!(reason, DamageReason::NotAFile { name } if name == "model.safetensors"));
}

#[test]
fn a_huge_manifest_is_not_read_whole() {
    let reason = falls_back(|step| {
        let file = std::fs::File::create(step.join("manifest.json")).unwrap();
        file.set_len(1 << 40).unwrap();
    });
    assert!(matches!(reason, DamageReason::ManifestTooLarge));
}

#[test]
fn a_version_of_the_future_is_named() {
    let reason = falls_back(|step| {
        let path = step.join("manifest.json");
        let text = std::fs::read_to_string(&path).unwrap();
        let newer = text.replace("\"format_version\": 1", "\"format_version\": 7");
        std::fs::write(&path, newer).unwrap();
    });
    assert!(matches!(reason, DamageReason::Version { found: 7 }));
}
