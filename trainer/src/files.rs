//! Which files lie below a folder.

use std::path::{Path, PathBuf};

use anyhow::Result;
use walkdir::WalkDir;

use crate::error::bad_input;

/// All files below a folder, each folder's sorted by name. Links are followed. A link that leads
/// back into one of its own folders is named in the log and left out; a link to nothing is listed,
/// so that whoever reads it says which file is missing.
///
/// # Errors
/// The folder or one below it can't be listed.
pub fn below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in WalkDir::new(folder).follow_links(true).sort_by_file_name() {
        match entry {
            Ok(entry) if entry.file_type().is_file() => files.push(entry.into_path()),
            Ok(_) => {}
            Err(e) => match (e.path(), e.loop_ancestor()) {
                (Some(link), Some(_)) => {
                    tracing::warn!("{}: left out: a link to a folder around it", link.display());
                }
                (Some(link), None) if link.is_symlink() && !link.exists() => {
                    files.push(link.to_owned());
                }
                _ => return Err(bad_input!("{}: cannot be listed: {e}", folder.display())),
            },
        }
    }
    Ok(files)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_and_loops_end() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("data");
        fs::create_dir_all(root.join("b/c.png")).unwrap();
        fs::create_dir(dir.path().join("elsewhere")).unwrap();
        fs::write(dir.path().join("elsewhere/far.png"), b"").unwrap();
        fs::write(root.join("b/near.png"), b"").unwrap();
        symlink(&root, root.join("b/loop")).unwrap();
        symlink(dir.path().join("elsewhere"), root.join("a")).unwrap();
        symlink(root.join("nothing"), root.join("z.png")).unwrap();
        symlink(root.join("y.png"), root.join("y.png")).unwrap();
        let names: Vec<_> = below(&root)
            .unwrap()
            .iter()
            .map(|f| {
                f.strip_prefix(&root)
                    .unwrap()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        assert_eq!(names, ["a/far.png", "b/near.png", "y.png", "z.png"]);
        assert!(below(&dir.path().join("absent")).is_err());
    }
}
