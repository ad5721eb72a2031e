//! Transforms with torchvision's names, parameters and meaning, and their composition.
//!
//! Images are transformed as 8-bit pixels with PIL's arithmetic; [`ToTensor`] turns them into f32 (C, H, W); [`Normalize`] and
//! [`RandomErasing`] work on that. A transform states which of the two it takes by the trait it implements, so a wrong
//! order is refused when the chain is built. Randomness comes from the [`Rng`] passed in, never from the transform.

mod affine;
mod center_crop;
mod color;
mod color_jitter;
mod error;
mod flip;
#[cfg(test)]
mod golden;
mod grayscale;
mod normalize;
mod pad;
mod random_affine;
mod random_crop;
mod random_erasing;
mod random_resized_crop;
mod random_rotation;
mod registry;
mod resample;
mod resize;
mod spec;
mod to_tensor;

pub use center_crop::CenterCrop;
pub use color_jitter::{ColorJitter, ColorJitterConfig};
pub use error::TransformError;
pub use flip::{RandomHorizontalFlip, RandomVerticalFlip};
pub use grayscale::{Grayscale, RandomGrayscale};
pub use normalize::Normalize;
pub use pad::{Pad, PadConfig, PaddingMode};
pub use random_affine::{RandomAffine, RandomAffineConfig};
pub use random_crop::{RandomCrop, RandomCropConfig};
pub use random_erasing::{EraseValue, RandomErasing, RandomErasingConfig};
pub use random_resized_crop::{RandomResizedCrop, RandomResizedCropConfig};
pub use random_rotation::{RandomRotation, RandomRotationConfig};
pub use registry::transforms;
pub use resize::{Resize, ResizeConfig, ResizeSize};
pub use spec::{ArgDefault, ArgInfo, TransformInfo, TransformSpec, Value};
pub use to_tensor::ToTensor;

use std::fmt::Debug;
use std::ops::Range;

use gradus_random::Rng;
use gradus_tensor::Tensor;

use crate::error::Result;
use crate::image::{Image, MAX_SIDE};
use crate::nearest::nearest;

/// How pixels between pixels are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// The pixel whose square holds the point.
    Nearest,
    /// From the four pixels around, linearly.
    Bilinear,
    /// From the sixteen pixels around, by cubics.
    Bicubic,
}

/// A transform from image to image.
pub trait ImageTransform: Debug + Send + Sync {
    /// Its name in torchvision.
    fn name(&self) -> &'static str;

    /// Whether it reads random numbers. One that does not must give the same image for the same image.
    fn is_random(&self) -> bool;

    /// Transforms an image.
    ///
    /// # Errors
    /// An image that the transform does not fit.
    fn apply(&self, image: Image, rng: &mut Rng) -> Result<Image>;
}

/// A transform from tensor to tensor, f32 (C, H, W).
pub trait TensorTransform: Debug + Send + Sync {
    /// Its name in torchvision.
    fn name(&self) -> &'static str;

    /// Whether it reads random numbers. One that does not must give the same tensor for the same tensor.
    fn is_random(&self) -> bool;

    /// Transforms a tensor.
    ///
    /// # Errors
    /// A tensor that the transform does not fit.
    fn apply(&self, x: Tensor, rng: &mut Rng) -> Result<Tensor>;
}

/// One transform of a chain, by what it takes and gives.
#[derive(Debug)]
pub enum Step {
    /// Image to image.
    Image(Box<dyn ImageTransform>),
    /// Image to tensor.
    ToTensor(ToTensor),
    /// Tensor to tensor.
    Tensor(Box<dyn TensorTransform>),
}

impl Step {
    /// An image transform as a step.
    pub fn image(transform: impl ImageTransform + 'static) -> Self {
        Self::Image(Box::new(transform))
    }

    /// A tensor transform as a step.
    pub fn tensor(transform: impl TensorTransform + 'static) -> Self {
        Self::Tensor(Box::new(transform))
    }

