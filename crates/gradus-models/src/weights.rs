//! Weights from files.

use std::path::Path;

use gradus_autograd::Shape;
use gradus_checkpoint::{
    CheckpointError, Metadata, StateDict, compare_keys, load_state_dict, shapes,
};
use gradus_nn::ParamStore;

/// Loads a safetensors file into a store, and returns the file's metadata.
///
/// # Errors
/// [`CheckpointError::Keys`] with all missing, unexpected and misshapen names together and the nearest ones; what is
/// wrong with the file. The store is unchanged then.
pub fn load_weights(store: &ParamStore, path: &Path) -> Result<Metadata, CheckpointError> {
    let (state, metadata) = load_state_dict(path)?;
    load_weights_from(store, &state, path)?;
    Ok(metadata)
}

/// Loads a state dict into a store; `path` says in messages where it is from.
///
/// # Errors
/// As [`load_weights`].
pub fn load_weights_from(
    store: &ParamStore,
    state: &StateDict,
    path: &Path,
) -> Result<(), CheckpointError> {
    require_keys(&store.keys(), &shapes(state), path)?;
    store
        .load_state_dict(state)
        .map_err(|cause| CheckpointError::Tensor {
            path: path.to_owned(),
            tensor: String::from("(any)"),
            cause,
        })
}

/// Refuses names and shapes that are not those expected.
pub(crate) fn require_keys(
    expected: &[(String, Shape)],
    found: &[(String, Shape)],
    path: &Path,
) -> Result<(), CheckpointError> {
    compare_keys(expected, found).map_err(|report| CheckpointError::Keys {
        path: path.to_owned(),
        report,
    })
}
