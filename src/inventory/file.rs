//! The inventory file: `inventory.json`, which is also the lock file that continuous integration builds against.

use std::fmt::Write;

use jiff::civil::Date;
use serde::Deserialize;

use super::model::{Inventory, Node};
use super::pull::{Pull, Remark};
use crate::types::{Place, Problem, Problems, without_value};

/// The version of the inventory file that this build writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InventoryFile {
    #[serde(default, rename = "$schema")]
    schema: Option<String>,
    #[serde(rename = "format")]
    _format: u32,
    #[serde(default)]
    pulled: Option<String>,
    nodes: Vec<Node>,
    #[serde(default)]
    remarks: Vec<Remark>,
}

/// What an inventory file says besides its nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockHeader {
    /// Where editors find the schema of the file.
    pub schema: Option<String>,
    /// The day on which the inventory was pulled, in UTC. A day and not a moment: what is pulled again on the same day
    /// and has not changed is the same file.
    pub pulled: Option<Date>,
}

/// Only the format, to tell a newer file from a broken one.
#[derive(Deserialize)]
struct Probe {
    format: u32,
}

/// Reads an inventory file. `name` is how messages call it.
///
/// # Errors
/// When it is not JSON of the documented shape (with line and column), is of a newer format, or holds an id, label or
/// address that is not what it should be. A byte order mark at the beginning is passed over.
pub fn parse_inventory(name: &str, bytes: &[u8]) -> Result<Inventory, Problems> {
    parse_lock(name, bytes).map(|(_, pull)| pull.inventory)
}

/// As [`parse_inventory`], with what the file says besides its nodes.
///
/// # Errors
/// As [`parse_inventory`].
pub fn parse_lock(name: &str, bytes: &[u8]) -> Result<(LockHeader, Pull), Problems> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Ok(Probe { format }) = serde_json::from_slice(bytes)
        && !(1..=FORMAT).contains(&format)
    {
        let message = format!("the inventory has format {format}, and this mds reads formats 1 to {FORMAT}");
        let problem = Problem::at(Place::file(name), message);
        return Err(if format > FORMAT { problem.with_hint("use a newer mds") } else { problem }.into());
    }
    let file: InventoryFile = serde_json::from_slice(bytes).map_err(|error| json_problem(name, &error))?;
    let pulled = file.pulled.map(|text| date(name, &text)).transpose()?;
    let inventory = Inventory::new(file.nodes).map_err(|problems| at_file(name, problems))?;
    let header = LockHeader { schema: file.schema, pulled };
    Ok((header, Pull { inventory, remarks: file.remarks, ..Pull::default() }))
}

/// Writes an inventory file: readable JSON with one node per line, made for review in a pull request.
///
/// # Errors
/// As [`Inventory::to_lock_file`].
pub fn lock_text(header: &LockHeader, inventory: &Inventory) -> Result<String, serde_json::Error> {
    let mut text = "{".to_owned();
    if let Some(schema) = &header.schema {
        text.push_str(&format!("\"$schema\":{},", serde_json::to_string(schema)?));
    }
    text.push_str(&format!("\"format\":{FORMAT},"));
    if let Some(pulled) = header.pulled {
        text.push_str(&format!("\"pulled\":\"{pulled}\","));
    }
    write_nodes(&mut text, inventory)?;
    text.push_str("}\n");
    Ok(text)
}

/// Writes an inventory file that holds the remarks of its source too, for a process that goes on with them.
///
/// # Errors
/// As [`Inventory::to_lock_file`].
pub fn pull_text(pull: &Pull) -> Result<String, serde_json::Error> {
    let mut text = format!("{{\"format\":{FORMAT},");
    write_nodes(&mut text, &pull.inventory)?;
    // Writing to a String cannot fail.
    let _ = writeln!(text, ",\"remarks\":{}}}", serde_json::to_string(&pull.remarks)?);
    Ok(text)
}

/// `"nodes": […]`, one node per line.
pub(super) fn write_nodes(text: &mut String, inventory: &Inventory) -> Result<(), serde_json::Error> {
    text.push_str("\"nodes\":[");
    for (index, node) in inventory.nodes().iter().enumerate() {
        text.push_str(if index == 0 { "\n  " } else { ",\n  " });
        text.push_str(&serde_json::to_string(node)?);
    }
    text.push_str("\n]");
    Ok(())
}

fn date(name: &str, text: &str) -> Result<Date, Problem> {
    text.parse().map_err(|_| {
        let message = format!("`pulled` is `{}`, which is no date such as `2026-11-25`", text.escape_debug());
        Problem::at(Place::file(name), message)
    })
}

/// Says of problems with nodes which file they are from.
pub(super) fn at_file(name: &str, problems: Problems) -> Problems {
    let at_file = |problem: Problem| Problem { place: Some(Place::file(name)), ..problem };
    Problems(problems.0.into_iter().map(at_file).collect())
}

