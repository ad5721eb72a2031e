//! The parameter store: every parameter and buffer of a model by name, in the order of their making.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gradus_autograd::{
    Buffer, DType, Error, IntoShape, Parameter, Result, ResultExt, Shape, Tensor,
};
use gradus_random::stream_of;

use crate::entry::{Entries, Entry, Start, Waiting};
use crate::{Adapter, Init, LoraConfig, is_adapter_key};

/// All parameters and buffers of a model. Cheap to clone; clones share.
///
/// The initial value of a parameter is a function of the store's seed and the parameter's name: it depends neither on
/// the order in which layers are made nor on the number of threads.
#[derive(Clone)]
pub struct ParamStore {
    shared: Arc<Shared>,
}

struct Shared {
    seed: u64,
    dtype: DType,
    deferred: bool,
    entries: Mutex<Entries>,
    adapters: Mutex<Vec<Adapter>>,
}

impl ParamStore {
    /// A store whose parameters are f32 and initialised from `seed`.
    pub fn seeded(seed: u64) -> Self {
        Self::with_dtype(seed, DType::F32)
    }

    /// A store with parameters of another float dtype, for instance f64 to check gradients.
    ///
    /// With bf16 it keeps matrices in bf16 and all else, biases and norms, in f32: half of the memory, and half of what a product with few
    /// rows reads. Linear layers and embeddings compute with such weights; they are for inference, as an optimizer's steps are often
    /// smaller than what bf16 can tell apart.
    pub fn with_dtype(seed: u64, dtype: DType) -> Self {
        Self::new(seed, dtype, false)
    }

    /// A store for a model whose values come from a file: parameters have a shape and take no memory until
    /// [`ParamStore::load_state_dict`] or [`ParamStore::initialise`] gives them a value. Before, they read as 0.
    ///
    /// ```
    /// use gradus_nn::{DType, Linear, ParamStore};
    /// let (now, later) = (ParamStore::seeded(1), ParamStore::deferred(1, DType::F32));
    /// for store in [&now, &later] {
    ///     Linear::new(&store.root(), 4, 2)?;
    /// }
    /// later.initialise(|_| true)?; // the values that a store of this seed gives at once
    /// let [a, b] = [&now, &later].map(|store| store.state_dict()[0].1.to_vec::<f32>());
    /// assert_eq!(a?, b?);
    /// # Ok::<(), gradus_nn::Error>(())
    /// ```
    pub fn deferred(seed: u64, dtype: DType) -> Self {
        Self::new(seed, dtype, true)
    }

    fn new(seed: u64, dtype: DType, deferred: bool) -> Self {
        Self {
            shared: Arc::new(Shared {
                seed,
                dtype,
                deferred,
                entries: Mutex::default(),
                adapters: Mutex::default(),
            }),
        }
    }

    /// The path at which a model is built.
    pub fn root(&self) -> Scope {
        Scope {
            store: self.clone(),
            path: String::new(),
            lora: None,
        }
    }

