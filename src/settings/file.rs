//! `mds.toml`: the settings of a site.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;
use url::Url;

use super::documents::{self, DocumentSettings};
use super::network::Network;
use super::serve::{ServeFile, ServeFlags, ServeSettings};
use super::smd::{SmdFile, TokenSmithFile};
use super::waiver::Waiver;
use super::wireguard::{WireguardFile, WireguardFlags, WireguardSettings};
use crate::types::{DocumentName, GroupLabel, Place, Problem, Problems, did_you_mean, without_value};

/// The name of the settings file at the top of a site.
pub const FILE_NAME: &str = "mds.toml";

/// Everything `mds.toml` may say. A table that is left out has the defaults of its type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SiteSettings {
    /// `[cluster]`
    pub cluster: ClusterSettings,
    /// `[inventory]`
    pub inventory: InventorySettings,
    /// `[networks.<label>]`
    pub networks: BTreeMap<String, Network>,
    /// `[network_config]`
    pub network_config: NetworkConfigSettings,
    /// `[groups]`
    pub groups: GroupSettings,
    /// `[vendor_data]`
    pub vendor_data: VendorDataSettings,
    /// `[documents.<name>]`
    pub documents: BTreeMap<DocumentName, DocumentSettings>,
    /// `[render]`
    pub render: RenderSettings,
    /// `[check]`
    pub check: CheckSettings,
    /// `[serve]`
    pub serve: ServeFile,
    /// `[wireguard]`
    pub wireguard: WireguardFile,
}

/// `[cluster]`: what all nodes share; the original's ClusterDefaults.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClusterSettings {
    /// The cluster's name, `cluster-name` in meta-data.
    pub name: String,
    /// What generated hostnames begin with; the first two characters of `name` when empty.
    pub short_name: String,
    /// Digits of the NID in generated hostnames, 1 to 10.
    pub nid_length: u8,
    /// `cloud_provider` in meta-data.
    pub cloud_provider: String,
    /// `region` in meta-data.
    pub region: String,
    /// `availability_zone` in meta-data.
    pub availability_zone: String,
    /// Where nodes reach this server: an absolute http or https URL, without which no group can be included.
    pub base_url: Option<String>,
    /// SSH public keys for every node.
    pub public_keys: Vec<String>,
}

impl Default for ClusterSettings {
    fn default() -> Self {
        Self {
            name: String::new(),
            short_name: String::new(),
            nid_length: 4,
            cloud_provider: "OpenCHAMI".to_owned(),
            region: String::new(),
            availability_zone: String::new(),
            base_url: None,
            public_keys: Vec::new(),
        }
    }
}

/// `[inventory]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InventorySettings {
    /// The inventory file, relative to the site.
    pub file: String,
    /// The label of the network nodes boot from.
    pub boot_network: String,
    /// What two nodes may share without the build being refused.
    pub allow_duplicate: BTreeSet<Duplicate>,
    /// How many of the nodes, or of their addresses, a pull may take away at once, in percent.
    pub max_removed: u8,
    /// After how many days an inventory file is said to be old, when a site is checked.
    pub max_lock_age: Option<u32>,
    /// `[inventory.smd]`
    pub smd: SmdFile,
    /// `[inventory.tokensmith]`
    pub tokensmith: TokenSmithFile,
}

impl Default for InventorySettings {
    fn default() -> Self {
        Self {
            file: "inventory.json".to_owned(),
            boot_network: "HMN".to_owned(),
            allow_duplicate: BTreeSet::new(),
            max_removed: 10,
            max_lock_age: None,
            smd: SmdFile::default(),
            tokensmith: TokenSmithFile::default(),
        }
    }
}

/// Something that should belong to one node only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Duplicate {
    /// An IP address. An address that several nodes share identifies none of them.
    Address,
    /// A MAC address.
    Mac,
    /// A hostname.
    Hostname,
    /// A NID.
    Nid,
}