    /// The transform's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Image(transform) => transform.name(),
            Self::ToTensor(_) => "ToTensor",
            Self::Tensor(transform) => transform.name(),
        }
    }

    /// Whether the transform reads random numbers.
    pub fn is_random(&self) -> bool {
        match self {
            Self::Image(transform) => transform.is_random(),
            Self::ToTensor(_) => false,
            Self::Tensor(transform) => transform.is_random(),
        }
    }
}

/// What flows through a chain of transforms.
#[derive(Clone, Debug)]
pub enum Item {
    /// 8-bit pixels, before `ToTensor`.
    Image(Image),
    /// f32 (C, H, W), from `ToTensor` on.
    Tensor(Tensor),
}

impl Item {
    /// The memory of its values, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Image(image) => image.pixels().len(),
            Self::Tensor(x) => x.numel() * x.dtype().size(),
        }
    }
}

/// Transforms one after the other: image transforms, then `ToTensor`, then tensor transforms.
///
/// ```
/// use gradus_data::{Compose, Image, Item, TransformSpec};
/// use gradus_random::Rng;
/// let chain = Compose::from_specs(&[
///     TransformSpec::new("Resize").with("size", 4.0),
///     TransformSpec::new("ToTensor"),
///     TransformSpec::new("Normalize").with("mean", [0.5]).with("std", [0.5]),
/// ])?;
/// let image = Image::new(2, 2, 1, vec![255; 4])?;
/// let Item::Tensor(x) = chain.apply(image, &mut Rng::new(42, 0, 0))? else { unreachable!() };
/// assert_eq!(x.dims(), [1, 4, 4]);
/// assert_eq!(x.to_vec::<f32>()?, [1.0; 16]);
///
/// let wrong = Compose::from_specs(&[TransformSpec::new("Rezise").with("size", 4.0)]);
/// assert!(wrong.unwrap_err().to_string().contains("did you mean \"Resize\"?"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Compose {
    steps: Vec<Step>,
}

impl Compose {
    /// A chain, checked for its order.
    ///
    /// # Errors
    /// [`TransformError::Order`] for an image transform or second `ToTensor` after `ToTensor`, or a tensor transform before it.
    pub fn new(steps: Vec<Step>) -> Result<Self, TransformError> {
        let mut is_tensor = false;
        for (i, step) in steps.iter().enumerate() {
            let rule = match step {
                Step::Image(_) if is_tensor => "works on images: put it before ToTensor",
                Step::ToTensor(_) if is_tensor => "stands twice: leave one out",
                Step::Tensor(_) if !is_tensor => "works on tensors: put it after ToTensor",
                _ => {
                    is_tensor |= matches!(step, Step::ToTensor(_));
                    continue;
                }
            };
            return Err(TransformError::Order {
                transform: step.name(),
                position: i + 1,
                rule,
            });
        }
        Ok(Self { steps })
    }

    /// A chain from names and arguments.
    ///
    /// # Errors
    /// Unknown names and arguments with the nearest known ones, missing and wrong arguments, wrong order.
    pub fn from_specs(specs: &[TransformSpec]) -> Result<Self, TransformError> {
        let steps = specs.iter().map(build_step).collect::<Result<_, _>>()?;
        Self::new(steps)
    }

    /// The transforms in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether the chain turns images into tensors.
    pub fn gives_tensor(&self) -> bool {
        self.steps
            .iter()
            .any(|step| matches!(step, Step::ToTensor(_)))
    }

    /// The number of leading transforms that read no random number: what they give can be kept.
    pub fn fixed_prefix(&self) -> usize {
        self.steps
            .iter()
            .position(Step::is_random)
            .unwrap_or(self.steps.len())
    }

    /// Applies all transforms to an image.
    ///
    /// # Errors
    /// The first error of a transform.
    pub fn apply(&self, image: Image, rng: &mut Rng) -> Result<Item> {
        self.apply_range(Item::Image(image), 0..self.steps.len(), rng)
    }

