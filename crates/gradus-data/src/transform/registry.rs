//! The table of transforms that a configuration can name.

use super::TransformInfo;
use super::{
    center_crop, color_jitter, flip, grayscale, normalize, pad, random_affine, random_crop,
    random_erasing, random_resized_crop, random_rotation, resize, to_tensor,
};

/// All transforms by name, with their arguments, defaults and a line each, in the order in which they are documented.
///
/// ```
/// let names: Vec<&str> = gradus_data::transforms().iter().map(|info| info.name).collect();
/// assert!(names.contains(&"RandomResizedCrop"));
/// ```
pub fn transforms() -> &'static [TransformInfo] {
    const ALL: &[TransformInfo] = &[
        resize::INFO,
        center_crop::INFO,
        pad::INFO,
        random_crop::INFO,
        random_resized_crop::INFO,
        flip::HORIZONTAL,
        flip::VERTICAL,
        random_rotation::INFO,
        random_affine::INFO,
        color_jitter::INFO,
        grayscale::INFO,
        grayscale::RANDOM,
        to_tensor::INFO,
        normalize::INFO,
        random_erasing::INFO,
    ];
    ALL
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::{ArgDefault, Compose, TransformSpec, Value};
    use std::collections::BTreeMap;

    /// Something valid for each argument without default.
    fn required(argument: &str) -> Value {
        match argument {
            "size" => 8.0.into(),
            "padding" => 2.0.into(),
            "degrees" => 30.0.into(),
            "mean" | "std" => [0.5].into(),
            other => panic!("{other}: give an example here"),
        }
    }

    #[test]
    fn defaults_are_valid_and_giving_them_changes_nothing() {
        for info in transforms() {
            let mut spec = TransformSpec::new(info.name);
            for arg in info
                .args
                .iter()
                .filter(|arg| arg.default == ArgDefault::Required)
            {
                spec.args.insert(arg.name.to_owned(), required(arg.name));
            }
            let mut explicit = spec.clone();
            for arg in info.args {
                let value = match arg.default {
                    ArgDefault::Required => continue,
                    ArgDefault::None => "none".into(),
                    ArgDefault::Number(number) => number.into(),
                    ArgDefault::Bool(flag) => flag.into(),
                    ArgDefault::Text(text) => text.into(),
                    ArgDefault::List(numbers) => {
                        Value::List(numbers.iter().map(|&n| Value::Number(n)).collect())
                    }
                };
                explicit.args.insert(arg.name.to_owned(), value);
            }
            let build = |spec: &TransformSpec| {
                let args = crate::transform::spec::Args::new(info, &spec.args).unwrap();
                format!("{:?}", (info.build)(&args).unwrap())
            };
            assert_eq!(build(&spec), build(&explicit));
            assert!(!info.doc.is_empty() && info.args.iter().all(|arg| !arg.doc.is_empty()));
        }
    }

    #[test]
    fn each_missing_or_unknown_argument_is_named() {
        for info in transforms() {
            let mut args = BTreeMap::from([("bogus".to_owned(), Value::Bool(true))]);
            let spec = TransformSpec {
                name: info.name.to_owned(),
                args: args.clone(),
            };
            let error = Compose::from_specs(&[spec]).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("{} has no argument \"bogus\"", info.name)),
                "{error}"
            );
            args.clear();
            let has_required = info
                .args
                .iter()
                .any(|arg| arg.default == ArgDefault::Required);
            let built = (info.build)(&crate::transform::spec::Args::new(info, &args).unwrap());
            assert_eq!(built.is_err(), has_required, "{}", info.name);
        }
    }

    #[test]
    fn wrong_types_are_refused_by_every_argument() {
        for info in transforms() {
            for arg in info.args {
                let mut spec = TransformSpec::new(info.name);
                for needed in info
                    .args
                    .iter()
                    .filter(|arg| arg.default == ArgDefault::Required)
                {
                    spec.args
                        .insert(needed.name.to_owned(), required(needed.name));
                }
                spec.args
                    .insert(arg.name.to_owned(), Value::List(vec![Value::Bool(true)]));
                let error = Compose::from_specs(&[spec]).unwrap_err().to_string();
                assert!(error.contains(arg.name), "{}: {error}", info.name);
            }
        }
    }
}
