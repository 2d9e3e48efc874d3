//! What a node knows of itself when it renders documents: `instance-data-sensitive.json` of the NoCloud data source.
//!
//! The facts are those of `DataSource.persist_instance_data` and `DataSourceNoCloud` of cloud-init 22.4 and 25.1, which
//! say the same but for `merged_system_cfg`. What only the machine knows has a stand-in: what Debian 13 would say.

use std::net::Ipv4Addr;

use serde_json::{Map, Value as Json, json};

use super::super::yaml::{Tree, Value};

/// Names below `v1` of what only the machine knows.
pub(super) const MACHINE_NAMES: [&str; 9] = [
    "distro",
    "distro_release",
    "distro_version",
    "kernel_release",
    "machine",
    "python_version",
    "subplatform",
    "system_platform",
    "variant",
];
/// What the data source takes from the kernel command line.
pub(super) const SEED_NAME: &str = "seedfrom";
/// Names at the top of what is the machine's own configuration, of which nothing is known here.
pub(super) const CONFIGURATION_NAMES: [&str; 2] = ["merged_cfg", "merged_system_cfg"];

const SEED: &str = "http://192.0.2.1/";
const KERNEL: &str = "6.12.0-amd64";
const PLATFORM: &str = "Linux-6.12.0-amd64-x86_64-with-glibc2.41";
const PYTHON: &str = "3.13.5";
const UNKNOWN: &str = "unknown";

/// The instance data of a node with this meta-data, without the machine's own configuration. Meta-data that is no
/// mapping counts as empty.
pub(super) fn instance_data(meta_data: Option<&Tree>) -> Map<String, Json> {
    let mut seeded = match meta_data.map(json_of) {
        Some(Json::Object(map)) => map,
        _ => Map::new(),
    };
    // The command line counts more than the document, and the document more than the defaults.
    seeded.insert(SEED_NAME.to_owned(), SEED.into());
    seeded.insert("dsmode".to_owned(), "net".into());
    seeded.entry("instance-id").or_insert_with(|| "nocloud".into());
    let v1 = standardised(&seeded);
    let data = json!({
        "base64_encoded_keys": [],
        "ds": {
            "_doc": "EXPERIMENTAL: The structure and format of content scoped under the 'ds' key may change in \
                     subsequent releases of cloud-init.",
            "meta_data": seeded,
        },
        "sensitive_keys": CONFIGURATION_NAMES,
        "sys_info": {
            "dist": ["debian", "13", "trixie"],
            "platform": PLATFORM,
            "python": PYTHON,
            "release": KERNEL,
            "system": "Linux",
            "uname": ["Linux", "localhost", KERNEL, "#1 SMP", "x86_64", ""],
            "variant": "debian",
        },
        "v1": v1,
    });
    if let Json::Object(map) = data { map } else { Map::new() }
}

/// What cloud-init says of a node of every data source.
fn standardised(meta_data: &Map<String, Json>) -> Json {
    let instance_id = meta_data.get("instance-id").map_or_else(String::new, text_of);
    let hostname = local_hostname(meta_data.get("local-hostname"));
    let zone = availability_zone(meta_data);
    let region = meta_data.get("region").cloned().unwrap_or(Json::Null);
    let cloud_name = match meta_data.get("cloud-name") {
        Some(Json::String(name)) if !name.is_empty() => name.to_lowercase(),
        _ => UNKNOWN.to_owned(),
    };
    let cloud_id = if cloud_name == UNKNOWN { "nocloud" } else { &cloud_name };
    json!({
        "_beta_keys": ["subplatform"],
        "availability-zone": zone,
        "availability_zone": zone,
        "cloud-name": cloud_name,
        "cloud_id": cloud_id,
        "cloud_name": cloud_name,
        "distro": "debian",
        "distro_release": "trixie",
        "distro_version": "13",
        "instance-id": instance_id,
        "instance_id": instance_id,
        "kernel_release": KERNEL,
        "local-hostname": hostname,
        "local_hostname": hostname,
        "machine": "x86_64",
        "platform": "nocloud",
        "public_ssh_keys": public_keys(meta_data.get("public-keys")),
        "python_version": PYTHON,
        "region": region,
        "subplatform": format!("seed-dir (cmdline,{SEED})"),
        "system_platform": PLATFORM,
        "variant": "debian",
    })
}

