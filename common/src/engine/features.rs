//! What the network sees in a crop, before its head makes a decision of that: the vector in which it pools the picture.

use tract_onnx::prelude::*;

/// Where a graph leaves pictures for a vector: the last outlet before the answer whose maker reads something that still has
/// width or height. `None` where there is none, as in a network without pooling.
pub fn outlet(graph: &TypedModel) -> Option<OutletId> {
    let mut at = graph.output_outlets().ok()?.first().copied()?;
    loop {
        // Of a head's nodes only one input is no weight.
        let is_computed =
            |o: &OutletId| graph.outlet_fact(*o).is_ok_and(|fact| fact.konst.is_none());
        let from = graph
            .node(at.node)
            .inputs
            .iter()
            .copied()
            .find(is_computed)?;
        let shape = graph.outlet_fact(from).ok()?.shape.as_concrete()?;
        if let [1, _, height, width] = *shape
            && height * width > 1
        {
            return Some(at);
        }
        at = from;
    }
}
