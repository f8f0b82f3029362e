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
    let (wanted, name) = match kind {
        "Directory" | "DirectoryOrCreate" => ("Directory", "directory"),
        "File" | "FileOrCreate" => ("File", "file"),
        "Socket" => ("Socket", "socket file"),
        "CharDevice" => ("CharDevice", "character device"),
        "BlockDevice" => ("BlockDevice", "block device"),
        other => return Err(format!("{other} is an invalid volume type")),
    };
    let path_shown = path.display();
    match found(path) {
        Ok(found) if found == wanted => Ok(()),
        Ok(found) => Err(format!("hostPath type check failed: {path_shown} is not a {name}, it's a {found}")),
        Err(why) => Err(format!(
            "hostPath type check failed, {path_shown} is not a {name}, unable to determine its type: {why}"
        )),
    }
}

/// What the path is, in the words of the API.
fn found(path: &Path) -> Result<&'static str, String> {
    let kind = match fs::metadata(path) {
        Ok(found) => found.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(format!("path {path:?} does not exist"));
        }
        Err(error) => return Err(error.to_string()),
    };
    let kinds = [
        (kind.is_dir(), "Directory"),
        (kind.is_file(), "File"),
        (kind.is_socket(), "Socket"),
        (kind.is_char_device(), "CharDevice"),
        (kind.is_block_device(), "BlockDevice"),
    ];
    let found = kinds.into_iter().find_map(|(is, name)| is.then_some(name));
    found.ok_or_else(|| "only recognise file, directory, socket, block device and character device".to_owned())
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
            ("f", "Directory", "directory, it's a File"),
            ("d", "File", "file, it's a Directory"),
            ("f", "BlockDevice", "block device, it's a File"),
            ("d", "FileOrCreate", "file, it's a Directory"),
        ] {
            let want = format!("hostPath type check failed: {} is not a {what}", at(name).display());
            assert_eq!(check(&at(name), kind).unwrap_err(), want);
        }
        let (none, path) = (at("none"), at("none").display().to_string());
        let want = format!(
            "hostPath type check failed, {path} is not a socket file, unable to determine its type: path {path:?} does not \
             exist"
        );
        assert_eq!(check(&none, "Socket").unwrap_err(), want);
    }
}
