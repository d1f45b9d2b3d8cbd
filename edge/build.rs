//! Tells cargo what else is embedded in the program.

fn main() {
    println!("cargo:rerun-if-changed=web/dist");
}
