//! Truth as XML in the form of Pascal VOC: boxes with a name each.

use roxmltree::{Document, Node, ParsingOptions};

use super::ScoreError;
use crate::geometry::Rect;

/// The most parts of an XML text that are read; an object has about twenty-five.
const MAX_NODES: u32 = 1_000_000;

/// A labelled thing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NamedBox {
    /// What it is, as the data set calls it.
    pub name: String,
    /// Where it is, in pixels.
    pub bbox: Rect,
    /// Whether the label says that it is hard to tell: it counts neither way.
    pub difficult: bool,
}

impl NamedBox {
    /// Whether the box reaches the first or the last row or column of a field of `width` × `height` pixels. Some
    /// tools call these 1 and `width`, as VOC does, others 0 and `width − 1`: what either of the two means by
    /// them is at the edge.
    pub fn touches_edge(&self, width: u32, height: u32) -> bool {
        let Rect { x, y, w, h } = self.bbox;
        let wider = Rect {
            x,
            y,
            w: w + 1,
            h: h + 1,
        };
        wider.touches_edge(width, height)
    }
}

/// Reads the objects of a field of `width` × `height` pixels. VOC counts pixels from 1, and `xmax`, `ymax` are
/// the last ones inside. What a file says beside `size`, `name`, `difficult` and `bndbox` is passed over.
///
/// # Errors
/// [`ScoreError`] names the line: the text is no XML or has a document type (which could make it grow without
/// bounds), its root is no `annotation`, it is of a field of another size, or an object has no name or no box
/// within the field.
pub fn parse_voc(text: &str, width: u32, height: u32) -> Result<Vec<NamedBox>, ScoreError> {
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: MAX_NODES,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(text, options).map_err(|error| ScoreError {
        line: error.pos().row as usize,
        reason: format!("the XML can't be read: {error}"),
    })?;
    let at = |node: Node, reason: String| ScoreError {
        // Lines are counted from the start of the text: only done for an error.
        line: document.text_pos_at(node.range().start).row as usize,
        reason,
    };
    let root = document.root_element();
    if !root.has_tag_name("annotation") {
        let reason = format!("expected `annotation`, found `{}`", root.tag_name().name());
        return Err(at(root, reason));
    }
    if let Some(size) = child(root, "size") {
        let told = (number(size, "width"), number(size, "height"));
        // Some tools write a size of 0: not known.
        if let (Ok(w), Ok(h)) = told
            && w > 0.0
            && h > 0.0
            && (w, h) != (f64::from(width), f64::from(height))
        {
            let reason =
                format!("it is of a field of {w}×{h} pixels, but the image has {width}×{height}");
            return Err(at(size, reason));
        }
    }
    root.children()
        .filter(|node| node.has_tag_name("object"))
        .map(|node| object(node, width, height).map_err(|reason| at(node, reason)))
        .collect()
}

fn object(node: Node, width: u32, height: u32) -> Result<NamedBox, String> {
    let name = text(node, "name")?.to_owned();
    let place = child(node, "bndbox").ok_or("the object has no `bndbox`")?;
    let (x, right) = edges(place, "xmin", "xmax", width)?;
    let (y, bottom) = edges(place, "ymin", "ymax", height)?;
    Ok(NamedBox {
        name,
        bbox: Rect {
            x,
            y,
            w: right - x,
            h: bottom - y,
        },
        difficult: text(node, "difficult").is_ok_and(|value| value == "1"),
    })
}

/// First pixel, counted from 0, and one past the last.
fn edges(place: Node, low: &str, high: &str, pixels: u32) -> Result<(u32, u32), String> {
    let (first, last) = (number(place, low)?, number(place, high)?);
    // Labelling tools round, and some count from 0.
    if first < 0.0 || last > f64::from(pixels) + 1.0 || last < first {
        return Err(format!(
            "`{low}` {first} and `{high}` {last} are no edges within the field's {pixels} pixels"
        ));
    }
    let last = (last.round() as u32).min(pixels);
    let first = (first.round() as u32).saturating_sub(1).min(last);
    Ok((first, last))
}

fn child<'a>(node: Node<'a, 'a>, name: &str) -> Option<Node<'a, 'a>> {
    node.children().find(|child| child.has_tag_name(name))
}

fn text<'a>(node: Node<'a, 'a>, name: &str) -> Result<&'a str, String> {
    child(node, name)
        .and_then(|child| child.text())
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| format!("`{}` has no `{name}`", node.tag_name().name()))
}