/// `[network_config]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkConfigSettings {
    /// The version of network-config to write.
    pub version: NetworkConfigVersion,
}

/// A version of cloud-init's network configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u8")]
pub enum NetworkConfigVersion {
    /// Version 1, as the original service wrote it.
    One,
    /// Version 2, netplan's shape.
    #[default]
    Two,
}

impl TryFrom<u8> for NetworkConfigVersion {
    type Error = String;

    fn try_from(version: u8) -> Result<Self, String> {
        match version {
            1 => Ok(Self::One),
            2 => Ok(Self::Two),
            other => Err(format!("network-config has no version {other}; 1 or 2 is expected")),
        }
    }
}

/// `[groups]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GroupSettings {
    /// The groups that apply first, in this order; all others follow by label. Later groups win on the node.
    pub order: Vec<GroupLabel>,
}

/// `[vendor_data]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VendorDataSettings {
    /// How the groups' documents reach the node.
    pub delivery: Delivery,
}

/// How the groups' documents reach the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// vendor-data is an `#include` with one URL per group.
    #[default]
    Include,
    /// vendor-data is a MIME multipart that carries every group's document.
    Inline,
}

/// `[check]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckSettings {
    /// How much what a rule finds matters, by the rule's id.
    pub severity: BTreeMap<String, Level>,
    /// How many bytes a document may have before that is said.
    pub max_document_bytes: usize,
    /// The schema of cloud-config of the cloud-init that the nodes have, relative to the site; ours without it.
    pub cloud_config_schema: Option<String>,
    /// `[[check.waivers]]`
    pub waivers: Vec<Waiver>,
}

impl Default for CheckSettings {
    fn default() -> Self {
        Self { severity: BTreeMap::new(), max_document_bytes: 1 << 20, cloud_config_schema: None, waivers: Vec::new() }
    }
}

/// How much it matters what a rule finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing is published.
    Error,
    /// It is reported.
    Warning,
    /// It is told to those who ask for everything.
    Note,
    /// It is not reported.
    Off,
}

/// `[render]`: bounds for one document.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RenderSettings {
    /// Largest document in bytes.
    pub max_document_bytes: usize,
    /// Longest time for one document in seconds.
    pub max_seconds: u64,
}

impl Default for RenderSettings {
    fn default() -> Self {
        Self { max_document_bytes: 1 << 20, max_seconds: 5 }
    }
}

impl RenderSettings {
    /// Longest time for one document.
    #[must_use]
    pub const fn time_limit(&self) -> Duration {
        Duration::from_secs(self.max_seconds)
    }
}

/// Reads a settings file. `name` is how messages call it.
///
/// # Errors
/// When it is not TOML, has a key or value that is not known (with place and the nearest right name), or values that
/// do not fit together.
pub fn parse_settings(name: &str, text: &str) -> Result<SiteSettings, Problems> {
    let mut settings: SiteSettings = toml::from_str(text).map_err(|error| problem(name, text, &error))?;
    if settings.cluster.nid_length == 0 {
        settings.cluster.nid_length = ClusterSettings::default().nid_length;
    }
    settings.check.waivers.iter_mut().for_each(|waiver| waiver.set_place(name, text));
    // Flags may win over these when the server starts, but a wrong value in the file is found when it is checked.
    let serve_fault = ServeSettings::resolve(ServeFlags::default(), settings.serve.clone(), name).err();
    // A file may say that documents are for tunnels only, and leave the network to a flag.
    let tunnels = WireguardFile { only: None, ..settings.wireguard.clone() };
    let wireguard_fault = WireguardSettings::resolve(WireguardFlags::default(), tunnels, name).err();
    let problems: Vec<Problem> = faults(&settings)
        .into_iter()
        .chain(serve_fault.map(|fault| format!("[serve] {fault}")))
        .chain(wireguard_fault.map(|fault| format!("[wireguard] {fault}")))
        .map(|fault| Problem::at(Place::file(name), fault))
        .collect();
    if problems.is_empty() { Ok(settings) } else { Err(Problems(problems)) }
}

