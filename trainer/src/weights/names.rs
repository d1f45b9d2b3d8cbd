//! What torchvision calls the tensors of a DenseNet, now and before 2018.

use crate::densenet::{Architecture, BLOCKS};

/// What wrappers put before every name: `DataParallel`, and `torch.compile`.
const PREFIXES: [&str; 2] = ["module.", "_orig_mod."];

/// The present name of a tensor: without a wrapper's prefix, and `denselayer1.norm1.weight` for
/// the old `denselayer1.norm.1.weight`.
pub fn modern(name: &str) -> String {
    let mut name = name;
    while let Some(rest) = PREFIXES.iter().find_map(|p| name.strip_prefix(p)) {
        name = rest;
    }
    let mut parts: Vec<String> = name.split('.').map(Into::into).collect();
    let old = (0..parts.len().saturating_sub(2)).find(|&i| {
        parts[i].starts_with("denselayer")
            && matches!(&*parts[i + 1], "norm" | "conv")
            && matches!(&*parts[i + 2], "1" | "2")
    });
    if let Some(layer) = old {
        let number = parts.remove(layer + 2);
        parts[layer + 1] += &number;
    }
    parts.join(".")
}

/// Which DenseNet has tensors of these names and shapes, judged by the width of the first
/// convolution and the number of layers in each block.
pub fn architecture<'a>(
    tensors: impl Iterator<Item = (&'a str, Vec<usize>)>,
) -> Option<Architecture> {
    let mut stem = None;
    let mut depths = [0; BLOCKS];
    for (name, shape) in tensors {
        if name == "features.conv0.weight" {
            stem = shape.first().copied();
        }
        for (block, depth) in depths.iter_mut().enumerate() {
            let layer = format!("features.denseblock{}.denselayer", block + 1);
            if name.starts_with(&layer) && name.ends_with(".conv1.weight") {
                *depth += 1;
            }
        }
    }
    Architecture::ALL
        .into_iter()
        .find(|a| stem == Some(a.stem() as usize) && depths == a.blocks())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_names_and_prefixes_become_present_ones() {
        for (given, wanted) in [
            (
                "features.denseblock1.denselayer12.norm.1.running_mean",
                "features.denseblock1.denselayer12.norm1.running_mean",
            ),
            (
                "module.features.denseblock2.denselayer1.conv.2.weight",
                "features.denseblock2.denselayer1.conv2.weight",
            ),
            (
                "_orig_mod.module.features.norm0.weight",
                "features.norm0.weight",
            ),
            (
                "features.denseblock1.denselayer1.norm1.weight",
                "features.denseblock1.denselayer1.norm1.weight",
            ),
            // Not a layer's: stays.
            (
                "features.transition1.norm.weight",
                "features.transition1.norm.weight",
            ),
            ("classifier.1.weight", "classifier.1.weight"),
        ] {
            assert_eq!(modern(given), wanted);
        }
    }
}
