//! Where the background ends and cells begin.

/// How many pixels have each value.
pub(super) type Histogram = [u32; 256];

/// The least mean darkness of cells against background, 1/255 of its light. Hypochromic cells have about
/// 30, the grain of a camera less than 5.
const MIN_CONTRAST: f64 = 10.0;

/// The largest part of a sparse field that its cells cover. Of mere grain, Otsu's threshold calls a quarter dark.
const MAX_SPARSE: f64 = 0.1;

/// Over how many values on each side a histogram is smoothed to find its valley.
const VALLEY_REACH: usize = 3;

/// Otsu's threshold (IEEE Trans. SMC 9, 1979, 62–66): the value that ends the lower class when the variance
/// between two classes is largest. With one value only, that value.
pub(super) fn otsu(histogram: &Histogram) -> u8 {
    otsu_on_scale(histogram, |value| value as f64)
}

/// [`otsu`] of values that were mapped to a scale first.
fn otsu_on_scale(histogram: &Histogram, scale: impl Fn(usize) -> f64) -> u8 {
    let total: f64 = histogram.iter().map(|&n| f64::from(n)).sum();
    let sum = weighted(histogram, 0..256, &scale);
    let (mut below, mut sum_below) = (0.0, 0.0);
    let mut best = (0.0, last_value(histogram));
    for (value, &n) in histogram.iter().enumerate() {
        below += f64::from(n);
        sum_below += scale(value) * f64::from(n);
        let above = total - below;
        if below == 0.0 || above == 0.0 {
            continue;
        }
        let apart = sum_below / below - (sum - sum_below) / above;
        let variance = below * above * apart * apart;
        if variance > best.0 {
            best = (variance, value as u8);
        }
    }
    best.1
}

/// What tells cells from background in a whole field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CellThreshold {
    /// Pixels that are darker belong to cells.
    pub limit: u8,
    /// The darkness of a typical pixel of a cell.
    pub typical: u8,
}

/// The darkness above which a pixel belongs to a cell; `None` in a field without contrast.
///
/// Nuclei, platelets and scale bars are far darker than red cells and would draw the threshold away from
/// them. So whatever is darker than the median of the dark class counts as that median. What the dark class
/// is shows on the scale of square roots, where a few nuclei can't outweigh many pale cells.
pub(super) fn cell_threshold(histogram: &Histogram) -> Option<CellThreshold> {
    let first = otsu_on_scale(histogram, |value| (value as f64).sqrt());
    threshold_from(histogram, first)
}

/// [`cell_threshold`] of a field with so few cells that on the scale of square roots they don't outweigh the grain of
/// the glass; `None` where what is dark is no small part of the field: then it is the grain itself.
pub(super) fn sparse_threshold(histogram: &Histogram) -> Option<CellThreshold> {
    let first = otsu(histogram);
    let (below, above) = histogram.split_at(usize::from(first) + 1);
    let [below, above] = [below, above].map(|part| part.iter().map(|&n| f64::from(n)).sum::<f64>());
    let is_sparse = above <= MAX_SPARSE * (below + above);
    is_sparse
        .then(|| threshold_from(histogram, first))
        .flatten()
}

/// The threshold where what is darker than `first` is the dark class.
fn threshold_from(histogram: &Histogram, first: u8) -> Option<CellThreshold> {
    let median = median_above(histogram, first)?;
    let mut clipped = *histogram;
    clipped[median] = clipped[median..].iter().sum();
    clipped[median + 1..].fill(0);
    let limit = otsu(&clipped);
    let mean = |range: std::ops::Range<usize>| {
        let n: f64 = clipped[range.clone()].iter().map(|&n| f64::from(n)).sum();
        (n > 0.0).then(|| weighted(&clipped, range, |value| value as f64) / n)
    };
    let split = usize::from(limit) + 1;
    let contrast = mean(split..256)? - mean(0..split)?;
    (contrast >= MIN_CONTRAST).then_some(CellThreshold {
        limit: valley(histogram, usize::from(limit), median),
        typical: median as u8,
    })
}

/// The emptiest value from Otsu's threshold up to three quarters of the typical darkness of a cell. Where haze
/// lies between the cells, Otsu's threshold is within the haze, and the valley above it.
fn valley(histogram: &Histogram, otsu: usize, typical: usize) -> u8 {
    let around = |value: usize| -> u32 {
        histogram[value.saturating_sub(VALLEY_REACH)..=(value + VALLEY_REACH).min(255)]
            .iter()
            .sum()
    };
    (otsu..=typical * 3 / 4)
        .min_by_key(|&value| around(value))
        .unwrap_or(otsu) as u8
}

/// The median of the values above `limit`.
fn median_above(histogram: &Histogram, limit: u8) -> Option<usize> {
    let from = usize::from(limit) + 1;
    let total: u64 = histogram[from..].iter().map(|&n| u64::from(n)).sum();
    let mut seen = 0;
    (from..256).find(|&value| {
        seen += u64::from(histogram[value]);
        seen > 0 && seen * 2 >= total
    })
}

fn weighted(
    histogram: &Histogram,
    range: std::ops::Range<usize>,
    scale: impl Fn(usize) -> f64,
) -> f64 {
    range.map(|v| scale(v) * f64::from(histogram[v])).sum()
}

fn last_value(histogram: &Histogram) -> u8 {
    histogram.iter().rposition(|&n| n > 0).unwrap_or(255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peaks(peaks: &[(usize, u32)]) -> Histogram {
        let mut histogram = [0; 256];
        for &(centre, n) in peaks {
            for (i, part) in [n / 4, n / 2, n / 4].into_iter().enumerate() {
                histogram[centre + i - 1] += part;
            }
        }
        histogram
    }

    #[test]
    fn two_classes_are_told_apart() {
        let limit = otsu(&peaks(&[(40, 1000), (120, 600)]));
        assert!((41..119).contains(&limit), "{limit}");
    }

    #[test]
    fn nuclei_do_not_draw_the_threshold_above_pale_cells() {
        let limit = cell_threshold(&peaks(&[(5, 100_000), (40, 50_000), (180, 9_000)]))
            .unwrap()
            .limit;
        assert!((6..39).contains(&limit), "{limit}");
    }

    #[test]
    fn a_few_cells_in_grain_are_told_from_it() {
        let mut grain = [0; 256];
        grain[..9].copy_from_slice(&[50_000, 9_000, 8_000, 7_000, 5_000, 3_000, 2_000, 900, 300]);
        assert_eq!(cell_threshold(&grain), None);
        assert_eq!(sparse_threshold(&grain), None);
        for (place, n) in [(70, 100), (75, 200), (80, 100)] {
            grain[place] += n;
        }
        assert_eq!(cell_threshold(&grain), None);
        let limit = sparse_threshold(&grain).unwrap().limit;
        assert!((9..70).contains(&limit), "{limit}");
    }

    #[test]
    fn without_contrast_there_are_no_cells() {
        assert_eq!(cell_threshold(&[0; 256]), None);
        assert_eq!(cell_threshold(&peaks(&[(3, 1000)])), None);
        let mut one = [0; 256];
        one[255] = 1;
        assert_eq!(cell_threshold(&one), None);
    }
}