fn number(node: Node, name: &str) -> Result<f64, String> {
    let word = text(node, name)?;
    word.parse()
        .ok()
        .filter(|value: &f64| value.is_finite())
        .ok_or_else(|| format!("`{name}` is `{word}`, which is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object_text(name: &str, [x, y, right, bottom]: [&str; 4]) -> String {
        format!(
            "<object>\n<name>{name}</name><bndbox><xmin>{x}</xmin><ymin>{y}</ymin><xmax>{right}</xmax>\
             <ymax>{bottom}</ymax></bndbox></object>\n"
        )
    }

    fn parse(objects: &str) -> Result<Vec<NamedBox>, ScoreError> {
        let text = format!(
            "<?xml version=\"1.0\"?>\n<annotation>\n<size><width>64</width><height>48</height></size>\n\
             {objects}</annotation>\n"
        );
        parse_voc(&text, 64, 48)
    }

    #[test]
    fn objects_become_boxes_in_pixels_from_0() {
        let text = object_text("RBC", ["1", "5", "64", "24"])
            + &object_text("WBC", ["10", "10", "19.6", "10"]);
        let found = parse(&text).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].name.as_str(), found[0].bbox),
            ("RBC", Rect::from([0, 4, 64, 20]))
        );
        assert_eq!(
            (found[1].name.as_str(), found[1].bbox),
            ("WBC", Rect::from([9, 9, 11, 1]))
        );
        assert!(!found[0].difficult);
        let hard = text.replace("<name>RBC", "<difficult>1</difficult><name>RBC");
        assert!(parse(&hard).unwrap()[0].difficult);
    }

    #[test]
    fn both_ways_of_counting_reach_the_edge() {
        for (place, touches) in [
            (["0", "9", "20", "20"], true),
            (["1", "9", "20", "20"], true),
            (["2", "9", "20", "20"], false),
            (["9", "9", "62", "20"], false),
            (["9", "9", "63", "20"], true),
            (["9", "9", "64", "20"], true),
            (["9", "1", "20", "20"], true),
            (["9", "9", "20", "46"], false),
            (["9", "9", "20", "47"], true),
            (["9", "9", "20", "49"], true),
        ] {
            let found = parse(&object_text("RBC", place)).unwrap();
            assert_eq!(found[0].touches_edge(64, 48), touches, "{place:?}");
        }
    }

    #[test]
    fn the_bad_line_is_named() {
        let good = object_text("RBC", ["1", "5", "20", "24"]);
        let bad = |text: &str| parse(&(good.clone() + text)).unwrap_err();
        for text in [
            object_text("RBC", ["1", "x", "20", "24"]),
            object_text("RBC", ["1", "NaN", "20", "24"]),
            object_text("RBC", ["20", "5", "1", "24"]),
            object_text("RBC", ["-3", "5", "20", "24"]),
            object_text("RBC", ["1", "5", "20", "60"]),
            object_text(" ", ["1", "5", "20", "24"]),
            "<object><name>RBC</name></object>".into(),
            "<object><name>RBC</name><bndbox><xmin>1</xmin></bndbox></object>".into(),
            "<object>&bomb;</object>".into(),
        ] {
            let error = bad(&text);
            assert_eq!(error.line, 6, "{text}: {error}");
        }
        let error = parse_voc(
            "<annotation>\n<size><width>1</width><height>2</height></size></annotation>",
            64,
            48,
        );
        let error = error.unwrap_err();
        assert_eq!(error.line, 2);
        assert!(
            error.reason.contains("1×2") && error.reason.contains("64×48"),
            "{error}"
        );
        for text in [
            "",
            "no XML",
            "<annotation>",
            "<html/>",
            "<annotation>\n</html>",
        ] {
            assert!(parse_voc(text, 64, 48).is_err(), "{text}");
        }
        // A size that a tool didn't know is no contradiction.
        let text = "<annotation><size><width>0</width><height>0</height></size></annotation>";
        assert_eq!(parse_voc(text, 64, 48).unwrap(), []);
    }

    #[test]
    fn what_would_grow_without_bounds_is_refused() {
        let bomb = "<!DOCTYPE a [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>\n<annotation>&b;</annotation>";
        assert!(parse_voc(bomb, 64, 48).unwrap_err().reason.contains("DTD"));
        let wide = format!(
            "<annotation>{}</annotation>",
            "<a/>".repeat(MAX_NODES as usize)
        );
        assert!(parse_voc(&wide, 64, 48).is_err());
        // Nor does depth fill the stack.
        let deep = "<annotation>".repeat(400_000) + &"</annotation>".repeat(400_000);
        assert_eq!(parse_voc(&deep, 64, 48).unwrap(), []);
    }
}
