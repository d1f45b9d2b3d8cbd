//! What the user can mend, told apart from what went wrong inside: exit 2 against exit 1.

/// Something about the command line or the input that the user can mend.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadInput(pub String);

/// Makes an error that ends the program with exit code 2.
macro_rules! bad_input {
    ($($arg:tt)*) => {
        anyhow::Error::new($crate::error::BadInput(format!($($arg)*)))
    };
}
pub(crate) use bad_input;

/// The exit code for an error: 2 when any cause of it is bad input, else 1.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    use smearscope_common::engine::EngineError;
    use smearscope_common::image::ImageError;
    let bad = error.chain().any(|cause| {
        cause.is::<BadInput>() || cause.is::<EngineError>() || cause.is::<ImageError>()
    });
    if bad { 2 } else { 1 }
}
