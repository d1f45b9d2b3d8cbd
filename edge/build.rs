//! Tells rustc whether the default model is there, and cargo what is embedded.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=web/dist");
    println!("cargo:rerun-if-changed=models/default.onnx");
    println!("cargo:rustc-check-cfg=cfg(default_model)");
    if Path::new("models/default.onnx").exists() {
        println!("cargo:rustc-cfg=default_model");
    }
}
