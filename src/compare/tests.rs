use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::types::{Digest, DocumentName, GroupLabel, MacAddress, NodeId};

/// A node with a NID, an address and a MAC address that are its own, and these documents.
pub(super) fn node(number: u32, documents: &[(&str, String)]) -> NodeState {
    let document = |(name, text): &(&str, String)| {
        let body = Bytes::from(text.clone());
        (DocumentName::parse(name).unwrap(), Digest::of(&body), body)
    };
    NodeState {
        id: NodeId::parse(&format!("x{number:04}")).unwrap(),
        hostname: format!("tc{number:04}"),
        local_hostname: Some(format!("tc{number:04}")),
        nid: Some(number),
        instance_id: format!("x{number:04}"),
        macs: vec![MacAddress::parse(&format!("02:00:00:00:ab:{:02x}", number % 256)).unwrap()],
        addresses: vec![format!("10.0.{}.{}", number / 250, number % 250 + 1).parse().unwrap()],
        tunnel_address: None,
        groups: vec![GroupLabel::parse("compute").unwrap()],
        own_base_url: None,
        documents: documents.iter().map(document).collect(),
    }
}

fn changes(pairs: &[(Option<NodeState>, Option<NodeState>)]) -> Changes {
    let mut comparer = Comparer::new();
    pairs.iter().for_each(|(old, new)| comparer.add(old.as_ref(), new.as_ref()));
    let side = |name: &str| Origin::Folder { name: name.to_owned() };
    comparer.finish(side("before"), side("now"))
}

/// The changes when every one of some nodes gets another text of one document.
fn of_texts(numbers: &[u32], old: impl Fn(&NodeState) -> String, new: impl Fn(&NodeState) -> String) -> Changes {
    let side = |number: u32, text: &dyn Fn(&NodeState) -> String| {
        let bare = node(number, &[]);
        Some(node(number, &[("user-data", text(&bare))]))
    };
    let pairs: Vec<_> = numbers.iter().map(|number| (side(*number, &old), side(*number, &new))).collect();
    changes(&pairs)
}

fn diff_of(changes: &Changes) -> String {
    assert_eq!(changes.of_documents.len(), 1, "{changes:#?}");
    changes.of_documents[0].diff.as_ref().unwrap().to_text()
}

