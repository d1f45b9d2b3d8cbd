//! The program `smearscope-edge`; all of it is in the library, so that tests and fuzzing reach the parts.

use std::process::ExitCode;

fn main() -> ExitCode {
    smearscope_edge::main()
}