fn problem(name: &str, text: &str, error: &toml::de::Error) -> Problem {
    let place = match error.span() {
        Some(span) => Place::of_offset(name, text, span.start),
        None => Place::file(name),
    };
    let message = without_value(&error.message().trim_end().replace('\n', "; "));
    let hint = did_you_mean(&message);
    Problem { place: Some(place), message, hint }
}

fn faults(settings: &SiteSettings) -> Vec<String> {
    let mut faults = Vec::new();
    if settings.cluster.nid_length > 10 {
        faults.push("[cluster] nid_length is more than 10, and a NID has at most 10 digits".to_owned());
    }
    if let Some(url) = &settings.cluster.base_url {
        faults.extend(base_url_fault(url).map(|fault| format!("[cluster] base_url {fault}")));
    }
    for key in &settings.cluster.public_keys {
        if key.contains('\n') || key.trim().is_empty() {
            faults.push("[cluster] public_keys has an entry that is not one line with one key".to_owned());
        }
    }
    faults.extend(settings.inventory.smd.faults().into_iter().map(|fault| format!("[inventory.smd] {fault}")));
    let tokensmith = settings.inventory.tokensmith.fault();
    faults.extend(tokensmith.map(|fault| format!("[inventory.tokensmith] {fault}")));
    if settings.inventory.max_removed > 100 {
        faults.push("[inventory] max_removed is a percentage, from 0 to 100".to_owned());
    }
    if settings.render.max_seconds == 0 || settings.render.max_document_bytes == 0 {
        faults.push("[render] max_seconds and max_document_bytes must be at least 1".to_owned());
    }
    faults.extend(documents::faults(&settings.documents));
    faults.extend(settings.check.waivers.iter().filter_map(Waiver::fault));
    let mut seen = BTreeSet::new();
    for label in &settings.groups.order {
        if !seen.insert(label) {
            faults.push(format!("[groups] order names `{label}` twice"));
        }
    }
    let mut labels: BTreeMap<String, &str> = BTreeMap::new();
    for (label, network) in &settings.networks {
        // The inventory's labels are compared without regard to case.
        if let Some(other) = labels.insert(label.to_ascii_lowercase(), label) {
            faults.push(format!("the networks `{other}` and `{label}` differ by case only; keep one of the two"));
        }
        faults.extend(network.faults(label));
    }
    faults
}

impl SiteSettings {
    /// The path prefixes below which the site's server has everything as well, unless its command line says otherwise.
    #[must_use]
    pub fn serve_prefixes(&self) -> Vec<String> {
        let serve = ServeSettings::resolve(ServeFlags::default(), self.serve.clone(), super::FILE_NAME);
        serve.map(|serve| serve.prefixes.value).unwrap_or_default()
    }
}

/// Says what is wrong with an URL that nodes are to be sent to, if anything is.
///
/// cloud-init does not resolve relative URLs, and a query or fragment would end up in the middle of the joined URL.
#[must_use]
pub fn base_url_fault(text: &str) -> Option<String> {
    let expected = "an absolute URL such as `http://10.252.0.1:8080` is expected";
    match Url::parse(text) {
        Err(error) => Some(format!("`{text}` is not an URL ({error}); {expected}")),
        Ok(url) if !matches!(url.scheme(), "http" | "https") || !has_plain_host(url.scheme(), text) => {
            Some(format!("`{text}` is not an http or https URL; {expected}"))
        }
        Ok(url) if url.query().is_some() || url.fragment().is_some() => {
            Some(format!("`{text}` has a query or fragment, to which no path can be added; {expected}"))
        }
        Ok(_) if text.chars().any(char::is_whitespace) => Some(format!("`{text}` has white space in it; {expected}")),
        Ok(_) => None,
    }
}

