//! Settings: what a site says in `mds.toml`, and how flags, environment, file and defaults become one value.
//!
//! Precedence is flag over environment over file over default. Unknown keys are refused, values are checked when they
//! are read, and each serving value knows where it came from, so that a message can say what to change.

mod documents;
mod file;
mod network;
mod serve;
mod service_url;
mod smd;
mod sourced;
mod waiver;
mod wireguard;

pub use documents::{DocumentSettings, Requirement};
pub use file::{
    CheckSettings, ClusterSettings, Delivery, Duplicate, FILE_NAME, GroupSettings, InventorySettings, Level,
    NetworkConfigSettings, NetworkConfigVersion, RenderSettings, SiteSettings, VendorDataSettings, base_url_fault,
    parse_settings,
};
pub use network::{AddressMethod, Network, Route};
pub use serve::{ServeFile, ServeFlags, ServeSettings};
pub use service_url::ServiceUrl;
pub use smd::{
    Authentication, IdentityFiles, SmdFile, SmdFlags, SmdSettings, SyncSettings, TokenSmithFile, TokenSmithSettings,
};
pub use sourced::{Source, Sourced};
pub use waiver::{Pattern, Waiver};
pub use wireguard::{Arming, WireguardFile, WireguardFlags, WireguardSettings};
