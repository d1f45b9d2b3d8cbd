//! What a frozen backbone says of each crop, computed once, so that epochs of the head take seconds.

use anyhow::Result;
use tch::nn::VarStore;
use tch::{Device, Tensor};

use crate::augment::Augment;
use crate::checkpoint::Run;
use crate::densenet::DenseNet;
use crate::loader::Crops;
use crate::train;

/// Features of some crops, in one or more random views of each.
///
/// Invariant: at least one view; each has as many rows as there are crops.
pub struct Features {
    /// f32 `[N, features]` of each view, on the training device.
    views: Vec<Tensor>,
    /// Whose they are.
    pub crops: Crops,
}

impl Features {
    /// All features of one view.
    pub fn of_view(&self, view: usize) -> Tensor {
        self.views[view].shallow_clone()
    }

    /// The features of the crops at the given places, in the view whose turn it is in this epoch.
    pub fn of(&self, epoch: u64, places: &[i64]) -> Tensor {
        let view = &self.views[(epoch % self.views.len() as u64) as usize];
        view.index_select(0, &Tensor::from_slice(places).to_device(view.device()))
    }
}

/// Computes the features of crops: as they are when `views` is 0, else in that many random views.
/// The work is dealt to all `devices`, each with a copy of the network.
///
/// # Errors
/// A device has no room for the network.
pub fn features(
    run: &Run,
    store: &VarStore,
    net: &DenseNet,
    crops: Crops,
    views: u64,
    devices: &[Device],
) -> Result<Features> {
    let copies = copies(run, store, devices)?;
    let augment = match views {
        0 => Augment::none(),
        _ => run.settings.augment.clone(),
    };
    let places: Vec<i64> = (0..crops.len()).collect();
    let one_view = || -> Result<Tensor> {
        let mut parts = Vec::new();
        for (i, batch) in places.chunks(run.settings.batch as usize).enumerate() {
            let pixels = crops.pixels(batch);
            // Work on a graphics card runs on while the next one is given its own.
            let part = match i % (copies.len() + 1) {
                0 => net.features(&train::views(&pixels, &augment, &run.input), false),
                n => {
                    let (device, net) = (copies[n - 1].0.device(), &copies[n - 1].1);
                    let pixels = pixels.to_device(device);
                    net.features(&train::views(&pixels, &augment, &run.input), false)
                }
            };
            parts.push(part);
        }
        let parts: Vec<_> = parts.iter().map(|p| p.to_device(store.device())).collect();
        Ok(Tensor::f_cat(&parts, 0)?)
    };
    let views = tch::no_grad(|| (0..views.max(1)).map(|_| one_view()).collect::<Result<_>>())?;
    Ok(Features { views, crops })
}

/// A copy of the network on each device but its own.
fn copies(run: &Run, store: &VarStore, devices: &[Device]) -> Result<Vec<(VarStore, DenseNet)>> {
    let others = devices.iter().filter(|d| **d != store.device());
    others
        .map(|&device| {
            let mut copy = VarStore::new(device);
            let mut net = DenseNet::new(
                &copy.root(),
                run.architecture,
                run.head,
                run.classes.len() as i64,
            );
            net.set_arithmetic(run.settings.arithmetic);
            copy.copy(store)?;
            Ok((copy, net))
        })
        .collect()
}
