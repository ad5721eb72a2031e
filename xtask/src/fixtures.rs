//! `cargo xtask fixtures`: writes the committed golden files anew. Each generator in `xtask/fixtures/` is run with the project's
//! root as its only argument and says which files it wrote; the README beside the files names the generator.

use crate::project::{self, Project};
use crate::python::PythonArgs;
use anyhow::{Context, Result, ensure};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    python: PythonArgs,
    /// Only the generators whose file name contains this
    filter: Option<String>,
}

pub(crate) fn run(project: &Project, args: &Args) -> Result<()> {
    let python = args
        .python
        .interpreter(project, &["torch", "safetensors", "numpy"])?;
    let folder = project.root.join("xtask/fixtures");
    let mut generators = Vec::new();
    for entry in
        std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let chosen = args
            .filter
            .as_ref()
            .is_none_or(|part| name.contains(part.as_str()));
        if name.ends_with(".py") && chosen {
            generators.push(path);
        }
    }
    ensure!(
        !generators.is_empty(),
        "no generator in xtask/fixtures matches"
    );
    generators.sort();
    for generator in generators {
        project::run(
            project
                .command(&python)
                .arg("-B")
                .arg(&generator)
                .arg(&project.root),
        )?;
    }
    Ok(())
}
