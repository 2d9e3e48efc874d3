//! Contents in base 64, compressed or not.

use std::io::Read;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// What is looked at of a content, in bytes, before it is decoded and after.
const MOST_BYTES: usize = 1 << 20;
/// Padding is often lost.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The bytes that a text in base 64 stands for, unpacked if they are compressed by gzip; of large ones the beginning.
/// `None` for what is not base 64.
pub(crate) fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut compact: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).take(MOST_BYTES).collect();
    if compact.len() == MOST_BYTES {
        compact.truncate(MOST_BYTES / 4 * 4);
    }
    let bytes = BASE64.decode(compact).ok()?;
    Some(unpacked(&bytes))
}

/// What gzip packed, as far as it can be read; other bytes as they are.
fn unpacked(bytes: &[u8]) -> Vec<u8> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return bytes.to_vec();
    }
    let mut unpacked = Vec::new();
    // What was read before an error stays.
    let _ = flate2::read::GzDecoder::new(bytes).take(MOST_BYTES as u64).read_to_end(&mut unpacked);
    unpacked
}
