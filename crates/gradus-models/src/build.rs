//! Models by name.

use std::path::PathBuf;

use gradus_checkpoint::CheckpointError;
use gradus_nn::{Error, Module, Scope};

use crate::{Architecture, ConfigFault};
use crate::{
    LstmClassifier, LstmClassifierConfig, Mlp, MlpConfig, ResNet, ResNetConfig, Stem, TutorialCnn,
    TutorialCnnConfig, Vit, VitConfig,
};

/// What an image classifier is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageInput {
    /// Channels of the images.
    pub channels: usize,
    /// Height and width of the images, in pixels.
    pub size: [usize; 2],
    /// How many classes the model tells apart.
    pub classes: usize,
}

/// A model that [`build`] knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelInfo {
    /// The name in configs.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
}

/// All models that [`build`] knows.
pub const MODELS: &[ModelInfo] = &[
    ModelInfo {
        name: "mlp",
        about: "784-512-512-classes perceptron with ReLU, for images of any size",
    },
    ModelInfo {
        name: "tutorial-cnn",
        about: "two convolutions and three linear layers, for 32×32 images",
    },
    ModelInfo {
        name: "tutorial-cnn-dropout",
        about: "tutorial-cnn with half of the features dropped before its last two layers",
    },
    ModelInfo {
        name: "lstm",
        about: "two LSTM layers of 128 units over the rows of an image, for images of any size",
    },
    ModelInfo {
        name: "resnet18",
        about: "ResNet-18; a 3×3 stem for images up to 64 pixels, else torchvision's 7×7",
    },
    ModelInfo {
        name: "resnet34",
        about: "ResNet-34, stems as resnet18",
    },
    ModelInfo {
        name: "resnet50",
        about: "ResNet-50 with bottleneck blocks, stems as resnet18",
    },
    ModelInfo {
        name: "vit-tiny",
        about: "ViT-Tiny; patches of 4×4 for images up to 64 pixels, else 16×16",
    },
];

/// The result of building, reading or writing a model.
pub(crate) type ModelResult<T> = Result<T, ModelError>;

/// Why a model could not be built, read or written.
#[derive(Debug)]
#[non_exhaustive]
pub enum ModelError {
    /// No model of this name.
    Unknown {
        /// The name.
        name: String,
    },
    /// The model does not take such images.
    Input {
        /// The model's name.
        name: &'static str,
        /// What it was to be built for.
        input: ImageInput,
        /// What it takes.
        takes: &'static str,
    },
    /// A `config.json` cannot be read, or is not what its architecture takes.
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: ConfigFault,
    },
    /// The architecture has no such head.
    Head {
        /// The architecture.
        architecture: Architecture,
        /// The name of the head.
        head: &'static str,
        /// The names of those that it has.
        has: &'static str,
    },
    /// The architecture is known, but its models do not read tokens alone.
    NotText {
        /// The architecture.
        architecture: Architecture,
    },
    /// No layer has a name that an adapter is asked for.
    NoTarget {
        /// The names and patterns.
        targets: Vec<String>,
        /// How the names of the linear layers end.
        layers: Vec<String>,
    },
    /// Weights cannot be read or written, or are another model's.
    Checkpoint(CheckpointError),
    /// Making a layer failed.
    Tensor(Error),
}

impl std::fmt::Display for ModelError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown { name } => {
                let known: Vec<&str> = MODELS.iter().map(|model| model.name).collect();
                write!(
                    f,
                    "model: unknown name {name:?}; known are {}",
                    known.join(", ")
                )
            }
            Self::Input { name, input, takes } => {
                let ImageInput {
                    channels,
                    size: [height, width],
                    ..
                } = input;
                write!(
                    f,
                    "model {name}: takes {takes}, got {channels} channels of {height}×{width}; resize the images or choose another model"
                )
            }
            Self::Config { path, fault } => write!(f, "{}: {fault}", path.display()),
            Self::Head {
                architecture,
                head,
                has,
            } => write!(
                f,
                "model {architecture}: has no head {head:?}; its heads are {has}"
            ),
            Self::NotText { architecture } => write!(
                f,
                "model {architecture}: is no text model that is built from a folder alone"
            ),
            Self::NoTarget { targets, layers } => write!(
                f,
                "adapter: no linear layer is named {}; their names end in {}",
                targets.join(", "),
                layers.join(", ")
            ),
            Self::Checkpoint(error) => write!(f, "{error}"),
            Self::Tensor(error) => write!(f, "model: {error}"),
        }
    }
}

impl std::error::Error for ModelError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Tensor(error) => Some(error),
            Self::Checkpoint(error) => Some(error),
            _ => None,
        }
    }
}

impl From<Error> for ModelError {
    fn from(error: Error) -> Self {
        Self::Tensor(error)
    }
}

impl From<CheckpointError> for ModelError {
    fn from(error: CheckpointError) -> Self {
        Self::Checkpoint(error)
    }
}

