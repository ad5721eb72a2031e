//! Slots: the tensors that an optimizer keeps for each parameter.

use std::collections::BTreeMap;

use gradus_autograd::{Error, Parameter, Result, Tensor};

/// One kind of slot, such as the momentum, by parameter name.
#[derive(Debug)]
pub(crate) struct Slots {
    kind: &'static str,
    by_name: BTreeMap<String, Tensor>,
}

impl Slots {
    pub(crate) fn new(kind: &'static str) -> Self {
        Self {
            kind,
            by_name: BTreeMap::new(),
        }
    }

    /// The parameter's slot, and whether it was made (as zeros) just now.
    pub(crate) fn get(&mut self, parameter: &Parameter) -> Result<(&mut Tensor, bool)> {
        let fresh = !self.by_name.contains_key(parameter.name());
        if fresh {
            let zeros = Tensor::zeros(parameter.shape(), parameter.tensor().dtype())?;
            self.by_name.insert(parameter.name().to_owned(), zeros);
        }
        let missing = Error::Length {
            op: self.kind,
            expected: 1,
            got: 0,
        };
        Ok((
            self.by_name.get_mut(parameter.name()).ok_or(missing)?,
            fresh,
        ))
    }

    /// All slots, by `kind.parameter`.
    pub(crate) fn save(&self, out: &mut Vec<(String, Tensor)>) {
        out.extend(
            self.by_name
                .iter()
                .map(|(name, slot)| (format!("{}.{name}", self.kind), slot.clone())),
        );
    }

    pub(crate) fn clear(&mut self) {
        self.by_name.clear();
    }

    /// Takes the slot if it is of this kind. It must fit its parameter.
    pub(crate) fn load(
        &mut self,
        parameters: &[Parameter],
        key: &str,
        slot: &Tensor,
    ) -> Result<bool> {
        let Some(name) = key
            .strip_prefix(self.kind)
            .and_then(|rest| rest.strip_prefix('.'))
        else {
            return Ok(false);
        };
        let Some(parameter) = parameters.iter().find(|parameter| parameter.name() == name) else {
            return Ok(false);
        };
        if parameter.shape() != slot.shape() {
            let rule = "a slot has the shape of its parameter";
            let error = Error::ShapeMismatch {
                op: "optimizer",
                lhs: *parameter.shape(),
                rhs: *slot.shape(),
                rule,
            };
            return Err(error.at(key));
        }
        self.by_name.insert(
            name.to_owned(),
            slot.to_dtype(parameter.tensor().dtype())?.deep_copy()?,
        );
        Ok(true)
    }
}

/// Puts every slot of a state into one of `kinds`.
pub(crate) fn load_all(
    kinds: &mut [&mut Slots],
    parameters: &[Parameter],
    slots: &[(String, Tensor)],
) -> Result<()> {
    kinds.iter_mut().for_each(|kind| kind.clear());
    for (key, slot) in slots {
        let mut taken = false;
        for kind in &mut *kinds {
            taken |= kind.load(parameters, key, slot)?;
        }
        if !taken {
            let error = Error::Length {
                op: "optimizer",
                expected: 0,
                got: 1,
            };
            return Err(error.at(format!(
                "{key}: no such slot; was the state saved by another optimizer or model?"
            )));
        }
    }
    Ok(())
}
