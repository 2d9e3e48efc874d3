//! What a fake State Manager knows: plain JSON values, so that a test can bend them into anything.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

/// The elements of the three answers.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    pub components: Vec<Value>,
    pub interfaces: Vec<Value>,
    pub memberships: Vec<Value>,
}

impl Inventory {
    pub fn empty() -> Self {
        Self::default()
    }

    /// The three nodes of `--mock-smd`, and around them what a real State Manager also has: their BMCs, an interface
    /// of a node that is gone, and one that was never attributed.
    pub fn mock_nodes() -> Self {
        let mut all = Self::empty();
        all.add_mock_node("x1000c0s0b0n0", 1000, "compute", &["compute", "green"], 26, 0x6d);
        all.add_mock_node("x1000c0s0b0n1", 1001, "compute", &["compute", "blue"], 27, 0x7d);
        all.add_mock_node("x1000c0s1b0n0", 1002, "storage", &["storage"], 28, 0x8d);
        all.add_interface(
            "x1000c0s0b0n0",
            "Node",
            "High Speed Network",
            "b4:2e:99:be:1a:6e",
            &[("10.100.0.26", "HSN")],
        );
        all.add_interface(
            "x1000c0s0b0n1",
            "Node",
            "High Speed Network",
            "b4:2e:99:be:1a:7e",
            &[("10.100.0.27", "HSN")],
        );
        for (id, mac, address) in
            [("x1000c0s0b0", "b4:2e:99:be:1a:01", "10.252.1.26"), ("x1000c0s1b0", "b4:2e:99:be:1a:02", "10.252.1.28")]
        {
            all.components.push(json!({"ID": id, "Type": "NodeBMC", "State": "Ready", "Flag": "OK", "Enabled": true}));
            all.memberships.push(json!({"id": id, "groupLabels": [], "partitionName": ""}));
            all.add_interface(id, "NodeBMC", &format!("Interface for BMC {id}"), mac, &[(address, "")]);
        }
        all.add_interface("x1000c9s9b9n9", "Node", "", "b4:2e:99:be:1a:f1", &[("10.252.0.99", "HMN")]);
        all.add_interface("", "", "", "b4:2e:99:be:1a:f2", &[]);
        all
    }

    /// So many nodes with two interfaces and four groups each, and nothing else.
    pub fn synthetic(nodes: u32) -> Self {
        let mut all = Self::empty();
        for index in 0..nodes {
            let (id, cabinet) = (xname(index), 1000 + index / 512);
            let groups = ["compute".to_owned(), format!("x{cabinet}"), format!("lot{}", index % 10), "all".to_owned()];
            let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
            all.add_node(&id, index + 1, "Compute", &groups);
            for (card, (first, label)) in [(0x0afc_0000, "HMN"), (0x0a64_0000, "HSN")].into_iter().enumerate() {
                let [_, a, b, c] = (2 * index + u32::from(card == 1)).to_be_bytes();
                let mac = format!("b4:2e:98:{a:02x}:{b:02x}:{c:02x}");
                let address = Ipv4Addr::from(first + index + 2).to_string();
                all.add_interface(&id, "Node", &format!("Interface {card}"), &mac, &[(&address, label)]);
            }
        }
        all
    }

    /// Adds a component of type Node and its membership.
    pub fn add_node(&mut self, id: &str, nid: u32, role: &str, groups: &[&str]) {
        self.components.push(component(id, nid, role));
        self.memberships.push(json!({"id": id, "groupLabels": groups, "partitionName": ""}));
    }

    /// Adds an interface; addresses with their network, which is left out when empty, as SMD does.
    pub fn add_interface(
        &mut self,
        component: &str,
        kind: &str,
        description: &str,
        mac: &str,
        addresses: &[(&str, &str)],
    ) {
        self.interfaces.push(interface(component, kind, description, mac, addresses));
    }

    fn add_mock_node(&mut self, id: &str, nid: u32, role: &str, groups: &[&str], host: u8, last_byte_of_mac: u8) {
        self.add_node(id, nid, role, groups);
        let (mac, address) = (format!("b4:2e:99:be:1a:{last_byte_of_mac:02x}"), format!("10.252.0.{host}"));
        self.add_interface(id, "Node", "Node Management Network", &mac, &[(&address, "HMN")]);
    }
}

/// The name of a node of [`Inventory::synthetic`].
pub fn xname(index: u32) -> String {
    let (cabinet, chassis, slot) = (1000 + index / 512, index / 64 % 8, index / 8 % 8);
    format!("x{cabinet}c{chassis}s{slot}b{}n{}", index / 4 % 2, index % 4)
}

/// A component of type Node as SMD tells it.
pub fn component(id: &str, nid: u32, role: &str) -> Value {
    json!({
        "ID": id, "Type": "Node", "State": "On", "Flag": "OK", "Enabled": true, "Role": role, "NID": nid,
        "NetType": "Sling", "Arch": "X86", "Class": "River",
    })
}

/// An interface as SMD tells it.
pub fn interface(component: &str, kind: &str, description: &str, mac: &str, addresses: &[(&str, &str)]) -> Value {
    let address = |&(ip, network): &(&str, &str)| match network {
        "" => json!({"IPAddress": ip}),
        network => json!({"IPAddress": ip, "Network": network}),
    };
    json!({
        "ID": mac.replace([':', '-'], ""), "Description": description, "MACAddress": mac,
        "LastUpdate": "2026-08-01T10:00:00.000000Z", "ComponentID": component, "Type": kind,
        "IPAddresses": addresses.iter().map(address).collect::<Vec<_>>(),
    })
}
