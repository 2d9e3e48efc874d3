//! Tags that PyYAML's safe loader knows. It refuses every other one, `!foo` and `!!python/…` alike.

use std::borrow::Cow;

use saphyr_parser::Tag;

use super::node::Shape;
use super::scalars::{Kind, can_be_made};

/// What a tag makes of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tagged {
    /// Nothing: there is no tag, or only `!`, which PyYAML passes over.
    Untagged,
    /// What the tag says.
    As(Kind),
    /// Bytes in base 64.
    Binary,
    /// A list or mapping of some kind.
    Collection,
}

/// What the tag of a node makes of it, or what is wrong with that.
pub(super) fn tagged(tag: Option<&Tag>, shape: Shape) -> Result<Tagged, &'static str> {
    let Some(tag) = tag else { return Ok(Tagged::Untagged) };
    let name: Cow<'_, str> = match (tag.handle.as_str(), tag.suffix.as_str()) {
        ("", "!") | ("!", "") => return Ok(Tagged::Untagged),
        (handle, suffix) => format!("{handle}{suffix}").into(),
    };
    let unknown = "has a tag that cloud-init's YAML reader does not know";
    let (wanted, made) = match name.strip_prefix("tag:yaml.org,2002:").ok_or(unknown)? {
        "null" => (Shape::Scalar, Tagged::As(Kind::Null)),
        "bool" => (Shape::Scalar, Tagged::As(Kind::Bool)),
        "int" => (Shape::Scalar, Tagged::As(Kind::Int)),
        "float" => (Shape::Scalar, Tagged::As(Kind::Float)),
        "timestamp" => (Shape::Scalar, Tagged::As(Kind::Timestamp)),
        "str" => (Shape::Scalar, Tagged::As(Kind::Text)),
        "binary" => (Shape::Scalar, Tagged::Binary),
        "seq" | "omap" | "pairs" => (Shape::Sequence, Tagged::Collection),
        "map" | "set" => (Shape::Mapping, Tagged::Collection),
        _ => return Err(unknown),
    };
    if wanted == shape { Ok(made) } else { Err("has a tag that does not go with what it is") }
}

/// Whether PyYAML can make of a scalar what its tag says.
pub(super) fn can_be_tagged(tagged: Tagged, text: &str) -> bool {
    match tagged {
        Tagged::Untagged | Tagged::Collection => true,
        Tagged::As(kind) => can_be_made(kind, text),
        Tagged::Binary => is_base64(text),
    }
}

/// Python passes over what is no letter of base 64, and wants whole groups of four.
fn is_base64(text: &str) -> bool {
    let is_letter = |character: &char| character.is_ascii_alphanumeric() || "+/".contains(*character);
    let letters = text.chars().filter(is_letter).count();
    let padding = text.chars().filter(|character| *character == '=').count();
    let is_padded = match letters % 4 {
        0 => true,
        1 => false,
        rest => padding >= 4 - rest,
    };
    text.is_ascii() && is_padded
}
