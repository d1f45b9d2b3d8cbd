//! Grad-CAM (Selvaraju et al., ICCV 2017): which part of a cell spoke for a parasite.
//!
//! Each feature map is weighted by the mean of its gradient, the sum is cut at zero. What is
//! explained is the log odds of a parasite: its logit minus the logarithm of the summed
//! exponentials of the others.

use anyhow::Result;
use plotters::style::colors::colormaps::{ColorMap, ViridisRGB};
use smearscope_common::image::{Rgb, RgbImage};
use tch::{Device, Kind, Tensor};

use crate::densenet::{BLOCKS, DenseNet};

/// Maps narrower than this say too little of where.
const NARROWEST: i64 = 7;

/// Most that the heat may cover of a crop, 0 to 1.
const COVER: f32 = 0.7;

/// Width of the feature maps that the first `blocks` dense blocks leave of a square of `size`
/// pixels.
fn width(size: i64, blocks: usize) -> i64 {
    // The stem and its pooling halve and round up, the transition between two blocks rounds down.
    let stem = ((size + 1) / 2 + 1) / 2;
    stem >> (blocks - 1)
}

/// The last dense block whose maps are wide enough; the first when none is.
fn block(size: i64) -> usize {
    (1..=BLOCKS)
        .rfind(|&blocks| width(size, blocks) >= NARROWEST)
        .unwrap_or(1)
}

/// Where the network saw a parasite, and how much of it: f32 `[N, side, side]` on the CPU, at least
/// 0 and without an upper bound. `pixels` are normalised, f32 `[N, 3, S, S]`, and `positive` is the
/// class that counts as parasitized.
///
/// # Errors
/// libtorch's own, such as a lack of memory.
pub fn heat(net: &DenseNet, pixels: &Tensor, positive: usize, side: i64) -> Result<Tensor> {
    let blocks = block(pixels.size()[3]);
    let maps = tch::no_grad(|| net.maps(pixels, blocks, false))
        .detach()
        .set_requires_grad(true);
    let logits = net.head(&net.pooled(maps.shallow_clone(), blocks, false), false);
    let heat = cam(&maps, &log_odds(&logits, positive))?;
    let heat = heat
        .unsqueeze(1)
        .f_upsample_bilinear2d([side, side], false, None, None)?
        .squeeze_dim(1);
    Ok(heat.to_device(Device::Cpu))
}

/// `[N, classes]` logits → the log odds of a class, `[N]`.
fn log_odds(logits: &Tensor, positive: usize) -> Tensor {
    let others: Vec<i64> = (0..logits.size()[1])
        .filter(|&c| c != positive as i64)
        .collect();
    let others = Tensor::from_slice(&others).to_device(logits.device());
    logits.select(1, positive as i64) - logits.index_select(1, &others).logsumexp([1], false)
}

/// Maps `[N, C, h, w]` and a score `[N]` that was computed from them → `[N, h, w]`, at least 0.
fn cam(maps: &Tensor, score: &Tensor) -> Result<Tensor> {
    // One cell's score does not depend on another's maps, so the sum has the gradients of all.
    let gradients = Tensor::f_run_backward(&[score.sum(Kind::Float)], &[maps], false, false)?;
    let weights = gradients[0].mean_dim([2i64, 3].as_slice(), true, Kind::Float);
    let weighted = weights * maps.detach().to_kind(Kind::Float);
    Ok(weighted
        .sum_dim_intlist([1i64].as_slice(), false, Kind::Float)
        .relu())
}

