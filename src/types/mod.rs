//! The parsed words of the project: values are checked once, where they enter, and are never bare strings inside.

mod digest;
mod document_name;
mod group_label;
mod grouped;
mod interface_name;
mod mac_address;
mod node_id;
mod problem;
mod secret;
mod secrets;
mod suggestion;
mod tunnel_network;
mod wireguard_key;
mod xname;

pub use digest::{Digest, ReleaseId};
pub use document_name::DocumentName;
pub use group_label::GroupLabel;
pub use grouped::grouped;
pub use interface_name::InterfaceName;
pub use mac_address::MacAddress;
pub use node_id::NodeId;
pub use problem::{Place, Problem, Problems, printable, without_value};
pub use secret::Secret;
pub(crate) use secrets::decoded;
pub use secrets::{
    FoundSecret, REDACTED, SecretKind, is_secret_key, looks_secret, may_hold_secrets, redacted, secret_under,
    secrets_in,
};
pub use suggestion::{did_you_mean, nearest};
pub use tunnel_network::TunnelNetwork;
pub use wireguard_key::WireguardKey;
pub use xname::{XnameKind, xname_kind};

/// A text from outside that is not what it should be, with a sentence that says why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidText(pub String);

/// Implements the text conversions that every parsed word shares, on top of its `parse(&str)` function.
macro_rules! text_conversions {
    ($word:ty) => {
        impl std::str::FromStr for $word {
            type Err = $crate::types::InvalidText;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                <$word>::parse(text)
            }
        }

        impl serde::Serialize for $word {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $word {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                <$word>::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use text_conversions;

/// Implements what words made of a `Box<str>` share: their text, shown as it is, and the conversions.
macro_rules! boxed_text {
    ($word:ty) => {
        impl $word {
            /// The word as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $word {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $word {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        $crate::types::text_conversions!($word);
    };
}
pub(crate) use boxed_text;