    /// The adapters of all layers that have one, in the order of their making.
    pub fn adapters(&self) -> Vec<Adapter> {
        let adapters = self.shared.adapters.lock();
        adapters.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds what the adapters learned to the weights themselves; see [`Adapter::merge`].
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn merge_adapters(&self) -> Result<()> {
        self.adapters().iter().try_for_each(Adapter::merge)
    }

    /// All parameters, in the order of their making.
    pub fn parameters(&self) -> Vec<Parameter> {
        let parameter = |entry: &Entry| match entry {
            Entry::Parameter(parameter, _) => Some(parameter.clone()),
            Entry::Buffer(_) => None,
        };
        self.entries().all.iter().filter_map(parameter).collect()
    }

    /// All buffers, in the order of their making.
    pub fn buffers(&self) -> Vec<Buffer> {
        let buffer = |entry: &Entry| match entry {
            Entry::Buffer(buffer) => Some(buffer.clone()),
            Entry::Parameter(..) => None,
        };
        self.entries().all.iter().filter_map(buffer).collect()
    }

    /// How many numbers the parameters hold.
    pub fn parameter_count(&self) -> usize {
        self.parameters()
            .iter()
            .map(|parameter| parameter.shape().numel())
            .fold(0, usize::saturating_add)
    }

    /// The values of all parameters and buffers by name, in the order of their making.
    pub fn state_dict(&self) -> Vec<(String, Tensor)> {
        self.entries()
            .all
            .iter()
            .map(|entry| (entry.name().to_owned(), entry.tensor()))
            .collect()
    }

    /// The names and shapes that [`ParamStore::load_state_dict`] takes.
    pub fn keys(&self) -> Vec<(String, Shape)> {
        self.entries()
            .all
            .iter()
            .map(|entry| (entry.name().to_owned(), *entry.tensor().shape()))
            .collect()
    }

    /// Gives those parameters of a deferred store that `these` picks by name, and that have no value yet, the value that they start from.
    ///
    /// # Errors
    /// Those of the init, and [`Error::OutOfMemory`], at the parameter's key.
    pub fn initialise(&self, these: impl Fn(&str) -> bool) -> Result<()> {
        let Shared { seed, dtype, .. } = *self.shared;
        let waiting = self.entries().waiting();
        for (parameter, start) in waiting {
            let key = parameter.name();
            if these(key) {
                let value = start.make(key, *parameter.shape(), dtype, seed);
                parameter.set(value.at(|| key.to_owned())?)?;
            }
        }
        Ok(())
    }

    /// Puts values in the place of all parameters and buffers. Floats are converted to the store's dtype. Nothing
    /// changes if there is an error.
    ///
    /// # Errors
    /// [`Error::Length`] at a name that is missing or not known here; [`Error::ShapeMismatch`] at one of another shape.
    /// `gradus_checkpoint::compare_keys` reports all of these together with the nearest names.
    pub fn load_state_dict(&self, state: &[(String, Tensor)]) -> Result<()> {
        let entries = self.entries();
        let op = "load_state_dict";
        if let Some((name, _)) = state.iter().find(|(name, _)| !entries.contains(name)) {
            return Err(Error::Length {
                op,
                expected: 0,
                got: 1,
            }
            .at(format!("unexpected key {name}")));
        }
        let mut given: BTreeMap<&str, &Tensor> = BTreeMap::new();
        for (name, value) in state {
            given.entry(name).or_insert(value);
        }
        let mut values = Vec::with_capacity(entries.all.len());
        for entry in &entries.all {
            let name = entry.name();
            let missing = || {
                Error::Length {
                    op,
                    expected: 1,
                    got: 0,
                }
                .at(format!("missing key {}", entry.name()))
            };
            let value = given.get(name).ok_or_else(missing)?;
            let current = entry.tensor();
            if value.shape() != current.shape() {
                let rule = "the checkpoint's tensor has another shape than the model's";
                return Err(Error::ShapeMismatch {
                    op,
                    lhs: *current.shape(),
                    rhs: *value.shape(),
                    rule,
                }
                .at(name));
            }
            values.push(value.to_dtype(current.dtype()).at(|| name.to_owned())?);
        }
        // A value of one owner, which updates can change in place.
        entries
            .all
            .iter()
            .zip(values)
            .try_for_each(|(entry, value)| entry.set(value.deep_copy()?))
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.shared
            .entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ParamStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ParamStore of {} entries, {} parameters",
            self.entries().all.len(),
            self.parameter_count()
        )
    }
}

/// A path in a store: where a module makes its parameters.
#[derive(Clone, Debug)]
pub struct Scope {
    store: ParamStore,
    path: String,
    lora: Option<Arc<LoraConfig>>,
}

impl Scope {
    /// The path one step down: `scope.at("layer1").at(0)` is `layer1.0`.
    #[must_use]
    pub fn at(&self, name: impl Display) -> Self {
        Self {
            store: self.store.clone(),
            path: self.key(name),
            lora: self.lora.clone(),
        }
    }