/// A crop in gray with its heat over it, from clear (none) over green to yellow (most), in the
/// colours of viridis. `heat` has one value per pixel; 1 and more is most.
pub fn overlay(crop: &RgbImage, heat: &[f32]) -> RgbImage {
    RgbImage::from_fn(crop.width(), crop.height(), |x, y| {
        let Rgb([r, g, b]) = *crop.get_pixel(x, y);
        let gray = 0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b);
        let heat = heat[(y * crop.width() + x) as usize].clamp(0.0, 1.0);
        let colour = ViridisRGB.get_color(heat);
        let over = COVER * heat;
        let mix = |c: u8| (gray + over * (f32::from(c) - gray)).round() as u8;
        Rgb([mix(colour.0), mix(colour.1), mix(colour.2)])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::densenet::{Architecture, Head};
    use tch::nn::{ModuleT, VarStore};

    #[test]
    fn maps_are_as_wide_as_they_come_out() {
        let store = VarStore::new(Device::Cpu);
        let net = DenseNet::new(&store.root(), Architecture::DenseNet121, Head::Linear, 2);
        for size in [32, 50, 97] {
            let pixels = Tensor::zeros([1, 3, size, size], (Kind::Float, Device::Cpu));
            for blocks in 1..=BLOCKS {
                let maps = tch::no_grad(|| net.maps(&pixels, blocks, false));
                assert_eq!(
                    maps.size()[3],
                    width(size, blocks),
                    "{size} px, {blocks} blocks"
                );
            }
        }
        assert_eq!([32, 64, 128, 224].map(block), [1, 2, 3, 4]);
    }

    #[test]
    fn two_maps_give_what_paper_and_pencil_give() {
        let maps = Tensor::from_slice(&[1f32, 2.0, 3.0, 4.0, 8.0, 0.0, 0.0, 0.0])
            .view([1, 2, 2, 2])
            .set_requires_grad(true);
        // score = 3·mean(A) − mean(B): weights 0.75 and −0.25 per pixel, so 0.75·A − 0.25·B.
        let means = maps.mean_dim([2i64, 3].as_slice(), false, Kind::Float);
        let score = means.select(1, 0) * 3.0 - means.select(1, 1);
        let cam = Vec::<f32>::try_from(cam(&maps, &score).unwrap().view(-1)).unwrap();
        assert_eq!(cam, [0.0, 1.5, 2.25, 3.0]);
    }

    #[test]
    fn log_odds_of_two_and_of_three_classes() {
        let logits = Tensor::from_slice(&[2f32, 1.0, 1.0]).view([1, 3]);
        let value = |t: &Tensor| f64::try_from(t).unwrap();
        assert!((value(&log_odds(&logits, 0)) - (2.0 - (2f64.ln() + 1.0))).abs() < 1e-6);
        assert!((value(&log_odds(&logits.narrow(1, 0, 2), 1)) + 1.0).abs() < 1e-6);
    }

    /// A network that answers "parasitized" as far as there is something dark: all convolutions are
    /// zero but one path, which hands darkness through to the first logit.
    fn darkness() -> (VarStore, DenseNet) {
        let store = VarStore::new(Device::Cpu);
        let net = DenseNet::new(&store.root(), Architecture::DenseNet121, Head::Linear, 2);
        tch::no_grad(|| {
            for (name, mut tensor) in store.variables() {
                let unit = name.ends_with("running_var")
                    || (tensor.dim() == 1 && name.ends_with("weight"));
                let _ = tensor.fill_(if unit { 1.0 } else { 0.0 });
                let first = |value: f64| {
                    let _ = tensor.select(0, 0).select(0, 0).fill_(value);
                };
                if name.starts_with("features.transition") && name.ends_with("conv.weight") {
                    first(1.0);
                } else if name == "classifier.weight" {
                    first(50.0);
                } else if name == "features.conv0.weight" {
                    // The middle of the 7 × 7 kernel, in each colour.
                    let _ = tensor.select(0, 0).select(1, 3).select(1, 3).fill_(-1.0);
                }
            }
        });
        (store, net)
    }

    #[test]
    fn the_heat_is_where_the_evidence_is_and_hiding_that_changes_the_answer() {
        let (_store, net) = darkness();
        // Light cells with a dark spot, at another place in each.
        let places = [(12, 44), (40, 8), (30, 30)];
        let pixels = Tensor::ones([3, 3, 64, 64], (Kind::Float, Device::Cpu));
        let spot = |i: usize, value: f64| {
            let (y, x) = places[i];
            let cell = pixels.select(0, i as i64);
            let _ = cell.narrow(1, y, 10).narrow(2, x, 10).fill_(value);
        };
        (0..3).for_each(|i| spot(i, -2.0));
        let heat = heat(&net, &pixels, 0, 64).unwrap();
        assert_eq!(heat.size(), [3, 64, 64]);
        let before = net.forward_t(&pixels, false).select(1, 0);
        for (i, (y, x)) in places.into_iter().enumerate() {
            let one = heat.select(0, i as i64);
            let hottest = i64::try_from(one.argmax(None, false)).unwrap();
            let (hot_y, hot_x) = (hottest / 64, hottest % 64);
            // Maps of 8 × 8: each stands for 8 pixels.
            assert!((y - 4..y + 14).contains(&hot_y) && (x - 4..x + 14).contains(&hot_x));
            let inside = one.narrow(0, y, 10).narrow(1, x, 10).mean(Kind::Float);
            let all = f64::try_from(one.mean(Kind::Float)).unwrap();
            assert!(f64::try_from(inside).unwrap() > 5.0 * all);
            spot(i, 1.0);
        }
        let after = net.forward_t(&pixels, false).select(1, 0);
        assert!(f64::try_from((before - after).min()).unwrap() > 0.1);
        // Nothing speaks for a parasite any more.
        let none = super::heat(&net, &pixels, 0, 64).unwrap();
        assert_eq!(f64::try_from(none.abs().max()).unwrap(), 0.0);
    }

    #[test]
    fn an_overlay_is_gray_where_it_is_cold() {
        let crop = RgbImage::from_pixel(2, 1, Rgb([200, 100, 100]));
        let drawn = overlay(&crop, &[0.0, 1.0]);
        let Rgb([r, g, b]) = *drawn.get_pixel(0, 0);
        assert!(r == g && g == b);
        let Rgb([r, g, b]) = *drawn.get_pixel(1, 0);
        assert!(r > b && g > b, "yellow is hottest, not {r} {g} {b}");
    }
}
