//! Paths of the host: what their type asks for is checked, or made.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;

const FOLDER_MODE: u32 = 0o755;
const FILE_MODE: u32 = 0o644;

/// Checks a path against its type, and makes it for the `OrCreate` types.
///
/// # Errors
/// It is something else; upstream's words.
pub fn check(path: &Path, kind: &str) -> Result<(), String> {
    let fail = |error: io::Error| error.to_string();
    match kind {
        "" => return Ok(()),
        "DirectoryOrCreate" if !path.exists() => {
            return fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path).map_err(fail);
        }
        "FileOrCreate" if !path.exists() => {
            let made = fs::OpenOptions::new().create_new(true).write(true).mode(FILE_MODE).open(path);
            return made.map(drop).map_err(fail);
        }
        _ => {}
    }
    let found = fs::metadata(path).ok().map(|meta| meta.file_type());
    let (is, name): (bool, &str) = match kind {
        "Directory" | "DirectoryOrCreate" => (found.is_some_and(|kind| kind.is_dir()), "a directory"),
        "File" | "FileOrCreate" => (found.is_some_and(|kind| kind.is_file()), "a file"),
        "Socket" => (found.is_some_and(|kind| kind.is_socket()), "a socket file"),
        "CharDevice" => (found.is_some_and(|kind| kind.is_char_device()), "a character device"),
        "BlockDevice" => (found.is_some_and(|kind| kind.is_block_device()), "a block device"),
        other => return Err(format!("{other} is an invalid volume type")),
    };
    if is { Ok(()) } else { Err(format!("hostPath type check failed: {} is not {name}", path.display())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_checked_or_made_as_their_type_says() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        check(&at("none"), "").unwrap();
        check(&at("d/e"), "DirectoryOrCreate").unwrap();
        assert!(at("d/e").is_dir());
        check(&at("d/e"), "Directory").unwrap();
        check(&at("f"), "FileOrCreate").unwrap();
        check(&at("f"), "File").unwrap();
        check(Path::new("/dev/null"), "CharDevice").unwrap();
        for (name, kind, what) in [
            ("f", "Directory", "a directory"),
            ("d", "File", "a file"),
            ("none", "Socket", "a socket file"),
            ("f", "BlockDevice", "a block device"),
            ("d", "FileOrCreate", "a file"),
        ] {
            let want = format!("hostPath type check failed: {} is not {what}", at(name).display());
            assert_eq!(check(&at(name), kind).unwrap_err(), want);
        }
    }
}
