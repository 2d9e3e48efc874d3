//! What each node of a release was rendered from: `inputs` beside the manifest, so that the next build renders only what
//! has changed.
//!
//! It holds digests only, is no part of the release's id, and may be lost or broken without harm: then everything is
//! rendered. Its first line has a seal over the rest, so that an altered one is never believed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::types::{Digest, NodeId, ReleaseId};

/// The version of the file that this build writes and reads.
const FORMAT: u32 = 1;

/// What the nodes of a release were rendered from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// What all nodes have in common: the site and the program that rendered it.
    pub recipe: Digest,
    /// What the inventory said of each node.
    pub nodes: BTreeMap<NodeId, Digest>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    release: ReleaseId,
    recipe: Digest,
    /// The digest of the lines that follow.
    lines: Digest,
}

impl Inputs {
    /// The file: a header, then a line for each node, sorted by id.
    pub(super) fn to_bytes(&self, release: ReleaseId) -> serde_json::Result<Vec<u8>> {
        let lines: String = self.nodes.iter().map(|(id, digest)| format!("{id} {digest}\n")).collect();
        let header = Header { format: FORMAT, release, recipe: self.recipe, lines: Digest::of(lines.as_bytes()) };
        let mut bytes = serde_json::to_vec(&header)?;
        bytes.push(b'\n');
        bytes.extend_from_slice(lines.as_bytes());
        Ok(bytes)
    }

    /// Reads the file of a release; `None` when it is not whole, of another release, or of another format.
    pub(super) fn from_bytes(release: ReleaseId, bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let (header, lines) = (&bytes[..end], &bytes[end + 1..]);
        let header: Header = serde_json::from_slice(header).ok()?;
        if header.format != FORMAT || header.release != release || header.lines != Digest::of(lines) {
            return None;
        }
        let line = |line: &str| {
            let (id, digest) = line.split_once(' ')?;
            Some((NodeId::parse(id).ok()?, Digest::parse(digest).ok()?))
        };
        let nodes = std::str::from_utf8(lines).ok()?.lines().map(line).collect::<Option<_>>()?;
        Some(Self { recipe: header.recipe, nodes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_back_and_an_altered_one_is_not_believed() {
        let id = |text: &str| NodeId::parse(text).unwrap();
        let nodes = [("a", "1"), ("b:c", "2")].map(|(node, text)| (id(node), Digest::of(text.as_bytes())));
        let inputs = Inputs { recipe: Digest::of(b"recipe"), nodes: nodes.into() };
        let release = ReleaseId(Digest::of(b"release"));
        let bytes = inputs.to_bytes(release).unwrap();
        assert_eq!(Inputs::from_bytes(release, &bytes), Some(inputs));
        assert_eq!(Inputs::from_bytes(ReleaseId(Digest::of(b"other")), &bytes), None);
        for position in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[position] ^= 1;
            let read = Inputs::from_bytes(release, &altered);
            // Only the recipe is not sealed: with another one nothing is reused.
            assert!(read.is_none_or(|read| read.recipe != Digest::of(b"recipe")), "{position}");
            assert_eq!(Inputs::from_bytes(release, &bytes[..position]), None);
        }
    }
}
