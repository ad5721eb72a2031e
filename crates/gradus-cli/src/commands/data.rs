//! `gradus data`: lists, writes and describes data sets.

use std::path::Path;

use gradus_data::{
    BadImages, FolderConfig, ImageSplits, SkippedFile, TreeInfo, describe, describe_tree, embedded,
    known_data_sets, make_tree,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::args::DataCommand;
use crate::exit::Ending;
use crate::output;

pub(super) fn run(command: &DataCommand) -> anyhow::Result<Ending> {
    match command {
        DataCommand::List { json } => list(*json)?,
        DataCommand::Make { name, dir, json } => make(name, dir, *json)?,
        DataCommand::Info {
            dir,
            skip_bad_images,
            json,
        } => info(dir, *skip_bad_images, *json)?,
    }
    Ok(Ending::Done)
}

fn list(as_json: bool) -> anyhow::Result<()> {
    for known in known_data_sets() {
        if as_json {
            let data = embedded(known.name)?;
            output::json(&json!({
                "name": known.name,
                "classes": data.classes,
                "splits": counts(&data),
                "description": known.description,
                "license": known.license,
                "source": known.source,
            }))?;
            continue;
        }
        let splits: Vec<String> = known
            .splits
            .iter()
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        output::line(format_args!(
            "{}: {} ({})",
            known.name,
            known.description,
            splits.join(", ")
        ))?;
        output::line(format_args!(
            "    {}, licence {}",
            known.source, known.license
        ))?;
    }
    Ok(())
}

fn make(name: &str, dir: &Path, as_json: bool) -> anyhow::Result<()> {
    let data = make_tree(name, dir)?;
    if as_json {
        let dir = dir.display().to_string();
        return output::json(
            &json!({ "name": data.name, "classes": data.classes, "splits": counts(&data), "dir": dir }),
        );
    }
    let splits: Vec<String> = data
        .splits
        .iter()
        .map(|s| format!("{} {}", s.name, s.source.len()))
        .collect();
    output::line(format_args!(
        "wrote {} into {}: {}",
        data.name,
        dir.display(),
        splits.join(", ")
    ))
}

/// The number of samples of each split, by name.
fn counts(data: &ImageSplits) -> Map<String, Value> {
    data.splits
        .iter()
        .map(|split| (split.name.clone(), split.source.len().into()))
        .collect()
}

/// What `gradus data info --json` prints.
#[derive(Serialize)]
struct Info<'a> {
    name: &'a str,
    classes: &'a [String],
    splits: Map<String, Value>,
    per_class: Map<String, Value>,
    height: [usize; 2],
    width: [usize; 2],
    grey: usize,
    rgb: usize,
    mean: &'a [f64],
    std: &'a [f64],
    skipped: Vec<Value>,
}

fn info(dir: &Path, skip_bad_images: bool, as_json: bool) -> anyhow::Result<()> {
    let known = dir
        .to_str()
        .filter(|name| known_data_sets().iter().any(|known| known.name == *name));
    let bad_images = if skip_bad_images {
        BadImages::Skip
    } else {
        BadImages::Fail
    };
    let info = match known.filter(|_| !dir.exists()) {
        Some(name) => describe(&embedded(name)?)?,
        None => describe_tree(
            dir,
            &FolderConfig {
                bad_images,
                ..FolderConfig::default()
            },
        )?,
    };
    if !as_json {
        return print_info(&info);
    }
    let per_class = |counts: &[usize]| -> Map<String, Value> {
        info.classes
            .iter()
            .zip(counts)
            .map(|(class, &count)| (class.clone(), count.into()))
            .collect()
    };
    let skipped = |file: &SkippedFile| json!({ "path": file.path.display().to_string(), "reason": file.reason });
    output::json(&Info {
        name: &info.name,
        classes: &info.classes,
        splits: info
            .splits
            .iter()
            .map(|split| (split.name.clone(), split.samples.into()))
            .collect(),
        per_class: info
            .splits
            .iter()
            .map(|split| (split.name.clone(), per_class(&split.per_class).into()))
            .collect(),
        height: info.height,
        width: info.width,
        grey: info.grey,
        rgb: info.rgb,
        mean: &info.statistics.mean,
        std: &info.statistics.std,
        skipped: info.skipped.iter().map(skipped).collect(),
    })
}

fn print_info(info: &TreeInfo) -> anyhow::Result<()> {
    let span = |[low, high]: [usize; 2]| {
        if low == high {
            low.to_string()
        } else {
            format!("{low} to {high}")
        }
    };
    let list = |numbers: &[f64]| {
        numbers
            .iter()
            .map(|number| format!("{number:.4}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    output::line(format_args!(
        "{}: {} classes",
        info.name,
        info.classes.len()
    ))?;
    output::line(format_args!(
        "height {}, width {}; {} grey, {} rgb",
        span(info.height),
        span(info.width),
        info.grey,
        info.rgb
    ))?;
    output::line(format_args!(
        "mean [{}], std [{}]",
        list(&info.statistics.mean),
        list(&info.statistics.std)
    ))?;
    let width = info
        .classes
        .iter()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0)
        .max("class".len());
    let mut heading = format!("\n{:width$}", "class");
    let mut total = format!("{:width$}", "all");
    for split in &info.splits {
        heading += &format!("  {:>7}", split.name);
        total += &format!("  {:>7}", split.samples);
    }
    output::line(heading)?;
    for (class, name) in info.classes.iter().enumerate() {
        let counts = info
            .splits
            .iter()
            .map(|split| format!("  {:>7}", split.per_class[class]));
        output::line(format_args!("{name:width$}{}", counts.collect::<String>()))?;
    }
    output::line(total)?;
    for file in &info.skipped {
        output::line(format_args!(
            "left out {}: {}",
            file.path.display(),
            file.reason
        ))?;
    }
    Ok(())
}