/// The first label of the name, or one that is made of an address. Without a name the node has the one it booted with.
fn local_hostname(name: Option<&Json>) -> String {
    let name = name.map(text_of).filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".to_owned());
    if name.parse::<Ipv4Addr>().is_ok() {
        return format!("ip-{}", name.replace('.', "-"));
    }
    name.split('.').next().unwrap_or_default().to_owned()
}

fn availability_zone(meta_data: &Map<String, Json>) -> Json {
    let own = meta_data.get("availability-zone").or_else(|| meta_data.get("availability_zone"));
    let is_said = |zone: &&Json| !matches!(zone, Json::Null) && zone.as_str() != Some("");
    let placed = || meta_data.get("placement").and_then(|placement| placement.get("availability-zone"));
    own.filter(is_said).or_else(placed).cloned().unwrap_or(Json::Null)
}

/// The lines of a text, a list as it is, and what the lists of a mapping hold.
fn public_keys(keys: Option<&Json>) -> Vec<Json> {
    match keys {
        Some(Json::String(text)) => text.lines().map(Json::from).collect(),
        Some(Json::Array(list)) => list.clone(),
        Some(Json::Object(map)) => map
            .values()
            .flat_map(|keys| match keys {
                Json::String(_) => vec![keys.clone()],
                Json::Array(list) => list.clone(),
                _ => Vec::new(),
            })
            .filter(|key| key.as_str() != Some("") && !key.is_null())
            .collect(),
        _ => Vec::new(),
    }
}

/// As Python's `str` has a scalar.
fn text_of(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null => "None".to_owned(),
        Json::Bool(true) => "True".to_owned(),
        Json::Bool(false) => "False".to_owned(),
        other => other.to_string(),
    }
}

/// A value as the client writes it to its file and reads it again.
fn json_of(tree: &Tree) -> Json {
    match &tree.value {
        Value::Timestamp(text) => {
            let class = if text.len() > "2024-01-01".len() { "datetime" } else { "date" };
            format!("Warning: redacted unserializable type <class 'datetime.{class}'>").into()
        }
        // The mark is taken off and never looked at again.
        Value::Text(text) if text.starts_with("ci-b64:") => text.replace("ci-b64:", "").into(),
        Value::Binary(text) => text.split_whitespace().collect::<String>().into(),
        Value::List(items) => items.iter().map(json_of).collect(),
        Value::Map(entries) => {
            Json::Object(entries.iter().map(|entry| (entry.key.clone(), json_of(&entry.value))).collect())
        }
        _ => tree.to_json(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::yaml::load;
    use super::*;

    fn v1(meta_data: &str, key: &str) -> Json {
        instance_data(load(meta_data).as_ref())["v1"][key].clone()
    }

    #[test]
    fn the_names_of_every_data_source_come_from_meta_data() {
        assert_eq!(v1("instance-id: 0644\n", "instance_id"), "420");
        assert_eq!(v1("a: 1\n", "instance_id"), "nocloud");
        assert_eq!(v1("local-hostname: a.b.c\n", "local_hostname"), "a");
        assert_eq!(v1("local-hostname: 10.0.0.7\n", "local-hostname"), "ip-10-0-0-7");
        assert_eq!(v1("region: north\n", "region"), "north");
        assert_eq!(v1("{}\n", "region"), Json::Null);
        assert_eq!(v1("availability_zone: a\n", "availability-zone"), "a");
        assert_eq!(v1("placement: {availability-zone: b}\n", "availability_zone"), "b");
        assert_eq!(v1("cloud-name: Mine\n", "cloud_id"), "mine");
        assert_eq!(v1("{}\n", "cloud_id"), "nocloud");
        for keys in ["|\n  a\n  b\n", "[a, b]\n", "{x: [a], y: b, z: [\"\"]}\n"] {
            assert_eq!(v1(&format!("public-keys: {keys}"), "public_ssh_keys"), json!(["a", "b"]), "{keys}");
        }
    }

    #[test]
    fn meta_data_is_kept_as_json_can() {
        let data = instance_data(load("seedfrom: x\nwhen: 2024-01-01\nraw: !!binary YQ==\n").as_ref());
        let meta_data = &data["ds"]["meta_data"];
        assert_eq!(meta_data["seedfrom"], SEED);
        assert_eq!(meta_data["when"], "Warning: redacted unserializable type <class 'datetime.date'>");
        assert_eq!(meta_data["raw"], "YQ==");
        assert_eq!(instance_data(None)["ds"]["meta_data"]["dsmode"], "net");
    }
}
