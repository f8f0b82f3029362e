//! A tar archive (POSIX ustar) in memory: files, links and the folders they need. All belong to root and are as old as
//! 1970, so that equal contents give equal archives.

use super::PathTooLong;
use std::collections::BTreeSet;

const BLOCK_BYTES: usize = 512;
const NAME_BYTES_MAX: usize = 100;

/// Collects entries.
#[derive(Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    folders: BTreeSet<String>,
}

impl Writer {
    pub(super) fn file(&mut self, path: &str, content: &[u8], mode: u32) -> Result<(), PathTooLong> {
        self.parents(path)?;
        self.header(path, mode, content.len(), b'0', "")?;
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK_BYTES), 0);
        Ok(())
    }

    pub(super) fn link(&mut self, path: &str, target: &str) -> Result<(), PathTooLong> {
        self.parents(path)?;
        self.header(path, 0o777, 0, b'2', target)
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        // Two empty blocks end an archive.
        self.bytes.resize(self.bytes.len() + 2 * BLOCK_BYTES, 0);
        self.bytes
    }

    fn parents(&mut self, path: &str) -> Result<(), PathTooLong> {
        for (end, _) in path.match_indices('/') {
            let folder = &path[..=end];
            if self.folders.insert(folder.to_owned()) {
                self.header(folder, 0o755, 0, b'5', "")?;
            }
        }
        Ok(())
    }

    fn header(&mut self, path: &str, mode: u32, size: usize, kind: u8, target: &str) -> Result<(), PathTooLong> {
        if let Some(long) = [path, target].into_iter().find(|text| text.len() > NAME_BYTES_MAX) {
            return Err(PathTooLong(long.to_owned()));
        }
        let mut block = [0_u8; BLOCK_BYTES];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, path.as_bytes());
        put(100, format!("{mode:07o}").as_bytes());
        put(108, b"0000000");
        put(116, b"0000000");
        put(124, format!("{size:011o}").as_bytes());
        put(136, b"00000000000");
        // The sum is taken with spaces in its own place.
        put(148, b"        ");
        put(156, &[kind]);
        put(157, target.as_bytes());
        put(257, b"ustar\x0000");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        self.bytes.extend_from_slice(&block);
        Ok(())
    }
}
