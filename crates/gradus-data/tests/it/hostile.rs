//! Untrusted files, made byte by byte: each is an error that names the file, or is skipped and counted.

use std::fs;
use std::path::{Path, PathBuf};

use gradus_data::{
    BadImages, ColorMode, DataError, FolderConfig, FolderProblem, Image, ImageError, ImageFolder,
    ImageSource, ImageSplits, make_tree, open_folder, open_image_folder,
};

const SKIP: FolderConfig = FolderConfig {
    mode: ColorMode::AsStored,
    bad_images: BadImages::Skip,
};

pub(crate) fn png(level: u8) -> Vec<u8> {
    Image::new(4, 5, 1, vec![level; 20])
        .unwrap()
        .encode_png()
        .unwrap()
}

pub(crate) fn write(path: impl AsRef<Path>, bytes: &[u8]) -> PathBuf {
    fs::create_dir_all(path.as_ref().parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path.as_ref().to_path_buf()
}

fn open(dir: &Path) -> Result<ImageSplits, DataError> {
    open_image_folder(dir, &FolderConfig::default())
}

/// A PNG whose header states any size: signature, IHDR with a right checksum, no pixels.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut chunk = b"IHDR".to_vec();
    chunk.extend(width.to_be_bytes());
    chunk.extend(height.to_be_bytes());
    chunk.extend([8, 2, 0, 0, 0]);
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    bytes.extend(&chunk);
    bytes.extend(crc32(&chunk).to_be_bytes());
    bytes.extend(b"\0\0\0\0IEND\xae\x42\x60\x82");
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc: u32, _| {
            if crc & 1 == 1 {
                crc >> 1 ^ 0xedb8_8320
            } else {
                crc >> 1
            }
        })
    })
}

/// A JPEG whose frame header states any size, with nothing behind it.
fn jpeg_header(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0".to_vec();
    bytes.extend(b"\xff\xc0\0\x11\x08");
    bytes.extend(height.to_be_bytes());
    bytes.extend(width.to_be_bytes());
    bytes.extend(b"\x03\x01\x11\0\x02\x11\0\x03\x11\0");
    bytes.extend(b"\xff\xda\0\x0c\x03\x01\0\x02\0\x03\0\0\x3f\0");
    bytes
}

#[test]
fn missing_empty_and_wrong_folders_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let problem = |path: &Path| match open_folder(path, &FolderConfig::default()) {
        Err(DataError::Folder { path: at, problem }) => (at, problem),
        other => panic!("{other:?}"),
    };
    let missing = dir.path().join("none");
    assert_eq!(problem(&missing), (missing.clone(), FolderProblem::Missing));
    assert_eq!(
        problem(dir.path()),
        (dir.path().into(), FolderProblem::Empty)
    );
    let file = write(dir.path().join("file"), b"x");
    assert_eq!(problem(&file), (file.clone(), FolderProblem::NotAFolder));
    let split = dir.path().join("set/train");
    fs::create_dir_all(&split).unwrap();
    assert_eq!(
        problem(&dir.path().join("set")),
        (split, FolderProblem::Empty)
    );
}

#[test]
fn a_class_without_images_is_named() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path().join("cat/1.png"), &png(1));
    write(dir.path().join("dog/.hidden"), b"");
    let error = open(dir.path()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{}: class without images; add images or remove the folder",
            dir.path().join("dog").display()
        )
    );
    // The same when skipping leaves nothing.
    write(dir.path().join("dog/1.png"), b"no image");
    assert!(matches!(
        open_image_folder(dir.path(), &SKIP),
        Err(DataError::Folder {
            problem: FolderProblem::ClassWithoutImages,
            ..
        })
    ));
}

#[test]
fn different_classes_in_train_and_test_are_listed() {
    let dir = tempfile::tempdir().unwrap();
    for path in [
        "train/cat/1.png",
        "train/dog/1.png",
        "test/cat/1.png",
        "test/frog/1.png",
    ] {
        write(dir.path().join(path), &png(1));
    }
    let text = open(dir.path()).unwrap_err().to_string();
    let (train, test) = (dir.path().join("train"), dir.path().join("test"));
    assert!(
        text.contains(&format!("only in {}: dog", train.display())),
        "{text}"
    );
    assert!(
        text.ends_with(&format!("only in {}: frog", test.display())),
        "{text}"
    );
}

