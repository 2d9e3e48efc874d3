//! That schemas and parsers know the same keys, and the same defaults.

use std::collections::BTreeSet;

use mds::inventory::parse_inventory;
use mds::settings::{
    ServeFlags, ServeSettings, SiteSettings, SmdFile, SmdFlags, SmdSettings, Source, Sourced, TokenSmithFile,
    WireguardFlags, WireguardSettings, parse_settings,
};
use mds::types::{NodeId, Secret};
use serde_json::{Map, Value, json};

use super::kind::{Kind, read_site, schema};

/// Asserts that a table of a schema has these properties and no others.
#[track_caller]
pub(crate) fn assert_keys<'a>(schema: &Value, pointer: &str, keys: impl Iterator<Item = &'a String>) {
    let described: BTreeSet<&String> =
        schema.pointer(pointer).unwrap()["properties"].as_object().unwrap().keys().collect();
    assert_eq!(described, keys.collect(), "at {pointer:?}");
}

/// The names in a parser's message about an unknown key: "unknown field `x`, expected one of `a`, `b`".
fn expected_names(message: &str) -> Vec<String> {
    let (_, listed) = message.split_once("expected ").unwrap_or_else(|| panic!("no names in {message:?}"));
    let listed = listed.split(" (did you mean").next().unwrap();
    listed.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_key_of_a_parser_is_in_its_schema_and_the_other_way_round() {
    let interface = |text: &str| {
        format!(r#"{{"format":1,"nodes":[{{"id":"n","interfaces":[{{"mac":"b4:2e:99:be:1a:6d",{text}}}]}}]}}"#)
    };
    let table = |name: &str| format!("[{name}]\nnothing = 1\n");
    let cases: Vec<(Kind, String, &str)> = vec![
        (Kind::Settings, "nothing = 1\n".to_owned(), ""),
        (Kind::Settings, table("cluster"), "/properties/cluster"),
        (Kind::Settings, table("inventory"), "/properties/inventory"),
        (Kind::Settings, table("inventory.smd"), "/properties/inventory/properties/smd"),
        (Kind::Settings, table("inventory.tokensmith"), "/properties/inventory/properties/tokensmith"),
        (Kind::Settings, table("networks.HMN"), "/$defs/network"),
        (Kind::Settings, table("[networks.HMN.routes]"), "/$defs/route"),
        (Kind::Settings, table("network_config"), "/properties/network_config"),
        (Kind::Settings, table("groups"), "/properties/groups"),
        (Kind::Settings, table("vendor_data"), "/properties/vendor_data"),
        (Kind::Settings, table("documents.user-data"), "/$defs/document"),
        (Kind::Settings, table("render"), "/properties/render"),
        (Kind::Settings, table("check"), "/properties/check"),
        (Kind::Settings, table("[check.waivers]"), "/$defs/waiver"),
        (Kind::Settings, table("serve"), "/properties/serve"),
        (Kind::Settings, table("wireguard"), "/properties/wireguard"),
        (Kind::Group, "nothing: 1\n".to_owned(), ""),
        (Kind::Node, "nothing: 1\n".to_owned(), ""),
        (Kind::Inventory, r#"{"format":1,"nodes":[],"nothing":1}"#.to_owned(), ""),
        (Kind::Inventory, r#"{"format":1,"nodes":[{"id":"n","nothing":1}]}"#.to_owned(), "/$defs/node"),
        (Kind::Inventory, interface(r#""nothing":1"#), "/$defs/interface"),
        (Kind::Inventory, interface(r#""addresses":[{"nothing":1}]"#), "/$defs/interfaceAddress"),
        (Kind::Inventory, r#"{"format":1,"nodes":[],"remarks":[{"nothing":1}]}"#.to_owned(), "/$defs/remark"),
    ];
    for (kind, text, pointer) in &cases {
        let message = kind.parse(text).unwrap_err();
        assert!(message.contains("unknown field `nothing`"), "{message}");
        assert_keys(schema(*kind), pointer, expected_names(&message).iter());
    }
    // No table of the settings is forgotten above.
    let tables = schema(Kind::Settings)["properties"].as_object().unwrap().len();
    let inner = ["routes of a network", "waivers of checks", "smd and", "tokensmith of the inventory"].len();
    assert_eq!(cases.iter().filter(|(kind, ..)| *kind == Kind::Settings).count(), 1 + tables + inner);
}

/// The defaults that a table of a schema states, with those of the tables in it.
fn defaults(table: &Value) -> Value {
    let properties = table["properties"].as_object().unwrap();
    let value = |property: &Value| match property.get("properties") {
        Some(_) => Some(defaults(property)),
        None => property.get("default").cloned(),
    };
    properties
        .iter()
        .filter_map(|(name, property)| Some((name.clone(), value(property)?)))
        .collect::<Map<_, _>>()
        .into()
}

#[test]
fn settings_that_state_every_default_are_the_same_as_none() {
    let stated = defaults(schema(Kind::Settings));
    assert_eq!(stated["cluster"]["nid_length"], 4);
    let mut settings = parse_settings("mds.toml", &toml::to_string(&stated).unwrap()).unwrap();
    let resolve = |file| {
        format!("{:?}", {
            let settings = ServeSettings::resolve(ServeFlags::default(), file, "mds.toml").unwrap();
            (settings.listen.value, settings.trusted_proxies.value, settings.prefixes.value, settings.poll.value)
        })
    };
    assert_eq!(resolve(std::mem::take(&mut settings.serve)), resolve(SiteSettings::default().serve));
    let tunnels = |file| {
        let server = Sourced::new("10.9.0.1/24".parse().unwrap(), Source::Flag("--wireguard-server"));
        let flags = WireguardFlags { server: Some(server), ..WireguardFlags::default() };
        let settings = WireguardSettings::resolve(flags, file, "mds.toml").unwrap().unwrap();
        // Where a value came from differs.
        let (listen, only) = (settings.listen.value, settings.only.value);
        let times = (settings.idle, settings.max_age);
        let rates = (settings.max_asks_per_minute, settings.max_handshakes_per_second);
        format!("{:?}", (listen, only, times, rates, settings.endpoint, settings.arm, settings.admins))
    };
    assert_eq!(tunnels(std::mem::take(&mut settings.wireguard)), tunnels(<_>::default()));
    let (smd, tokensmith) = (&mut settings.inventory.smd, &mut settings.inventory.tokensmith);
    assert_eq!(resolved(std::mem::take(smd), std::mem::take(tokensmith)), resolved(<_>::default(), <_>::default()));
    assert_eq!(settings, SiteSettings::default());
}

/// What the tables of SMD and TokenSmith come to, when the environment says where both are and who asks.
fn resolved(smd: SmdFile, tokensmith: TokenSmithFile) -> String {
    let url = Sourced::new("http://smd".to_owned(), Source::Environment("SMD_URL"));
    let flags = SmdFlags { url: Some(url), ..SmdFlags::default() };
    let given = TokenSmithFile {
        url: Some("https://tokensmith".to_owned()),
        bootstrap_token: Some(Secret::new("token")),
        ..TokenSmithFile::default()
    };
    format!("{:?}", SmdSettings::resolve(flags, given, smd, tokensmith, "mds.toml").unwrap())
}

#[test]
fn a_network_that_states_every_default_is_the_same_as_an_empty_one() {
    let stated = json!({"networks": {"HMN": defaults(&schema(Kind::Settings)["$defs"]["network"])}});
    let settings = parse_settings("mds.toml", &toml::to_string(&stated).unwrap()).unwrap();
    assert_eq!(settings, parse_settings("mds.toml", "[networks.HMN]\n").unwrap());
}

#[test]
fn groups_and_nodes_that_state_every_default_are_the_same_as_empty_ones() {
    let group = serde_yaml::to_string(&defaults(schema(Kind::Group))).unwrap();
    let node = serde_yaml::to_string(&defaults(schema(Kind::Node))).unwrap();
    let read = |group: &str, node: &str| {
        let site = read_site(&[("mds.toml", ""), ("groups/g/group.yaml", group), ("nodes/n.yaml", node)]).unwrap();
        (format!("{:?}", site.groups), site.nodes)
    };
    let (groups, nodes) = read(&group, &node);
    assert!(nodes.contains_key(&NodeId::parse("n").unwrap()));
    assert_eq!((groups, nodes), read("", "# nothing\n"));
}

#[test]
fn an_inventory_that_states_every_default_is_the_same_as_a_short_one() {
    let definitions = &schema(Kind::Inventory)["$defs"];
    let with = |mut stated: Value, more: Value| {
        stated.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        stated
    };
    let inventory = |node: Value| {
        let text = json!({"format": 1, "nodes": [node]}).to_string();
        parse_inventory("inventory.json", text.as_bytes()).unwrap()
    };
    let address = with(defaults(&definitions["interfaceAddress"]), json!({"ip": "10.0.0.1"}));
    let interface = json!({"mac": "b4:2e:99:be:1a:6d", "addresses": [address]});
    let interface = with(defaults(&definitions["interface"]), interface);
    let node = with(defaults(&definitions["node"]), json!({"id": "n", "interfaces": [interface]}));
    let short = json!({"id": "n", "interfaces": [{"mac": "b4:2e:99:be:1a:6d", "addresses": [{"ip": "10.0.0.1"}]}]});
    assert_eq!(inventory(node), inventory(short));
}
