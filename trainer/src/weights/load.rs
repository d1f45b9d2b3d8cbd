//! Weights from a file → the variables of a network.

use std::collections::HashMap;

use anyhow::Result;
use tch::nn::VarStore;
use tch::{Device, Tensor};

use super::{Array, Weights, names};
use crate::densenet::{Architecture, DenseNet, Head};
use crate::error::bad_input;

impl Weights {
    /// Which DenseNet these are the weights of; `None` when they are of none that we know.
    pub fn architecture(&self) -> Option<Architecture> {
        let shapes = self.tensors.iter();
        names::architecture(shapes.map(|(name, array)| (name.as_str(), array.shape.clone())))
    }

    /// Copies the tensors into a network's variables. Without `head`, those of the classifier are
    /// left as they are (other classes may be wanted). What the network has no use for is ignored.
    ///
    /// # Errors
    /// These are weights of another architecture, which is named; or a tensor is missing, has
    /// another shape, or holds what is no number: it is named. No variable has changed then.
    pub fn load_into(&self, store: &VarStore, head: bool) -> Result<()> {
        let path = self.path.display();
        let variables = store.variables();
        self.check_architecture(&variables)?;
        let mut wanted: Vec<_> = variables
            .into_iter()
            .filter(|(name, _)| head || !name.starts_with("classifier"))
            .collect();
        wanted.sort_by(|a, b| a.0.cmp(&b.0));
        let mut found = Vec::with_capacity(wanted.len());
        for (name, variable) in wanted {
            let array = self
                .tensors
                .get(&name)
                .ok_or_else(|| bad_input!("{path}: has no tensor {name:?}"))?;
            let shape = sizes(&variable);
            if array.shape != shape {
                return Err(bad_input!(
                    "{path}: tensor {name:?} has shape {:?}, but {shape:?} is needed",
                    array.shape
                ));
            }
            if !array.values.iter().all(|v| v.is_finite()) {
                return Err(bad_input!(
                    "{path}: tensor {name:?} holds a value that is infinite or no number"
                ));
            }
            found.push((variable, array));
        }
        tch::no_grad(|| {
            for (mut variable, Array { values, .. }) in found {
                let values = Tensor::from_slice(values).view(&variable.size()[..]);
                variable.copy_(&values);
            }
        });
        Ok(())
    }

    /// Whether the backbone of `architecture` can be loaded from these weights.
    ///
    /// # Errors
    /// As [`Weights::load_into`].
    pub fn fit(&self, architecture: Architecture) -> Result<()> {
        let store = VarStore::new(Device::Cpu);
        DenseNet::new(&store.root(), architecture, Head::Linear, 2);
        self.load_into(&store, false)
    }

    fn check_architecture(&self, variables: &HashMap<String, Tensor>) -> Result<()> {
        let path = self.path.display();
        if !self
            .tensors
            .keys()
            .any(|name| name.starts_with("features."))
        {
            let example = self.tensors.keys().next().map_or("", |name| name);
            return Err(bad_input!(
                "{path}: holds no DenseNet with torchvision's names; its tensors have names like \
                 {example:?}"
            ));
        }
        let shapes = variables.iter();
        let needed = names::architecture(shapes.map(|(name, v)| (name.as_str(), sizes(v))));
        match (self.architecture(), needed) {
            (Some(held), Some(needed)) if held != needed => Err(bad_input!(
                "{path}: holds the weights of another architecture, {held}, but {needed} is needed"
            )),
            _ => Ok(()),
        }
    }
}

fn sizes(tensor: &Tensor) -> Vec<usize> {
    tensor.size().into_iter().map(|d| d as usize).collect()
}
