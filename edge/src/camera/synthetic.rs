//! A camera over a drawn smear: one seed after the other, for ever.

use smearscope_common::synth::{SmearSpec, smear};

use super::{Camera, Frame};

/// Draws one field after the other.
pub struct Synthetic {
    spec: SmearSpec,
    seed: u64,
}

impl Synthetic {
    /// Fields of this look, the first of this seed.
    pub fn new(spec: SmearSpec, seed: u64) -> Self {
        Self { spec, seed }
    }
}

impl Camera for Synthetic {
    fn next_frame(&mut self) -> anyhow::Result<Option<Frame>> {
        let seed = self.seed;
        self.seed = seed.wrapping_add(1);
        let image = smear(&self.spec, seed).image;
        Ok(Some(Frame::played(image, format!("synthetic:{seed}"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_is_another_and_a_seed_brings_it_back() {
        let spec = SmearSpec {
            width: 160,
            height: 120,
            cells: 5,
            cell_diameter: 30.0,
            ..SmearSpec::default()
        };
        let mut camera = Synthetic::new(spec.clone(), 7);
        let first = camera.next_frame().unwrap().unwrap();
        let second = camera.next_frame().unwrap().unwrap();
        assert_eq!(first.source, "synthetic:7");
        assert_ne!(first.image, second.image);
        let again = Synthetic::new(spec, 8).next_frame().unwrap().unwrap();
        assert_eq!(second.image, again.image);
    }
}
