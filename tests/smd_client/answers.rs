//! What the answers mean, and which are refused.

use mds::inventory::{LeftOut, Node, Pull, mock_inventory};
use serde_json::{Value, json};

use crate::smd_support::{Endpoint, FakeSmd, Fault};
use crate::{ATTEMPTS, client, failure, ids};

/// What a node is known by, with its addresses and their networks.
fn essence(node: &Node) -> String {
    let addresses: Vec<String> = node
        .interfaces
        .iter()
        .flat_map(|interface| {
            let mac = interface.mac;
            interface.addresses.iter().map(move |address| format!("{mac} {} {}", address.ip, address.network))
        })
        .collect();
    format!("{} {:?} {} {:?} {addresses:?}", node.id, node.nid, node.role, node.groups)
}

fn digest(pull: &Pull) -> String {
    pull.inventory.digest().unwrap().to_string()
}

#[tokio::test]
async fn the_mock_nodes_are_the_built_in_ones() {
    let smd = FakeSmd::mock_nodes();
    let pull = client(&smd.url()).pull().await.unwrap();
    let pulled: Vec<String> = pull.inventory.nodes().iter().map(essence).collect();
    let built_in: Vec<String> = mock_inventory().nodes().iter().map(essence).collect();
    assert_eq!(pulled, built_in);
    assert_eq!(pulled.len(), 3);
}

#[tokio::test]
async fn what_belongs_to_no_node_is_left_out_and_counted() {
    let smd = FakeSmd::mock_nodes();
    let pull = client(&smd.url()).pull().await.unwrap();
    let expected = LeftOut {
        components: 0,
        hardware_interfaces: 2,
        orphan_interfaces: 1,
        unattributed_interfaces: 1,
        empty_addresses: 0,
    };
    assert_eq!(pull.left_out, expected);
    let interfaces: usize = pull.inventory.nodes().iter().map(|node| node.interfaces.len()).sum();
    assert_eq!(interfaces, 5);
    let rules: Vec<&str> = pull.remarks.iter().map(|remark| remark.rule.id()).collect();
    assert_eq!(rules, ["interface-without-owner"; 2]);
}

#[tokio::test]
async fn a_source_that_ignores_filters_gives_the_same_nodes() {
    let smd = FakeSmd::mock_nodes();
    let client = client(&smd.url());
    let filtered = client.pull().await.unwrap();
    smd.set_filters(false);
    let unfiltered = client.pull().await.unwrap();
    assert_eq!(unfiltered.inventory, filtered.inventory);
    assert_eq!((filtered.left_out.components, unfiltered.left_out.components), (0, 2));
}

#[tokio::test]
async fn the_order_of_the_answers_does_not_matter() {
    let smd = FakeSmd::synthetic(60);
    let client = client(&smd.url());
    let in_order = digest(&client.pull().await.unwrap());
    for seed in 1..6 {
        smd.set_shuffle(Some(seed));
        assert_eq!(digest(&client.pull().await.unwrap()), in_order, "seed {seed}");
    }
    smd.change(|inventory| inventory.memberships[7]["groupLabels"] = json!(["other"]));
    assert_ne!(digest(&client.pull().await.unwrap()), in_order, "a digest must tell of a change");
}

#[tokio::test]
async fn a_nid_may_be_written_as_text() {
    let smd = FakeSmd::mock_nodes();
    let client = client(&smd.url());
    let as_numbers = client.pull().await.unwrap();
    smd.change(|inventory| {
        for component in &mut inventory.components {
            component["NID"] = component["NID"].as_u64().map_or(Value::Null, |nid| nid.to_string().into());
        }
    });
    let as_texts = client.pull().await.unwrap();
    assert_eq!(as_texts.inventory, as_numbers.inventory);
    assert_eq!(as_texts.inventory.nodes()[0].nid, Some(1000));
}

#[tokio::test]
async fn no_nodes_and_no_addresses_are_errors_and_no_groups_are_none() {
    let smd = FakeSmd::mock_nodes();
    let client = client(&smd.url());
    let whole = client.pull().await.unwrap();
    for (endpoint, expected) in
        [(Endpoint::Components, "SMD lists no node"), (Endpoint::Interfaces, "SMD lists 3 nodes and no address")]
    {
        smd.reset_counts();
        smd.set_fault(endpoint, Fault::EmptyArray);
        let message = failure(&client).await;
        assert!(message.starts_with(expected) && message.contains("nothing is published"), "{message}");
        assert_eq!(smd.total(), 3, "asking once more does not help");
        smd.clear_faults();
        assert_eq!(client.pull().await.unwrap(), whole);
    }
    smd.set_fault(Endpoint::Memberships, Fault::EmptyArray);
    let pull = client.pull().await.unwrap();
    assert_eq!(ids(&pull), ids(&whole));
    assert!(pull.inventory.nodes().iter().all(|node| node.groups.is_empty()));
}

