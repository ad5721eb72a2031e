//! What `benches/peers/install.sh` installed, and where.

use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};

/// The folder of the peers, and the programs to start.
pub(super) struct Setup {
    pub(super) folder: PathBuf,
    pub(super) python: PathBuf,
    /// The program that runs our workloads.
    pub(super) ours: PathBuf,
}

impl Setup {
    pub(super) fn new(folder: Option<&Path>, python: Option<&Path>, ours: PathBuf) -> Result<Self> {
        let folder = match folder {
            Some(folder) => std::path::absolute(folder)?,
            None => PathBuf::new(),
        };
        ensure!(
            folder.is_dir(),
            "no peers: run `benches/peers/install.sh FOLDER`, then pass --peers-dir FOLDER or set GRADUS_PEERS"
        );
        let python = match python {
            Some(python) => std::path::absolute(python)?,
            None => folder.join("venv/bin/python"),
        };
        Ok(Self {
            folder,
            python,
            ours,
        })
    }

    /// What makes MKL use AVX-512 on processors of any vendor.
    pub(super) fn shim(&self) -> PathBuf {
        self.folder.join("libmkl_avx512.so")
    }

    /// The JPEG files that all sides read; ours writes them.
    pub(super) fn images(&self) -> PathBuf {
        self.folder.join("images")
    }

    /// The path as a page may print it.
    pub(super) fn shown(&self, path: &Path) -> String {
        match path.strip_prefix(&self.folder) {
            Ok(inside) => format!("PEERS/{}", inside.display()),
            Err(_) => path
                .file_name()
                .map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        }
    }
}