/// Whether the text goes on with `://` and a host. The parser mends `http:host` and `http:///host` silently, but nodes
/// get the text as it was written.
fn has_plain_host(scheme: &str, text: &str) -> bool {
    let rest = text.get(scheme.len()..).and_then(|rest| rest.strip_prefix("://"));
    rest.is_some_and(|rest| !rest.starts_with(['/', '\\']) && !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        parse_settings("mds.toml", text).unwrap_err().to_string()
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_place_and_the_nearest_name() {
        let text = message("[cluster]\nname = \"demo\"\nshortname = \"tc\"\n");
        assert!(text.starts_with("mds.toml:3:1: "), "{text}");
        assert!(text.contains("did you mean `short_name`?"), "{text}");
        assert!(message("[clutser]\n").contains("did you mean `cluster`?"));
    }

    #[test]
    fn broken_toml_is_reported_with_its_place() {
        assert!(message("[cluster]\nname = \n").starts_with("mds.toml:2:"));
        assert!(message("[vendor_data]\ndelivery = \"inlin\"").contains("did you mean `inline`?"));
    }

    #[test]
    fn values_that_do_not_fit_are_all_reported() {
        let text = message(
            "[cluster]\nbase_url = \"/relative\"\nnid_length = 11\n[networks.HMN]\nprefixes = [\"10.0.0.0/8\"]\ngateway = \"11.0.0.1\"\n",
        );
        assert_eq!(text.lines().count(), 3, "{text}");
    }

    #[test]
    fn networks_whose_labels_differ_by_case_only_are_refused() {
        let text = message("[networks.hmn]\n[networks.HMN]\n[networks.HSN]\n");
        assert_eq!(text, "mds.toml: the networks `HMN` and `hmn` differ by case only; keep one of the two");
    }

    #[test]
    fn what_would_keep_the_server_from_starting_is_found_when_the_file_is_read() {
        assert!(message("[serve]\npoll = 0\n").contains("mds.toml: [serve] a poll interval of 0 seconds"));
        assert!(message("[serve]\nlisten = []\n").contains("no address to listen on"));
        assert!(message("[serve]\nprefixes = [\"/a b\"]\n").contains("`/a b` is not a path prefix"));
    }

    #[test]
    fn what_would_keep_the_inventory_from_being_pulled_is_found_when_the_file_is_read() {
        let text = message(
            "[inventory]\nmax_removed = 101\n[inventory.smd]\nurl = \"smd\"\ntimeout = 0\nsync_interval = 0\n\
             [inventory.tokensmith]\nurl = \"https://u:s3cr3t@tokensmith\"\n",
        );
        assert!(text.lines().count() == 5 && text.contains("[inventory.smd]") && !text.contains("s3cr3t"), "{text}");
        assert!(message("[check.severity]\nduplicate-nid = \"waring\"\n").contains("did you mean `warning`?"));
    }

    #[test]
    fn an_empty_file_has_the_defaults() {
        let settings = parse_settings("mds.toml", "").unwrap();
        assert_eq!(settings, SiteSettings::default());
        assert_eq!(settings.network_config.version, NetworkConfigVersion::Two);
        assert_eq!(settings.vendor_data.delivery, Delivery::Include);
    }

    #[test]
    fn base_urls_that_nodes_could_not_use_are_refused() {
        for url in ["", "10.0.0.1:8080", "ftp://host/", "http://", "http://h/?a=b", "http://h/#x", "http://h/a b"]
            .into_iter()
            .chain(["http:h", "http:/h", "http:///h", "http:\\\\h", " http://h"])
        {
            assert!(base_url_fault(url).is_some(), "{url:?} must be refused");
        }
        for url in ["http://10.252.0.1:8080", "https://head/metadata-service/", "http://[fd00::1]:8080/x", "HTTP://h"] {
            assert_eq!(base_url_fault(url), None);
        }
    }
}
