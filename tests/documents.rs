//! What nodes get: the shapes of the contract, and where each document's text comes from.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use insta::assert_snapshot;
use mds::check::{Rulebook, document_inspector};
use mds::inventory::{Inventory, mock_inventory, parse_inventory};
use mds::render::{NodeRenderer, Plan, RenderProblem, Stopped, render_all};
use mds::site::{FolderReader, Site};

const CLUSTER: &str = "[cluster]\nname = \"orchard\"\nshort_name = \"nid\"\nregion = \"lab\"\nbase_url = \"http://10.40.0.254:8081/metadata-service/\"\npublic_keys = [\"ssh-ed25519 AAAA ops@head\"]\n";

fn site(files: &[(&str, &str)]) -> Site {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "mds.toml", CLUSTER);
    files.iter().for_each(|(path, text)| write(folder.path(), path, text));
    Site::read(&FolderReader::new(folder.path()).unwrap()).unwrap()
}

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// The documents of the inventory's first node.
fn documents_of(inventory: &Inventory, files: &[(&str, &str)]) -> BTreeMap<String, String> {
    let plan = Plan::new(&site(files), inventory).unwrap();
    let renderer: NodeRenderer<'_> = plan.renderer().unwrap();
    let node = renderer.render(0).unwrap();
    let text = |body: &[u8]| String::from_utf8(body.to_vec()).unwrap();
    node.documents.into_iter().map(|(name, _, body)| (name.to_string(), text(&body))).collect()
}

fn documents(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    documents_of(&mock_inventory(), files)
}

fn inventory(nodes: &str) -> Inventory {
    parse_inventory("inventory.json", format!("{{\"format\":1,\"nodes\":[{nodes}]}}").as_bytes()).unwrap()
}

/// Renders everything as a build does, and returns the ids in order, or the problems.
fn render_everything(inventory: &Inventory, files: &[(&str, &str)]) -> Result<Vec<String>, Vec<RenderProblem>> {
    let site = site(files);
    let plan = Arc::new(Plan::new(&site, inventory)?);
    let inspector = document_inspector(&Arc::new(Rulebook::new(&site).0), &plan);
    let mut ids = Vec::new();
    let rendered = render_all(&plan, &inspector, &mut |node| {
        ids.push(plan.facts()[node.index].id().to_string());
        Ok::<(), ()>(())
    });
    match rendered {
        Ok(_) => Ok(ids),
        Err(Stopped::Problems { problems, .. }) => Err(problems),
        Err(Stopped::Sink(())) => unreachable!("the sink takes everything"),
    }
}

#[test]
fn meta_data_has_the_shape_that_clients_rely_on() {
    let inventory = inventory(
        r#"{"id":"x9000c1s0b0n0","nid":7,"role":"Compute","groups":["rack4","compute"],"interfaces":[
            {"name":"eth0","mac":"02:11:22:33:44:55","description":"Boot NIC","redfish_id":"1","addresses":
                [{"ip":"10.40.0.7","network":"HMN"},{"ip":"fd00::7","network":"HMN"}]},
            {"name":"eth1","mac":"52:54:00:12:34:56","enabled":false}]}"#,
    );
    let group = "description: Compute nodes\nmeta: {scheduler: slurm, nested: {list: [1, two, null], on: 'yes'}}\n";
    let documents = documents_of(&inventory, &[("groups/compute/group.yaml", group)]);
    assert_snapshot!(documents["meta-data"], @r#"
    instance-id: x9000c1s0b0n0
    local-hostname: nid0007
    hostname: nid0007
    cluster-name: orchard
    public-keys:
      - ssh-ed25519 AAAA ops@head
    instance_data:
      v1:
        cloud_name: OpenCHAMI
        instance_id: x9000c1s0b0n0
        local_hostname: nid0007
        region: lab
        hostname: nid0007
        local_ipv4: 10.40.0.7
        cloud_provider: OpenCHAMI
        public_keys:
          - ssh-ed25519 AAAA ops@head
        vendor_data:
          version: "1.0"
          cloud_init_base_url: http://10.40.0.254:8081/metadata-service
          cluster_name: orchard
          nid: 7
          role: Compute
          mac: "02:11:22:33:44:55"
          interfaces:
            - description: Boot NIC
              enabled: true
              ip: 10.40.0.7
              ip_addresses:
                - ip: 10.40.0.7
                  network: HMN
                - ip: fd00::7
                  network: HMN
              mac: "02:11:22:33:44:55"
              name: eth0
              network: HMN
              redfishid: "1"
            - enabled: false
              mac: "52:54:00:12:34:56"
              name: eth1
          groups:
            compute:
              description: Compute nodes
              nested:
                list:
                  - 1
                  - two
                  - null
                "on": "yes"
              scheduler: slurm
            rack4: {}
    "#);
}