    /// Applies some of the transforms; `item` must be what the one before gives.
    pub(crate) fn apply_range(
        &self,
        mut item: Item,
        range: Range<usize>,
        rng: &mut Rng,
    ) -> Result<Item> {
        for (i, step) in self
            .steps
            .iter()
            .enumerate()
            .take(range.end)
            .skip(range.start)
        {
            item = match (step, item) {
                (Step::Image(transform), Item::Image(image)) => {
                    Item::Image(transform.apply(image, rng)?)
                }
                (Step::ToTensor(transform), Item::Image(image)) => {
                    Item::Tensor(transform.apply(&image)?)
                }
                (Step::Tensor(transform), Item::Tensor(x)) => {
                    Item::Tensor(transform.apply(x, rng)?)
                }
                (step, _) => {
                    let rule = "got an image for a tensor or the reverse";
                    return Err(TransformError::Order {
                        transform: step.name(),
                        position: i + 1,
                        rule,
                    }
                    .into());
                }
            };
        }
        Ok(item)
    }
}

fn build_step(spec: &TransformSpec) -> Result<Step, TransformError> {
    let Some(info) = transforms().iter().find(|info| info.name == spec.name) else {
        let nearest =
            nearest(&spec.name, transforms().iter().map(|info| info.name)).map(str::to_owned);
        return Err(TransformError::Unknown {
            name: spec.name.clone(),
            nearest,
        });
    };
    (info.build)(&spec::Args::new(info, &spec.args)?)
}

/// `Err` with the argument's rule and value unless it holds.
fn ensure(
    holds: bool,
    transform: &'static str,
    argument: &'static str,
    expected: &'static str,
    got: impl Debug,
) -> Result<(), TransformError> {
    if holds {
        Ok(())
    } else {
        Err(TransformError::Argument {
            transform,
            argument,
            expected,
            got: format!("{got:?}"),
        })
    }
}

fn ensure_probability(transform: &'static str, p: f64) -> Result<(), TransformError> {
    ensure((0.0..=1.0).contains(&p), transform, "p", "in 0..=1", p)
}

fn ensure_size(transform: &'static str, size: [usize; 2]) -> Result<(), TransformError> {
    let holds = size
        .iter()
        .all(|&side| side > 0 && side <= MAX_SIDE as usize);
    ensure(holds, transform, "size", "1 to 16384 a side", size)
}

/// A pair `low <= high` of finite numbers within bounds.
fn ensure_range(
    transform: &'static str,
    argument: &'static str,
    [low, high]: [f64; 2],
    within: [f64; 2],
    expected: &'static str,
) -> Result<(), TransformError> {
    let holds =
        low.is_finite() && high.is_finite() && within[0] <= low && low <= high && high <= within[1];
    ensure(holds, transform, argument, expected, [low, high])
}

fn ensure_fill(transform: &'static str, fill: &[u8]) -> Result<(), TransformError> {
    ensure(
        matches!(fill.len(), 1 | 3),
        transform,
        "fill",
        "one level, or one level a channel",
        fill,
    )
}

/// The levels with which an image of `channels` is filled: one for all, or one each.
fn fill_levels(
    transform: &'static str,
    fill: &[u8],
    channels: usize,
) -> Result<Vec<u8>, TransformError> {
    match fill {
        [level] => Ok(vec![*level; channels]),
        levels if levels.len() == channels => Ok(levels.to_vec()),
        levels => Err(TransformError::Channels {
            transform,
            argument: "fill",
            values: levels.len(),
            channels,
        }),
    }
}

/// A whole number from 0 up to `most`, both included: `torch.randint(0, most + 1)`.
fn random_up_to(rng: &mut Rng, most: usize) -> usize {
    // The number drawn is at most `most`, so it fits.
    usize::try_from(rng.below(most as u64 + 1)).unwrap_or(most)
}

/// Python's `round`: half to even.
fn round_half_even(x: f64) -> usize {
    // Callers pass sizes below 2^31; negative and NaN become 0.
    x.round_ties_even() as usize
}