/// What the JSON parser says, with its place.
pub(super) fn json_problem(name: &str, error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    // serde_json ends its messages with the place, which is told apart here.
    let message = without_value(text.rfind(" at line ").map_or(text.as_str(), |end| &text[..end]));
    let problem = Problem::at(Place::at(name, error.line(), error.column()), message.as_str());
    match crate::types::did_you_mean(&message) {
        Some(hint) => problem.with_hint(hint),
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        parse_inventory("inventory.json", text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn broken_json_is_reported_with_its_line_and_column() {
        assert!(message("{\"format\":1,\n\"nodes\":[{]}").starts_with("inventory.json:2:11: "));
        assert!(message("").contains("inventory.json"));
    }

    #[test]
    fn an_id_that_is_not_safe_in_a_path_is_refused_by_name() {
        let text = message("{\"format\":1,\"nodes\":[\n{\"id\":\"../../etc/passwd\"}]}");
        assert!(text.starts_with("inventory.json:2:") && text.contains("../../etc/passwd"), "{text}");
    }

    #[test]
    fn a_misspelt_key_gets_a_suggestion() {
        let text = message("{\"format\":1,\"nodes\":[{\"id\":\"a\",\"grups\":[]}]}");
        assert!(text.contains("did you mean `groups`?"), "{text}");
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        let text = "\u{feff}{\"format\":1,\"nodes\":[]}";
        assert_eq!(parse_inventory("inventory.json", text.as_bytes()), Ok(Inventory::default()));
    }

    /// What is said to a node `n1` with these interfaces.
    fn of_interfaces(interfaces: &str) -> Result<Inventory, String> {
        let text = format!("{{\"format\":1,\"nodes\":[{{\"id\":\"n1\",\"interfaces\":[{interfaces}]}}]}}");
        parse_inventory("inventory.json", text.as_bytes()).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_name_that_no_interface_can_have_is_refused_with_its_place() {
        let text = of_interfaces("{\"name\":\"../../etc/x y\\n\",\"mac\":\"b4:2e:99:be:1a:6d\"}").unwrap_err();
        assert!(text.starts_with("inventory.json:1:") && text.contains("`../../etc/x y\\n` is not the name"), "{text}");
    }

    #[test]
    fn addresses_that_no_host_can_have_are_refused_by_node_and_interface() {
        for ip in ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255", "::ffff:239.1.2.3"] {
            let interface =
                format!("{{\"name\":\"hsn0\",\"mac\":\"b4:2e:99:be:1a:6d\",\"addresses\":[{{\"ip\":\"{ip}\"}}]}}");
            let text = of_interfaces(&interface).unwrap_err();
            let value = ip.trim_start_matches("::ffff:");
            for part in ["inventory.json: ", "`n1`", "`hsn0`", value] {
                assert!(text.contains(part), "{ip}: {text}");
            }
        }
    }

    #[test]
    fn mac_addresses_that_no_interface_can_have_alone_are_refused() {
        let text = of_interfaces("{\"mac\":\"ff:ff:ff:ff:ff:ff\"},{\"mac\":\"01:00:5e:00:00:01\"}").unwrap_err();
        assert!(text.lines().count() == 2 && text.contains("`n1`") && text.contains("01:00:5e:00:00:01"), "{text}");
        let text = of_interfaces("{\"mac\":\"b42e99be1a6d\"},{\"mac\":\"B4:2E:99:BE:1A:6D\"}").unwrap_err();
        assert!(text.contains("`n1`") && text.contains("b4:2e:99:be:1a:6d"), "{text}");
    }

    #[test]
    fn an_address_stands_once() {
        let one = |network: &str| format!("{{\"ip\":\"10.0.0.1\",\"network\":\"{network}\"}}");
        let interface = |mac: u8, network: &str| {
            let twice = [one(network), one("HMN")].join(",");
            format!("{{\"mac\":\"02:00:00:00:00:0{mac}\",\"addresses\":[{twice}]}}")
        };
        let inventory = of_interfaces(&interface(1, "")).unwrap();
        let addresses = &inventory.nodes()[0].interfaces[0].addresses;
        assert_eq!((addresses.len(), addresses[0].network.as_str()), (1, "HMN"));
        let text = of_interfaces(&[interface(1, "HMN"), interface(2, "HMN")].join(",")).unwrap_err();
        assert!(["`n1`", "10.0.0.1", "`eth0`", "`eth1`"].iter().all(|part| text.contains(part)), "{text}");
    }

    #[test]
    fn an_interface_without_a_name_gets_one_that_is_free() {
        let inventory = of_interfaces(
            "{\"name\":\"eth1\",\"mac\":\"020000000001\"},{\"mac\":\"020000000002\"},{\"name\":\"\",\"mac\":\"020000000003\"}",
        )
        .unwrap();
        let named = |interface: &super::super::Interface| format!("{} {}", interface.name, interface.mac);
        let names: Vec<String> = inventory.nodes()[0].interfaces.iter().map(named).collect();
        assert_eq!(names, ["eth1 02:00:00:00:00:01", "eth2 02:00:00:00:00:02", "eth3 02:00:00:00:00:03"]);
    }

    #[test]
    fn what_a_file_says_besides_its_nodes_is_read_back() {
        let inventory = super::super::mock_inventory();
        let pulled = Some("2026-11-25".parse().unwrap());
        for header in [LockHeader::default(), LockHeader { schema: Some("a \"b\"".to_owned()), pulled }] {
            let text = lock_text(&header, &inventory).unwrap();
            assert_eq!(text.lines().count(), inventory.nodes().len() + 2);
            assert_eq!(parse_lock("f", text.as_bytes()), Ok((header, Pull::from(inventory.clone()))));
        }
        let rule = super::super::RemarkRule::InvalidMac;
        let remark = Remark { rule, message: "x".to_owned(), nodes: vec![inventory.nodes()[0].id.clone()] };
        let pull = Pull { remarks: vec![remark], ..Pull::from(inventory) };
        assert_eq!(parse_lock("f", pull_text(&pull).unwrap().as_bytes()), Ok((LockHeader::default(), pull)));
        assert!(
            message("{\"format\":1,\"pulled\":\"yesterday\",\"nodes\":[]}").contains("`yesterday`, which is no date")
        );
    }

    #[test]
    fn a_newer_format_is_told_from_a_broken_file() {
        assert!(message("{\"format\":7,\"racks\":[]}").contains("use a newer mds"));
        let text = message("{\"format\":0,\"nodes\":[]}");
        assert!(text.contains("has format 0") && !text.contains("newer"), "{text}");
    }
}
