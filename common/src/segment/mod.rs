//! Field → cells: finds every red cell of a thin smear, with its mask.

use serde::{Deserialize, Serialize};

use crate::geometry::{Mask, Rect};

/// A countable red cell: whole, inside the frame.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The tight box around the mask.
    pub bbox: Rect,
    /// Which pixels of the box belong to the cell; as large as the box.
    pub mask: Mask,
    /// The number of pixels in the mask.
    pub area: u32,
    /// 4π·area / perimeter², 1 for a disc.
    pub roundness: f32,
    /// Whether the cell was cut from a clump of touching cells.
    pub split: bool,
}

/// What a thing that is not a countable red cell is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OtherKind {
    /// A platelet.
    Platelet,
    /// A white cell.
    WhiteCell,
    /// A cell cut by the edge of the frame.
    Edge,
    /// Dirt, a scale bar, precipitate or a clump that could not be resolved.
    Debris,
}

/// A thing in the field that is not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Other {
    /// The tight box around it.
    pub bbox: Rect,
    /// What it is.
    pub kind: OtherKind,
}

/// All that was found in one field.
#[derive(Clone, Debug, Default)]
pub struct Segmentation {
    /// The countable red cells, ordered by row, then column, of their boxes.
    pub cells: Vec<Cell>,
    /// All else.
    pub others: Vec<Other>,
    /// The median diameter of the red cells in pixels; `None` where there is no cell.
    pub cell_diameter: Option<f32>,
    /// Whether so many cells touch or overlap that the count is doubtful.
    pub crowded: bool,
}