#[test]
fn a_node_with_nothing_still_has_its_three_documents() {
    let documents = documents_of(&inventory(r#"{"id":"lonely"}"#), &[("mds.toml", "")]);
    assert_snapshot!(documents["meta-data"], @r#"
    instance-id: lonely
    local-hostname: lonely
    hostname: lonely
    cluster-name: ""
    instance_data:
      v1:
        cloud_name: OpenCHAMI
        instance_id: lonely
        local_hostname: lonely
        hostname: lonely
        cloud_provider: OpenCHAMI
        vendor_data:
          version: "1.0"
    "#);
    assert_eq!(documents["user-data"], "#cloud-config\n{}\n");
    assert_eq!(documents["vendor-data"], "#include\n");
    assert_eq!(documents.len(), 3);
}

#[test]
fn a_node_that_boots_by_ipv6_has_no_ipv4_address() {
    let node = r#"{"id":"six","nid":6,"interfaces":[{"mac":"02:00:00:00:00:06","addresses":[{"ip":"fd00::6","network":"HMN"}]}]}"#;
    let settings = format!("{CLUSTER}[networks.HMN]\nprefixes = [\"fd00::/64\"]\ngateway6 = \"fe80::1\"\n");
    let documents = documents_of(&inventory(node), &[("mds.toml", &settings)]);
    assert!(!documents["meta-data"].contains("local_ipv4"), "{}", documents["meta-data"]);
    assert_snapshot!(documents["network-config"], @r#"
    version: 2
    ethernets:
      eth0:
        match:
          macaddress: "02:00:00:00:00:06"
        addresses:
          - fd00::6/64
        routes:
          - to: "::/0"
            via: fe80::1
    "#);
}

#[test]
fn vendor_data_names_the_groups_that_have_a_template_in_order() {
    let inventory = inventory(r#"{"id":"a","groups":["zoo","b+c","plain","unknown","aa"]}"#);
    let files = [
        ("mds.toml", &*format!("{CLUSTER}[groups]\norder = [\"zoo\"]\n")),
        ("groups/zoo/cloud-config.yaml", "#cloud-config\n{}\n"),
        ("groups/aa/cloud-config.yaml", "#cloud-config\n{}\n"),
        ("groups/b+c/cloud-config.yaml", "#cloud-config\n{}\n"),
        ("groups/plain/group.yaml", "description: no template\n"),
    ];
    let documents = documents_of(&inventory, &files);
    assert_snapshot!(documents["vendor-data"], @"
    #include
    http://10.40.0.254:8081/metadata-service/zoo.yaml
    http://10.40.0.254:8081/metadata-service/aa.yaml
    http://10.40.0.254:8081/metadata-service/b%2Bc.yaml
    ");
    assert!(documents["meta-data"].contains("unknown: {}"), "{}", documents["meta-data"]);
    assert!(!documents.contains_key("plain.yaml") && !documents.contains_key("unknown.yaml"));
}

#[test]
fn templates_see_the_flat_names_those_below_ds_and_their_own() {
    let template = "#cloud-config\n# {{ hostname }} {{ ds.hostname }} {{ ds.meta_data.instance_id }} {{ meta_data.instance_data.v1.region }}\n\
        # {{ vendor_data.groups.green.color }} {{ ds.vendor_data.groups.compute.scheduler }} {{ scheduler }} {{ slots }}\n\
        # {{ cluster_name }} {{ ds.cluster_name }} {{ ip }} {{ mac }} {{ nid + 1 }} {{ role }} {{ public_keys | json }} {{ groups | join(sep=\"+\") }}\n";
    let documents = documents(&[
        ("groups/compute/group.yaml", "meta: {scheduler: slurm, slots: 64}\n"),
        ("groups/compute/cloud-config.yaml", template),
        ("groups/green/group.yaml", "meta: {color: green}\n"),
        ("nodes/x1000c0s0b0n0.yaml", "meta: {slots: 32}\n"),
    ]);
    assert_snapshot!(documents["compute.yaml"], @r#"
    #cloud-config
    # nid1000 nid1000 x1000c0s0b0n0 lab
    # green slurm slurm 32
    # orchard orchard 10.252.0.26 b4:2e:99:be:1a:6d 1001 compute ["ssh-ed25519 AAAA ops@head"] compute+green
    "#);
}

#[test]
fn a_template_of_the_client_is_never_touched() {
    let template = "## template: jinja\n#cloud-config\nusers: {{ ds.meta_data.nowhere.x }} {% nonsense %}\n";
    assert_eq!(documents(&[("groups/compute/cloud-config.yaml", template)])["compute.yaml"], template);
    let plain = "#cloud-config\ncontent: '{{ not for mds }}'\n";
    let files = [("groups/compute/cloud-config.yaml", plain), ("groups/compute/group.yaml", "render: client\n")];
    assert_eq!(documents(&files)["compute.yaml"], plain);
}

#[test]
fn a_contradiction_between_header_and_mode_is_a_problem_with_its_nodes() {
    let files = [
        ("groups/compute/cloud-config.yaml", "## template: jinja\n#cloud-config\n"),
        ("groups/compute/group.yaml", "render: server\n"),
    ];
    let problems = render_everything(&mock_inventory(), &files).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].nodes.len(), 2);
    assert!(problems[0].problem.to_string().starts_with("groups/compute/cloud-config.yaml:1:1: "));
}

#[test]
fn user_data_is_by_id_then_by_mac_then_the_default() {
    let id = ("user-data/x1000c0s0b0n0.yaml", "by id of {{ hostname }}");
    let mac = ("user-data/b4-2e-99-be-1a-6e", "by mac");
    let default = ("user-data/default", "by default");
    assert_eq!(documents(&[id, mac, default])["user-data"], "by id of nid1000");
    assert_eq!(documents(&[mac, default])["user-data"], "by mac");
    assert_eq!(documents(&[default])["user-data"], "by default");
    let own = ("templates/user-data", "#cloud-config\nhostname: {{ hostname }}\n");
    assert_eq!(documents(&[own])["user-data"], "#cloud-config\nhostname: nid1000\n");
}

#[test]
fn built_in_documents_can_be_overridden() {
    let documents = documents(&[
        ("templates/meta-data", "instance-id: {{ instance_id }}-x\n"),
        ("templates/network-config", "version: 2\nethernets: {}\n# {{ network_config is none }}\n"),
        ("templates/vendor-data", "#include\nhttp://elsewhere/{{ include_urls | length }}\n"),
    ]);
    assert_eq!(documents["meta-data"], "instance-id: x1000c0s0b0n0-x\n");
    assert_eq!(documents["network-config"], "version: 2\nethernets: {}\n# true\n");
    assert_eq!(documents["vendor-data"], "#include\nhttp://elsewhere/0\n");
}

#[test]
fn inline_delivery_carries_the_documents_themselves() {
    let files = [
        ("mds.toml", "[vendor_data]\ndelivery = \"inline\"\n"),
        ("groups/compute/cloud-config.yaml", "#cloud-config\nfinal_message: {{ hostname }}\n"),
        ("groups/green/cloud-config.yaml", "## template: jinja\n#cloud-config\n# grün\n"),
    ];
    assert_snapshot!(documents(&files)["vendor-data"], @r#"
    MIME-Version: 1.0
    Content-Type: multipart/mixed; boundary="==mds-510e17aa1281=="

    --==mds-510e17aa1281==
    Content-Type: text/plain; charset="utf-8"
    Content-Disposition: attachment; filename="compute.yaml"
    Content-Transfer-Encoding: 7bit

    #cloud-config
    final_message: 1000

    --==mds-510e17aa1281==
    Content-Type: text/plain; charset="utf-8"
    Content-Disposition: attachment; filename="green.yaml"
    Content-Transfer-Encoding: base64

    IyMgdGVtcGxhdGU6IGppbmphCiNjbG91ZC1jb25maWcKIyBncsO8bgo=

    --==mds-510e17aa1281==--
    "#);
}

#[test]
fn includes_need_to_know_where_nodes_reach_the_server() {
    let files = [("mds.toml", ""), ("groups/compute/cloud-config.yaml", "#cloud-config\n")];
    let problems = render_everything(&mock_inventory(), &files).unwrap_err();
    assert_eq!((problems.len(), problems[0].nodes.len()), (1, 2));
    assert!(problems[0].problem.to_string().contains("[cluster] base_url"), "{}", problems[0].problem);
}

#[test]
fn nodes_come_out_in_the_order_of_their_ids_however_many_there_are() {
    let nodes: Vec<String> =
        (0..1000).map(|number| format!("{{\"id\":\"n{number:04}\",\"groups\":[\"g\"]}}")).collect();
    let inventory = inventory(&nodes.join(","));
    let template = ("groups/g/cloud-config.yaml", "#cloud-config\nfinal_message: {{ id }}\n");
    let ids = render_everything(&inventory, &[template]).unwrap();
    assert_eq!(ids.len(), 1000);
    assert!(ids.is_sorted());
}

#[test]
fn one_mistake_is_one_problem_with_all_its_nodes() {
    let nodes: Vec<String> =
        (0..1000).map(|number| format!("{{\"id\":\"n{number:04}\",\"groups\":[\"g\"]}}")).collect();
    let template = "#cloud-config\n# {{ nid }}\n{% if id == \"n0500\" %}{{ one }}{% endif %}{{ all }}\n";
    let problems =
        render_everything(&inventory(&nodes.join(",")), &[("groups/g/cloud-config.yaml", template)]).unwrap_err();
    let mut counts: Vec<(usize, String)> =
        problems.iter().map(|found| (found.nodes.len(), found.problem.to_string())).collect();
    counts.sort();
    assert_eq!(counts.len(), 2, "{counts:?}");
    assert!(counts[0].0 == 1 && counts[0].1.contains("`one`"), "{counts:?}");
    assert!(counts[1].0 == 999 && counts[1].1.contains("`all`"), "{counts:?}");
}

#[test]
fn a_document_that_some_nodes_break_is_found_by_every_core() {
    let nodes: Vec<String> = (0..300).map(|number| format!("{{\"id\":\"n{number:04}\",\"groups\":[\"g\"]}}")).collect();
    let template = "#cloud-config\n{% if id > \"n0250\" %}a: [1\n{% endif %}b: {{ id }}\n";
    let problems =
        render_everything(&inventory(&nodes.join(",")), &[("groups/g/cloud-config.yaml", template)]).unwrap_err();
    assert_eq!((problems.len(), &*problems[0].rule, problems[0].nodes.len()), (1, "yaml-syntax", 49));
}