#[test]
fn one_change_of_a_template_is_one_entry_whatever_nodes_have_for_themselves() {
    let values = |node: &NodeState| {
        let mac = node.macs[0].to_string();
        let bare = mac.replace(':', "").to_uppercase();
        let (name, nid) = (&node.hostname, node.nid.unwrap());
        format!(
            "name: {name}.local {name}-ib0 {}\nnid: {nid} nid{nid:06}\naddress: {}/24\nmac: {mac} {} 01-{bare}\n",
            node.id,
            node.addresses[0],
            mac.to_uppercase().replace(':', "-"),
        )
    };
    let old = |node: &NodeState| format!("a\nb\nc\nd\n{}e\n", values(node));
    let new = |node: &NodeState| format!("a\nb\nc\nd\ne\nnew {}f\n", values(node));
    let found = of_texts(&[1, 7, 10, 100, 1000], old, new);
    assert_eq!(found.of_documents[0].nodes.len(), 5);
    insta::assert_snapshot!(diff_of(&found), @r"
    @@ -2,8 +2,9 @@
     b
     c
     d
    -name: <hostname>.local <hostname>-ib0 <id>
    +e
    +new name: <hostname>.local <hostname>-ib0 <id>
     nid: 1 nid<nid of 6 digits>
     address: <ip>/24
     mac: <mac> <mac in capitals with dashes> 01-<mac in capitals without signs>
    -e
    +f
    ");
}

#[test]
fn a_number_that_all_documents_have_is_not_the_number_of_a_node() {
    let found = of_texts(&[1, 2, 3, 128], |_| "size: 128\n".to_owned(), |_| "size: 2\n".to_owned());
    assert_eq!(found.of_documents.len(), 1, "{found:#?}");
    assert_eq!(found.of_documents[0].nodes.len(), 4);
    let ids: Vec<&str> = found.of_documents[0].nodes.iter().map(NodeId::as_str).collect();
    assert_eq!(ids, ["x0001", "x0002", "x0003", "x0128"]);
}

#[test]
fn a_change_between_values_of_one_node_is_seen() {
    let mut one = node(7, &[]);
    one.addresses.push("10.1.0.8".parse().unwrap());
    one.macs.push(MacAddress::parse("02:00:00:00:cd:07").unwrap());
    let with =
        |text: &str| NodeState { documents: node(7, &[("network-config", text.to_owned())]).documents, ..one.clone() };
    let found = changes(&[(
        Some(with("ip: 10.0.0.8\nmac: 02:00:00:00:ab:07\n")),
        Some(with("ip: 10.1.0.8\nmac: 02:00:00:00:AB:07\n")),
    )]);
    assert_eq!(diff_of(&found), "@@ -1,2 +1,2 @@\n-ip: <ip>\n-mac: <mac>\n+ip: <ip 2>\n+mac: <mac in capitals>\n");
    assert!(found.of_documents[0].consequence().unwrap().contains("cut a node off"));
}

#[test]
fn values_that_change_are_told_apart() {
    let text = |node: &NodeState| format!("host: {}\nip: {}\n", node.hostname, node.addresses[0]);
    let pair = |number: u32| {
        let old = node(number, &[]);
        let mut new = NodeState { hostname: format!("new{number}"), ..old.clone() };
        new.local_hostname = Some(new.hostname.clone());
        new.addresses = vec![format!("10.9.0.{number}").parse().unwrap()];
        let with = |state: &NodeState| NodeState {
            documents: node(number, &[("meta-data", text(state))]).documents,
            ..state.clone()
        };
        (Some(with(&old)), Some(with(&new)))
    };
    let found = changes(&[pair(4), pair(5), pair(6)]);
    assert_eq!(
        diff_of(&found),
        "@@ -1,2 +1,2 @@\n-host: <old hostname>\n-ip: <old ip>\n+host: <new hostname>\n+ip: <new ip>\n"
    );
    let kinds: Vec<_> = found.of_nodes.iter().map(|change| (change.kind, change.nodes.len())).collect();
    assert_eq!(kinds, [(NodeChangeKind::Addresses, 3), (NodeChangeKind::Hostname, 3)]);
    assert_eq!((&*found.of_nodes[1].before[0], &*found.of_nodes[1].after[0]), ("tc0004", "new4"));
}

#[test]
fn secrets_that_change_are_one_entry_and_are_not_shown() {
    let text = |salt: &'static str| move |node: &NodeState| format!("a: 1\npasswd: {salt}{}pw\nb: 2\n", node.hostname);
    let found = of_texts(&[1, 2, 3], text("old"), text("new"));
    assert_eq!(
        diff_of(&found),
        "@@ -1,3 +1,3 @@\n a: 1\n-passwd: ‹secret, changed›\n+passwd: ‹secret, changed›\n b: 2\n"
    );
    let found = of_texts(&[1, 2], |_| "passwd: one\n".to_owned(), |_| "x: 1\npasswd: one\ntoken: two\n".to_owned());
    assert_eq!(diff_of(&found), "@@ -1 +1,3 @@\n+x: 1\n passwd: ‹secret›\n+token: ‹secret›\n");
}

#[test]
fn a_key_that_changes_is_one_line() {
    let key = |body: &str| format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    let found = of_texts(&[1], |_| key("AAAA\nBBBB"), |_| key("AAAA\nCCCC\nDDDD"));
    assert_eq!(
        diff_of(&found),
        "@@ -1,3 +1,3 @@\n -----BEGIN PRIVATE KEY-----\n-‹secret, changed›\n+‹secret, changed›\n -----END PRIVATE KEY-----\n"
    );
}

#[test]
fn the_boundary_of_a_message_is_no_change_of_its_own() {
    let text = |digest: &'static str, body: &'static str| {
        move |_: &NodeState| format!("--==mds-{digest}==\n{body}\n--==mds-{digest}==--\n")
    };
    let found = of_texts(&[1], text("0123456789ab", "one"), text("ba9876543210", "two"));
    assert_eq!(diff_of(&found), "@@ -1,3 +1,3 @@\n --==mds-<digest>==\n-one\n+two\n --==mds-<digest>==--\n");
}

#[test]
fn documents_that_come_and_go_and_ends_without_line_breaks_are_shown() {
    let old = node(1, &[("user-data", "a\nb".to_owned()), ("gone.yaml", "x\n".to_owned())]);
    let new = node(1, &[("user-data", "a\nb\n".to_owned()), ("new.yaml", "y\n".to_owned())]);
    let found = changes(&[(Some(old), Some(new))]);
    let texts: BTreeMap<String, String> = found
        .of_documents
        .iter()
        .map(|change| (change.document.to_string(), change.diff.as_ref().unwrap().to_text()))
        .collect();
    assert_eq!(texts["gone.yaml"], "@@ -1 +0,0 @@\n-x\n");
    assert_eq!(texts["new.yaml"], "@@ -0,0 +1 @@\n+y\n");
    assert_eq!(texts["user-data"], "@@ -1,2 +1,2 @@\n a\n-b\n\\ no line break at the end\n+b\n");
    assert_eq!(found.documents_by_kind, DocumentCounts { added: 1, changed: 1, removed: 1 });
    assert_eq!(found.nodes_concerned, 1);
}

#[test]
fn nodes_that_come_go_and_move_are_grouped_by_what_they_do() {
    let in_groups = |number: u32, groups: &[&str]| {
        let groups = groups.iter().map(|label| GroupLabel::parse(label).unwrap()).collect();
        Some(NodeState { groups, ..node(number, &[("meta-data", "a".to_owned())]) })
    };
    let found = changes(&[
        (in_groups(1, &["compute", "r1"]), in_groups(1, &["gpu", "r1"])),
        (in_groups(2, &["compute", "r2"]), in_groups(2, &["gpu", "r2"])),
        (in_groups(3, &["a", "b"]), in_groups(3, &["b", "a"])),
        (in_groups(4, &["a"]), None),
        (None, in_groups(5, &["a"])),
        (None, in_groups(6, &["a"])),
        (in_groups(7, &["a"]), in_groups(7, &["a"])),
    ]);
    let found_nodes: Vec<_> = found
        .of_nodes
        .iter()
        .map(|change| (change.kind, change.before.join(" "), change.after.join(" "), change.nodes.len()))
        .collect();
    let text = str::to_owned;
    assert_eq!(
        found_nodes,
        [
            (NodeChangeKind::Added, text(""), text("a"), 2),
            (NodeChangeKind::Removed, text("a"), text(""), 1),
            (NodeChangeKind::Moved, text("compute"), text("gpu"), 2),
            (NodeChangeKind::Reordered, text("a b"), text("b a"), 1),
        ]
    );
    assert_eq!((found.nodes_concerned, found.documents_by_kind.added, found.documents_by_kind.removed), (6, 2, 1));
}

#[test]
fn what_is_no_text_is_said_to_differ() {
    let mut new = node(1, &[("user-data", "a".to_owned())]);
    let old = new.clone();
    new.documents[0].1 = Digest::of(b"\xff");
    new.documents[0].2 = Bytes::from_static(b"\xff");
    let found = changes(&[(Some(old), Some(new))]);
    assert_eq!(found.of_documents[0].diff, None);
}

#[test]
fn long_differences_are_cut_and_counted() {
    let found = of_texts(&[1], |_| String::new(), |_| format!("{}\n{}", "é".repeat(5_000), "x\n".repeat(500)));
    let diff = found.of_documents[0].diff.as_ref().unwrap();
    assert_eq!((diff.lines.len(), diff.left_out, found.of_documents[0].lines_added), (200, 302, 501));
    assert!(diff.lines.iter().all(|line| line.text.len() < 1_000));
    assert!(diff.to_text().ends_with("\\ 302 more changed lines are not shown\n"));
}

#[test]
fn characters_that_tokens_are_made_of_are_escaped() {
    let found = of_texts(&[1], |_| "a\n".to_owned(), |_| "\u{f0000}\u{f8001}\u{10ffff}\n".to_owned());
    assert!(diff_of(&found).contains("+\\u{f0000}\\u{f8001}\\u{10ffff}\n"));
}

/// Texts with values of nodes in them.
fn lines() -> impl Strategy<Value = Vec<String>> {
    let line = prop_oneof![
        Just("same".to_owned()),
        Just("host: {host}".to_owned()),
        Just("nid: {nid} 12".to_owned()),
        Just("ip: {ip}/24".to_owned()),
        Just("password: Planted{host}Secret".to_owned()),
        Just("secret: |".to_owned()),
        Just("  PlantedDeepSecret".to_owned()),
        "[ !-/:-~]{0,12}",
    ];
    proptest::collection::vec(line, 0..12)
}

fn filled(lines: &[String], node: &NodeState) -> String {
    let text = lines.join("\n");
    text.replace("{host}", &node.hostname)
        .replace("{nid}", &node.nid.unwrap().to_string())
        .replace("{ip}", &node.addresses[0].to_string())
}

proptest! {
    #[test]
    fn every_change_is_in_one_group_and_no_secret_is_anywhere(
        sides in proptest::collection::vec((lines(), lines()), 1..4),
        picks in proptest::collection::vec(0..4_usize, 1..12),
    ) {
        let mut pairs = Vec::new();
        let mut expected = Vec::new();
        for (number, pick) in picks.iter().enumerate() {
            let number = u32::try_from(number).unwrap() + 8;
            let bare = node(number, &[]);
            let (old, new) = &sides[pick % sides.len()];
            let [old, new] = [old, new].map(|lines| node(number, &[("user-data", filled(lines, &bare))]));
            if old.documents[0].1 != new.documents[0].1 {
                expected.push(old.id.clone());
            }
            pairs.push((Some(old), Some(new)));
        }
        let found = changes(&pairs);
        let mut grouped: Vec<NodeId> = found.of_documents.iter().flat_map(|change| change.nodes.clone()).collect();
        grouped.sort();
        prop_assert_eq!(&grouped, &expected);
        prop_assert_eq!(found.nodes_concerned, expected.len());
        prop_assert!(found.of_documents.iter().all(|change| change.lines_added + change.lines_removed > 0));
        // Nodes whose documents were made alike are in one group.
        let numbers = |(old, new): &(Vec<String>, Vec<String>)| old.iter().chain(new).filter(|line| line.contains("{nid}")).count();
        let is_clear = sides.iter().all(|side| numbers(side) <= 2);
        prop_assert!(!is_clear || found.of_documents.len() <= sides.len(), "{:#?}", found);
        let told = format!("{found:?} {}", serde_json::to_string(&found).unwrap());
        // A line can only be known to belong to a secret by what stands before it.
        let is_deep = |lines: &[String]| lines.iter().any(|line| line.contains("Deep"));
        prop_assert!(!told.contains("Planted") || sides.iter().any(|(old, new)| is_deep(old) || is_deep(new)), "{}", told);
        prop_assert!(!told.contains("PlantedTc") && !told.contains("Plantedtc"), "{}", told);
    }

    #[test]
    fn equal_sides_have_no_changes(lines in lines(), number in 1..9_u32) {
        let bare = node(number, &[]);
        let one = node(number, &[("user-data", filled(&lines, &bare))]);
        let found = changes(&[(Some(one.clone()), Some(one))]);
        prop_assert!(found.is_empty() && found.of_nodes.is_empty() && found.of_documents.is_empty());
    }

    #[test]
    fn a_difference_makes_the_newer_text_of_the_older(old in "([a-d]\n){0,30}", new in "([a-d]\n){0,30}") {
        prop_assume!(old != new);
        let found = of_texts(&[9], |_| old.clone(), |_| new.clone());
        let old: Vec<&str> = old.lines().collect();
        let (mut made, mut at) = (Vec::new(), 0);
        for line in &found.of_documents[0].diff.as_ref().unwrap().lines {
            match line.kind {
                LineKind::Place => {
                    let place = line.text.trim_start_matches("@@ -").split(' ').next().unwrap();
                    let (first, count) = place.split_once(',').unwrap_or((place, "1"));
                    let first = first.parse::<usize>().unwrap() - usize::from(count != "0");
                    made.extend_from_slice(&old[at..first]);
                    at = first;
                }
                LineKind::Added => made.push(&line.text[1..]),
                LineKind::Same | LineKind::Removed => {
                    prop_assert_eq!(&line.text[1..], old[at]);
                    at += 1;
                    if line.kind == LineKind::Same { made.push(&line.text[1..]) }
                }
                LineKind::Remark => {}
            }
        }
        made.extend_from_slice(&old[at..]);
        prop_assert_eq!(made, new.lines().collect::<Vec<_>>());
    }
}