/// Builds the model of this name for these images, at `scope`.
///
/// # Errors
/// [`ModelError::Unknown`] with the known names; [`ModelError::Input`] for images that the model does not take;
/// [`ModelError::Tensor`] if a layer cannot be made.
pub fn build(name: &str, scope: &Scope, input: &ImageInput) -> Result<Box<dyn Module>, ModelError> {
    let ImageInput {
        channels,
        size,
        classes,
    } = *input;
    let resnet = |name, config: fn() -> ResNetConfig| -> Result<Box<dyn Module>, ModelError> {
        if size.contains(&0) || channels == 0 {
            return Err(ModelError::Input {
                name,
                input: *input,
                takes: "images of at least one pixel",
            });
        }
        let stem = if size[0].max(size[1]) <= 64 {
            Stem::Small
        } else {
            Stem::ImageNet
        };
        Ok(Box::new(ResNet::new(
            scope,
            &ResNetConfig {
                channels,
                classes,
                stem,
                ..config()
            },
        )?))
    };
    match name {
        "mlp" => {
            let features = channels.saturating_mul(size[0]).saturating_mul(size[1]);
            Ok(Box::new(Mlp::new(
                scope,
                &MlpConfig {
                    inputs: features,
                    classes,
                    ..MlpConfig::default()
                },
            )?))
        }
        "lstm" => lstm(scope, input),
        "tutorial-cnn" | "tutorial-cnn-dropout" => {
            if size != [32, 32] || channels == 0 {
                return Err(ModelError::Input {
                    name: "tutorial-cnn",
                    input: *input,
                    takes: "images of 32×32",
                });
            }
            Ok(Box::new(TutorialCnn::new(
                scope,
                &TutorialCnnConfig {
                    channels,
                    classes,
                    dropout: if name == "tutorial-cnn" { 0.0 } else { 0.5 },
                },
            )?))
        }
        "resnet18" => resnet("resnet18", ResNetConfig::resnet18),
        "resnet34" => resnet("resnet34", ResNetConfig::resnet34),
        "resnet50" => resnet("resnet50", ResNetConfig::resnet50),
        "vit-tiny" => vit(scope, input),
        _ => Err(ModelError::Unknown {
            name: name.to_owned(),
        }),
    }
}

/// The LSTM, with a row of all channels as a step.
fn lstm(scope: &Scope, input: &ImageInput) -> ModelResult<Box<dyn Module>> {
    let ImageInput {
        channels,
        size: [height, width],
        classes,
    } = *input;
    let features = channels.saturating_mul(width);
    if height == 0 || features == 0 {
        return Err(ModelError::Input {
            name: "lstm",
            input: *input,
            takes: "images of at least one pixel",
        });
    }
    let config = LstmClassifierConfig {
        features,
        classes,
        ..LstmClassifierConfig::default()
    };
    Ok(Box::new(LstmClassifier::new(scope, &config)?))
}

/// ViT-Tiny with patches that suit the images; pixels right and below of the last whole patch are not seen.
fn vit(scope: &Scope, input: &ImageInput) -> ModelResult<Box<dyn Module>> {
    let ImageInput {
        channels,
        size: image,
        classes,
    } = *input;
    let side = if image[0].max(image[1]) <= 64 { 4 } else { 16 };
    if image[0].min(image[1]) < side || channels == 0 {
        return Err(ModelError::Input {
            name: "vit-tiny",
            input: *input,
            takes: "images of at least one patch: 4×4 pixels, or 16×16 if a side is over 64",
        });
    }
    let config = VitConfig {
        image,
        patch: [side; 2],
        channels,
        ..VitConfig::tiny()
    };
    let labels: Vec<String> = (0..classes).map(|class| class.to_string()).collect();
    Ok(Box::new(Vit::new(scope, &config, Some(&labels))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_nn::{Ctx, DType, ParamStore, Tensor, Var};

    fn input(size: usize) -> ImageInput {
        ImageInput {
            channels: 3,
            size: [size, size],
            classes: 7,
        }
    }

    #[test]
    fn every_listed_model_builds_and_runs() {
        for model in MODELS {
            let store = ParamStore::seeded(1);
            let net = build(model.name, &store.root(), &input(32)).unwrap();
            let x = Var::constant(Tensor::full([2, 3, 32, 32], 0.1_f32).unwrap());
            assert_eq!(
                net.forward(&x, &Ctx::eval()).unwrap().dims(),
                [2, 7],
                "{}",
                model.name
            );
            assert!(
                store
                    .parameters()
                    .iter()
                    .all(|p| p.tensor().dtype() == DType::F32)
            );
        }
    }

    #[test]
    fn misuse_is_refused_with_what_to_do() {
        let scope = ParamStore::seeded(1).root();
        let message =
            |name: &str, size| build(name, &scope, &input(size)).err().unwrap().to_string();
        assert!(
            message("resnet19", 32)
                .contains("known are mlp, tutorial-cnn, tutorial-cnn-dropout, lstm")
        );
        assert!(
            message("tutorial-cnn", 28).contains("takes images of 32×32, got 3 channels of 28×28")
        );
        assert!(build("resnet18", &scope, &input(0)).is_err());
        assert!(message("vit-tiny", 3).contains("at least one patch"));
    }
}