#[tokio::test]
async fn interfaces_without_any_address_are_as_good_as_none() {
    let smd = FakeSmd::mock_nodes();
    smd.change(|inventory| {
        for interface in &mut inventory.interfaces {
            interface["IPAddresses"] = json!([{"IPAddress": ""}]);
        }
    });
    assert!(failure(&client(&smd.url())).await.starts_with("SMD lists 3 nodes and no address"));
}

/// Sees that a fault of one answer fails the whole pull with a sentence, after so many requests for it, and that the
/// same client pulls again when it is mended.
async fn refused(endpoint: Endpoint, fault: Fault, expected: &str, attempts: u32) {
    let smd = FakeSmd::mock_nodes();
    let client = client(&smd.url());
    let whole = client.pull().await.unwrap();
    smd.reset_counts();
    smd.set_fault(endpoint, fault.clone());
    let message = failure(&client).await;
    let what = format!("{fault:?} of {endpoint:?}: {message}");
    assert!(message.contains(endpoint.path()) && message.contains(expected), "{what}");
    assert_eq!(smd.count(endpoint), attempts as usize, "{what}");
    smd.clear_faults();
    assert_eq!(client.pull().await.unwrap(), whole, "{what}");
}

#[tokio::test]
async fn answers_that_are_cut_fail_the_pull_after_some_attempts() {
    for endpoint in Endpoint::ALL {
        refused(endpoint, Fault::Truncated, "it broke off", ATTEMPTS).await;
        refused(endpoint, Fault::TruncatedJson, "it ends too early", ATTEMPTS).await;
        refused(endpoint, Fault::EmptyBody, "it ends too early", ATTEMPTS).await;
        refused(endpoint, Fault::BrokenGzip, "gzip", ATTEMPTS).await;
    }
}

#[tokio::test]
async fn answers_that_are_no_inventory_fail_the_pull_at_once() {
    for endpoint in Endpoint::ALL {
        refused(endpoint, Fault::Garbage, "cannot be used", 1).await;
        for shape in [
            json!(null),
            json!({}),
            json!("text"),
            json!(7),
            json!({"Components": null}),
            json!({"Components": {}}),
            json!({"error": "not today"}),
            json!([1]),
            json!(["x1000c0s0b0n0"]),
            json!([[]]),
            json!([null]),
        ] {
            refused(endpoint, Fault::WrongShape(shape), "cannot be used", 1).await;
        }
    }
    let element = |name: &str, value: Value| Fault::WrongShape(json!([{ name: value }]));
    for (endpoint, name) in [(Endpoint::Components, "ID"), (Endpoint::Interfaces, "ID"), (Endpoint::Memberships, "id")]
    {
        refused(endpoint, element(name, json!(1)), "cannot be used", 1).await;
        refused(endpoint, element(name, json!({})), "cannot be used", 1).await;
    }
    refused(Endpoint::Interfaces, element("IPAddresses", json!("10.0.0.1")), "cannot be used", 1).await;
    refused(Endpoint::Memberships, element("groupLabels", json!("compute")), "cannot be used", 1).await;
    for endpoint in [Endpoint::Interfaces, Endpoint::Memberships] {
        refused(endpoint, Fault::WrongShape(json!({"Components": []})), "cannot be used", 1).await;
    }
}

#[tokio::test]
async fn memberships_that_name_nobody_do_not_take_the_groups_from_everybody() {
    // Another answer of the shape of an array, which a wrong route of a gateway may give.
    refused(
        Endpoint::Memberships,
        Fault::WrongShape(json!([{"label": "compute", "description": ""}])),
        "cannot be used",
        1,
    )
    .await;
}

#[tokio::test]
async fn a_message_repeats_nothing_of_an_answer() {
    let smd = FakeSmd::mock_nodes();
    let client = client(&smd.url());
    for endpoint in Endpoint::ALL {
        for fault in [
            Fault::WrongShape(json!("s3cr3t")),
            Fault::WrongShape(json!({"s3cr3t": 1})),
            Fault::WrongShape(json!(["s3cr3t"])),
            Fault::WrongShape(
                json!([{"ID": "s3cr3t", "id": "s3cr3t", "NID": [], "groupLabels": "s3cr3t", "MACAddress": 1}]),
            ),
            Fault::Status(400, "s3cr3t".to_owned(), Some("s3cr3t".to_owned())),
            Fault::Redirect("http://s3cr3t.example.org/".to_owned()),
        ] {
            smd.set_fault(endpoint, fault.clone());
            let error = client.pull().await.expect_err("the pull must fail");
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("s3cr3t"), "{fault:?}: {shown}");
        }
        smd.clear_faults();
    }
}