    /// The same path, where the linear layers that the configuration picks get adapters and all else is frozen.
    #[must_use]
    pub fn with_lora(&self, config: LoraConfig) -> Self {
        Self {
            lora: Some(Arc::new(config)),
            ..self.clone()
        }
    }

    /// What layers made here are adapted by.
    pub fn lora(&self) -> Option<&LoraConfig> {
        self.lora.as_deref()
    }

    pub(crate) fn adapted(&self, adapter: Adapter) {
        let adapters = self.store.shared.adapters.lock();
        adapters
            .unwrap_or_else(PoisonError::into_inner)
            .push(adapter);
    }

    /// The path, as keys show it; empty at the root.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The random stream of the module at this path.
    pub fn stream(&self) -> u64 {
        stream_of(&self.path)
    }

    /// The dtype of new parameters.
    pub fn dtype(&self) -> DType {
        self.store.shared.dtype
    }

    /// Makes a parameter.
    ///
    /// # Errors
    /// Those of the shape and of the init; [`Error::Length`] if the name is taken; each at the parameter's key.
    pub fn parameter(&self, name: &str, shape: impl IntoShape, init: Init) -> Result<Parameter> {
        let start = Start {
            init,
            zero_row: None,
        };
        self.start(name, shape, start)
    }

    /// [`Scope::parameter`] that starts so.
    pub(crate) fn start(
        &self,
        name: &str,
        shape: impl IntoShape,
        start: Start,
    ) -> Result<Parameter> {
        let key = self.key(name);
        let Shared { seed, dtype, .. } = *self.store.shared;
        let shape = shape.into_shape().at(|| key.clone())?;
        // What is multiplied with and looked up, not what is added to it.
        let dtype = match dtype {
            DType::BF16 if shape.rank() != 2 || is_adapter_key(&key) => DType::F32,
            dtype => dtype,
        };
        let (value, waiting) = if self.store.shared.deferred {
            let waiting = Waiting::new(start, shape, dtype).at(|| key.clone())?;
            (waiting.stand_in(), Some(Box::new(waiting)))
        } else {
            let value = start.make(&key, shape, dtype, seed);
            (value.at(|| key.clone())?, None)
        };
        let parameter = Parameter::new(key, value);
        if let Some(lora) = &self.lora {
            let key = parameter.name();
            parameter.set_trainable(is_adapter_key(key) || lora.trains(key));
        }
        let entry = Entry::Parameter(parameter.clone(), waiting);
        self.store.entries().add(entry)?;
        Ok(parameter)
    }

    /// Makes a buffer.
    ///
    /// # Errors
    /// [`Error::Length`] at the buffer's key if the name is taken.
    pub fn buffer(&self, name: &str, value: Tensor) -> Result<Buffer> {
        let buffer = Buffer::new(self.key(name), value);
        self.store.entries().add(Entry::Buffer(buffer.clone()))?;
        Ok(buffer)
    }

