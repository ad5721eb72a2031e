//! What can go wrong with a transform: unknown names, wrong arguments, wrong order, an image that does not fit.

use crate::error::did_you_mean;

/// What is wrong with a transform, its arguments, its place in a chain, or the image it is given.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TransformError {
    /// No transform has this name.
    #[error("no transform is called {name:?}{}", did_you_mean(nearest))]
    Unknown {
        /// The name asked for.
        name: String,
        /// The known name that is nearest, if one is near.
        nearest: Option<String>,
    },
    /// The transform takes no such argument.
    #[error(
        "{transform} has no argument {argument:?}{}; it takes {}",
        did_you_mean(nearest),
        known(takes)
    )]
    UnknownArgument {
        /// The transform.
        transform: &'static str,
        /// The argument given.
        argument: String,
        /// The known argument that is nearest, if one is near.
        nearest: Option<String>,
        /// The arguments that it takes.
        takes: Vec<&'static str>,
    },
    /// An argument without default was not given.
    #[error("{transform}: {argument} is missing")]
    MissingArgument {
        /// The transform.
        transform: &'static str,
        /// The argument.
        argument: &'static str,
    },
    /// An argument is outside its domain or of the wrong type.
    #[error("{transform}: {argument} must be {expected}, not {got}")]
    Argument {
        /// The transform.
        transform: &'static str,
        /// The argument.
        argument: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it was.
        got: String,
    },
    /// A transform stands where it cannot work.
    #[error("{transform} (number {position}) {rule}")]
    Order {
        /// The transform.
        transform: &'static str,
        /// Its place in the chain, from 1.
        position: usize,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// The chain ends in an image where a tensor is needed.
    #[error("the transforms end in an image; add ToTensor")]
    NoToTensor,
    /// The crop is larger than the image.
    #[error(
        "{transform}: a crop of {crop:?} (height, width) does not fit an image of {image:?}; add padding, pad_if_needed or a Resize"
    )]
    CropTooLarge {
        /// The transform.
        transform: &'static str,
        /// Height and width of the crop.
        crop: [usize; 2],
        /// Height and width of the image, padding included.
        image: [usize; 2],
    },
    /// An argument has one value a channel, but the image has other channels.
    #[error("{transform}: {argument} has {values} values, but the image has {channels} channels")]
    Channels {
        /// The transform.
        transform: &'static str,
        /// The argument.
        argument: &'static str,
        /// The values given.
        values: usize,
        /// The channels of the image.
        channels: usize,
    },
    /// The result would have more pixels than an image may.
    #[error(
        "{transform}: the result of {size:?} (height, width) exceeds {} pixels a side",
        crate::image::MAX_SIDE
    )]
    TooLarge {
        /// The transform.
        transform: &'static str,
        /// Height and width of the result.
        size: [usize; 2],
    },
}

fn known(names: &[&'static str]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}