/// Each bad file: the error at opening or reading names it; with skipping it is left out and counted.
#[track_caller]
fn check_bad(name: &str, bytes: &[u8], expected: &str) {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path().join("a/1.png"), &png(1));
    let bad = write(dir.path().join("a").join(name), bytes);
    write(dir.path().join("b/1.png"), &png(2));
    let read = |data: ImageSplits| {
        let all = data.train().unwrap().clone();
        (0..all.len()).try_for_each(|i| all.image(i).map(drop))
    };
    let error = open(dir.path()).and_then(read).unwrap_err();
    assert!(matches!(error, DataError::Image { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.starts_with(&format!("{}: ", bad.display())), "{text}");
    assert!(text.contains(expected), "{text}");

    let data = open_image_folder(dir.path(), &SKIP).unwrap();
    assert_eq!(data.skipped.len(), 1);
    assert_eq!(data.skipped[0].path, bad);
    assert!(data.skipped[0].reason.contains(expected));
    assert_eq!(data.train().unwrap().labels(), [0, 1]);
}

#[test]
fn zero_byte_and_non_image_files_are_refused() {
    check_bad("2.png", b"", "the file is empty");
    check_bad("2.png", b"GIF89a not this one", "not a PNG or JPEG image");
    check_bad(
        "readme.txt",
        b"all files are samples",
        "not a PNG or JPEG image",
    );
    check_bad("2.png", b"\x89PNG\r\n\x1a\n", "truncated or damaged");
    check_bad("2.jpg", b"\xff\xd8\xff", "truncated or damaged");
}

#[test]
fn truncated_images_are_refused() {
    let noisy: Vec<u8> = (0..3000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let whole = Image::new(50, 60, 1, noisy).unwrap().encode_png().unwrap();
    for keep in [20, 33, 60, whole.len() / 2, whole.len() - 20] {
        check_bad("2.png", &whole[..keep], "truncated or damaged");
    }
}

#[test]
fn a_flipped_bit_is_damage() {
    let mut bytes = png(7);
    let middle = bytes.len() - 20;
    bytes[middle] ^= 0x10;
    check_bad("2.png", &bytes, "truncated or damaged");
}

#[test]
fn giant_headers_are_refused_before_allocation() {
    // 50,000 × 50,000 RGB would take 7.5 GB: reaching this line at all shows that it was not allocated.
    check_bad("2.png", &png_header(50_000, 50_000), "50000×50000");
    check_bad("2.jpg", &jpeg_header(50_000, 50_000), "50000×50000");
    check_bad("2.png", &png_header(u32::MAX >> 1, 1), "the image states");
    // Within the sides but beyond the bytes: 16,000 × 16,000 × 3 = 768 MB.
    check_bad("2.png", &png_header(16_000, 16_000), "16000×16000");
    check_bad("2.png", &png_header(0, 5), "truncated or damaged");
}

#[test]
fn any_bytes_behind_a_signature_give_an_error_or_an_image() {
    // A small fuzz: never a panic, never an image that does not fill its size.
    let mut state = 1_u32;
    for round in 0..600 {
        let mut bytes = if round % 2 == 0 {
            png(3)
        } else {
            jpeg_header(8, 8)
        };
        for _ in 0..1 + round % 5 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = (state >> 8) as usize % bytes.len();
            bytes[at] = state as u8;
        }
        if let Ok(image) = Image::decode(&bytes, ColorMode::AsStored) {
            assert_eq!(
                image.pixels().len(),
                image.height() * image.width() * image.channels()
            );
        }
    }
}

#[cfg(unix)]
#[test]
fn links_are_followed_once_and_dead_ones_reported() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    let image = write(dir.path().join("set/a/1.png"), &png(1));
    write(dir.path().join("set/b/deep/2.png"), &png(2));
    symlink(&image, dir.path().join("set/b/link.png")).unwrap();
    symlink(dir.path().join("set/b"), dir.path().join("set/b/deep/loop")).unwrap();
    symlink(dir.path().join("set"), dir.path().join("set/b/up")).unwrap();
    let set = dir.path().join("set");
    let (folder, _) = ImageFolder::open(&set, &FolderConfig::default()).unwrap();
    let names: Vec<_> = folder
        .files()
        .iter()
        .map(|path| path.strip_prefix(&set).unwrap().to_path_buf())
        .collect();
    assert_eq!(
        names,
        ["a/1.png", "b/link.png", "b/deep/2.png"].map(PathBuf::from)
    );
    assert_eq!(folder.labels(), [0, 1, 1]);

    let dead = dir.path().join("set/a/dead.png");
    symlink("nowhere", &dead).unwrap();
    let text = open(&set).unwrap_err().to_string();
    assert!(
        text.starts_with(&format!("cannot read {}", dead.display())),
        "{text}"
    );
    let data = open_image_folder(&set, &SKIP).unwrap();
    assert_eq!(data.skipped[0].path, dead);
}

#[cfg(unix)]
#[test]
fn a_device_or_socket_is_no_image() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path().join("a/1.png"), &png(1));
    let socket = dir.path().join("a/socket.png");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let error = open(dir.path()).unwrap_err();
    assert!(
        matches!(&error, DataError::Image { path, source: ImageError::NotAFile } if *path == socket),
        "{error}"
    );
}

#[test]
fn make_tree_refuses_content_and_notices_an_interrupted_write() {
    let dir = tempfile::tempdir().unwrap();
    let full = dir.path().join("full");
    write(full.join("x"), b"");
    let problem = |result: Result<ImageSplits, DataError>| match result {
        Err(DataError::Folder { path, problem }) => (path, problem),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        problem(make_tree("fashion-mnist-mini", &full)),
        (full.clone(), FolderProblem::NotEmpty)
    );
    assert_eq!(
        fs::read_dir(&full).unwrap().count(),
        1,
        "nothing is lost or added"
    );
    let partial = dir.path().join(".new.partial");
    fs::create_dir(&partial).unwrap();
    let result = make_tree("fashion-mnist-mini", &dir.path().join("new"));
    assert_eq!(problem(result), (partial, FolderProblem::UnfinishedWrite));
    assert!(matches!(
        make_tree("mnist", &dir.path().join("new")),
        Err(DataError::UnknownDataSet { .. })
    ));
}