    fn key(&self, name: impl Display) -> String {
        if self.path.is_empty() {
            name.to_string()
        } else {
            format!("{}.{name}", self.path)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(seed: u64, names: &[&str]) -> ParamStore {
        let store = ParamStore::seeded(seed);
        for name in names {
            store
                .root()
                .at(name)
                .parameter(
                    "weight",
                    [4, 3],
                    Init::Normal {
                        mean: 0.0,
                        std: 1.0,
                    },
                )
                .unwrap();
        }
        store
    }

    #[test]
    fn initial_values_depend_on_seed_and_name_only() {
        let value = |store: &ParamStore, key: &str| {
            let found = store
                .state_dict()
                .into_iter()
                .find(|(name, _)| name == key)
                .unwrap();
            found.1.to_vec::<f32>().unwrap()
        };
        let (a, b) = (store(1, &["x", "y"]), store(1, &["y", "x"]));
        assert_eq!(value(&a, "x.weight"), value(&b, "x.weight"));
        assert_ne!(value(&a, "x.weight"), value(&a, "y.weight"));
        assert_ne!(value(&a, "x.weight"), value(&store(2, &["x"]), "x.weight"));
    }

    #[test]
    fn deferred_parameters_have_shapes_and_no_memory_until_they_get_values() {
        let store = ParamStore::deferred(1, DType::F32);
        let at = store.root().at("large");
        let large = at.parameter("weight", [1 << 31, 1 << 20], Init::Ones);
        assert_eq!(large.unwrap().shape().dims(), [1 << 31, 1 << 20]);
        assert_eq!(store.parameter_count(), 1 << 51);
        let error = store.initialise(|_| true).unwrap_err().to_string();
        assert!(error.starts_with("large.weight: out of memory"), "{error}");

        let store = ParamStore::deferred(1, DType::F32);
        let start = Start {
            init: Init::Ones,
            zero_row: Some(1),
        };
        let values = || -> Vec<Vec<f32>> {
            let state = store.state_dict().into_iter();
            state.map(|(_, x)| x.to_vec().unwrap()).collect()
        };
        store.root().start("a", [3, 1], start).unwrap();
        store.root().parameter("b", [2], Init::Ones).unwrap();
        let c = store.root().parameter("c", [1], Init::Ones).unwrap();
        assert_eq!(values(), [vec![0.0; 3], vec![0.0; 2], vec![0.0]]);
        c.set(Tensor::constant([1], DType::F32, 7.0).unwrap())
            .unwrap();
        store.initialise(|name| name != "b").unwrap();
        let (first, last) = (vec![1.0, 0.0, 1.0], vec![7.0]);
        assert_eq!(values(), [first, vec![0.0; 2], last], "values stay");
        let two = |dims: &[usize]| Tensor::constant(dims, DType::F32, 2.0).unwrap();
        let state = [("a", &[3, 1][..]), ("b", &[2]), ("c", &[1])];
        let state = state.map(|(name, dims)| (name.to_owned(), two(dims)));
        store.load_state_dict(&state).unwrap();
        store.initialise(|_| true).unwrap();
        assert_eq!(values(), [vec![2.0; 3], vec![2.0; 2], vec![2.0]]);
    }

    #[test]
    fn names_are_unique() {
        let store = store(1, &["x"]);
        let error = store
            .root()
            .at("x")
            .parameter("weight", [1], Init::Zeros)
            .unwrap_err();
        assert!(
            error.to_string().starts_with("x.weight is made twice"),
            "{error}"
        );
    }

    #[test]
    fn state_dicts_round_trip_and_bad_ones_change_nothing() {
        let (from, to) = (store(1, &["x", "y"]), store(2, &["x", "y"]));
        to.load_state_dict(&from.state_dict()).unwrap();
        for ((_, a), (_, b)) in from.state_dict().iter().zip(to.state_dict()) {
            assert_eq!(a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap());
            assert!(!a.same_storage(&b));
        }
        let before = to.state_dict()[0].1.to_vec::<f32>().unwrap();
        let mut bad = store(3, &["x", "y"]).state_dict();
        bad[1].1 = Tensor::zeros([4, 4], DType::F32).unwrap();
        let error = to.load_state_dict(&bad).unwrap_err().to_string();
        assert!(
            error.contains("y.weight") && error.contains("(4, 3)") && error.contains("(4, 4)"),
            "{error}"
        );
        bad.remove(1);
        assert!(
            to.load_state_dict(&bad)
                .unwrap_err()
                .to_string()
                .contains("missing key y.weight")
        );
        bad.push(("z".into(), Tensor::zeros([1], DType::F32).unwrap()));
        assert!(
            to.load_state_dict(&bad)
                .unwrap_err()
                .to_string()
                .contains("unexpected key z")
        );
        assert_eq!(to.state_dict()[0].1.to_vec::<f32>().unwrap(), before);
    }
}
