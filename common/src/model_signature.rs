//! What the signer of a model says with the signature: the trusted comment of a minisign signature.
//!
//! It is the line that the minisign tool writes by itself (`timestamp:…`, `file:…`, `hashed`, parted by tabs), so that
//! either program's signatures serve; ours add `boards:…`, for whom alone the signature is.

use jiff::Timestamp;

use crate::topic::DeviceId;

/// A trusted comment that a board can't go by.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidNote {
    /// Nothing says when the signature was made.
    #[error(
        "its trusted comment has no `timestamp:`; sign with `smearscope-train publish`, or with minisign -S and no -t"
    )]
    NoTime,
    /// What says so is no time.
    #[error("its trusted comment has `timestamp:{0}`, which is no time in seconds since 1970")]
    Time(String),
    /// A board's name that can't be one.
    #[error("its trusted comment is for {0:?}, which is no board's name")]
    Board(String),
}

/// What stands in a trusted comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedNote {
    /// When the signature was made, in whole seconds: a board takes no older one than it has taken.
    pub signed_at: Timestamp,
    /// For which boards it is; `None` for all.
    pub boards: Option<Vec<DeviceId>>,
}

impl SignedNote {
    /// Reads a trusted comment. What it has besides is ignored.
    ///
    /// # Errors
    /// [`InvalidNote`], in words that follow on "the signature is of no use:".
    pub fn read(comment: &str) -> Result<Self, InvalidNote> {
        let said = |key: &str| comment.split('\t').find_map(|part| part.strip_prefix(key));
        let time = said("timestamp:").ok_or(InvalidNote::NoTime)?;
        let signed_at = time
            .parse()
            .ok()
            .and_then(|seconds| Timestamp::from_second(seconds).ok())
            .ok_or_else(|| InvalidNote::Time(time.chars().take(32).collect()))?;
        let board = |name: &str| {
            name.parse()
                .map_err(|_| InvalidNote::Board(name.chars().take(64).collect()))
        };
        let boards = said("boards:")
            .map(|names| names.split(',').map(board).collect())
            .transpose()?;
        Ok(Self { signed_at, boards })
    }

    /// The trusted comment that says so of the file of this name.
    pub fn comment(&self, file: &str) -> String {
        // A tab or an end of line would begin another part.
        let file: String = file.chars().filter(|c| !c.is_control()).collect();
        let mut comment = format!(
            "timestamp:{}\tfile:{file}\thashed",
            self.signed_at.as_second()
        );
        if let Some(boards) = &self.boards {
            let names: Vec<String> = boards.iter().map(ToString::to_string).collect();
            comment += &format!("\tboards:{}", names.join(","));
        }
        comment
    }

    /// Whether it is for this board.
    pub fn is_for(&self, board: &DeviceId) -> bool {
        self.boards
            .as_ref()
            .is_none_or(|boards| boards.contains(board))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let boards = ["scope-1", "scope-2"].map(|name| name.parse().unwrap());
        for boards in [None, Some(boards.to_vec())] {
            let note = SignedNote {
                signed_at: Timestamp::from_second(1_764_000_000).unwrap(),
                boards,
            };
            let comment = note.comment("a\tboards:evil\n.onnx");
            assert!(!comment.contains('\n'));
            assert_eq!(SignedNote::read(&comment).unwrap(), note);
        }
    }

    #[test]
    fn the_minisign_tools_own_comment_is_for_all_boards() {
        let note = SignedNote::read("timestamp:1700000000\tfile:model.onnx\thashed").unwrap();
        assert_eq!(note.signed_at.as_second(), 1_700_000_000);
        assert!(note.is_for(&"any".parse().unwrap()));
        let note = SignedNote::read("timestamp:1\tboards:a,b").unwrap();
        assert!(note.is_for(&"b".parse().unwrap()) && !note.is_for(&"c".parse().unwrap()));
    }

    #[test]
    fn a_comment_without_a_time_or_with_an_odd_board_is_refused() {
        for (comment, word) in [
            ("", "no `timestamp:`"),
            ("smearscope 0.1.0, commit abc", "no `timestamp:`"),
            ("timestamp:soon", "soon"),
            ("timestamp:99999999999999", "no time"),
            ("timestamp:1\tboards:", "no board's name"),
            ("timestamp:1\tboards:a,b/c", "b/c"),
        ] {
            let said = SignedNote::read(comment).unwrap_err().to_string();
            assert!(said.contains(word), "{comment}: {said}");
        }
    }
}
