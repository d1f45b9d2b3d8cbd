//! Any bytes as the payload of a command.

use smearscope_common::message::{Command, InvalidCommand, Request};

/// What a reply may say of an error, in bytes: a few lines of a terminal, in any script.
const MAX_SENTENCE: usize = 1000;

/// Reads the bytes: a command, the same when it is written and read again, or a sentence.
pub fn check(bytes: &[u8]) {
    let Some(request) = read(Request::read(bytes)) else {
        return;
    };
    assert!(bytes.trim_ascii_start().starts_with(b"{"));
    let id = request.request_id.to_string();
    assert!((1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic()));
    let command = read(request.parse());
    let written = serde_json::to_vec(&request).expect("JSON of what was JSON");
    let again = Request::read(&written).expect("what was read is read again");
    assert_eq!(again, request);
    assert_eq!(again.parse().ok(), command);
    if let Some(Command::ResultsResend(resend)) = command {
        // Any numbers: which of them are a range is the store's to say.
        assert!(request.args.is_some(), "{resend:?} of nothing");
    }
}

/// What was read; an error must be a sentence that can be shown.
fn read<T>(read: Result<T, InvalidCommand>) -> Option<T> {
    match read {
        Ok(read) => Some(read),
        Err(error) => {
            let said = error.to_string();
            assert!(
                !said.is_empty() && said.len() <= MAX_SENTENCE && !said.contains(char::is_control),
                "{said:?}"
            );
            None
        }
    }
}
