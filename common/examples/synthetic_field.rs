//! Writes a synthetic field as PNG: `synthetic_field OUT.png [SEED]`.

use std::error::Error;
use std::time::Instant;

use smearscope_common::image::encode_png;
use smearscope_common::synth::{SmearSpec, smear};

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let out = words
        .next()
        .ok_or("usage: synthetic_field OUT.png [SEED]")?;
    let seed: u64 = words.next().map_or(Ok(1), |seed| seed.parse())?;
    let spec = SmearSpec {
        white_cells: (seed.is_multiple_of(3)).into(),
        ..SmearSpec::default()
    };
    let start = Instant::now();
    let field = smear(&spec, seed);
    println!(
        "{:.1} ms, {} things",
        start.elapsed().as_secs_f64() * 1e3,
        field.truth.len()
    );
    for object in field
        .truth
        .iter()
        .filter(|object| object.kind.is_parasitized())
    {
        println!("{:?} {:?}", object.kind, object.bbox);
    }
    std::fs::write(out, encode_png(&field.image)?)?;
    Ok(())
}
