//! `mds explain`: where everything comes from that a node gets, of the example site and of a site of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod cli_support;

use std::path::Path;

use cli_support::{SETTINGS, Sandbox, git};
use insta::assert_snapshot;

/// The example site.
fn example() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("site").to_string_lossy().into_owned()
}

/// A site with a file of every kind that a node's values can come from.
fn own() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("site/mds.toml", &format!("{SETTINGS}method = \"dhcp\"\n\n[groups]\norder = [\"green\"]\n"));
    sandbox.write(
        "site/groups/compute/group.yaml",
        "meta:\n  scheduler: slurm\n  munge_key: s3cr3t-munge\n  database: {user: mds, password: s3cr3t-database}\n  \
         shadow: $6$s3cr3t\n",
    );
    sandbox.write(
        "site/groups/compute/cloud-config.yaml",
        "#cloud-config\nruncmd:\n  - start {{ scheduler }} {{ munge_key }}\n{% include \"templates/files\" %}\n\
         package_update: true\n",
    );
    sandbox.write(
        "site/groups/green/cloud-config.yaml",
        "#cloud-config\nmerge_how: list(append)+dict(recurse_list)\nruncmd: [green]\npackage_update: false\n\
         final_message: green\n",
    );
    sandbox.write("site/templates/files", "write_files:\n  - path: /etc/{{ ds.meta_data.cluster_name }}\n");
    sandbox.write(
        "site/nodes/x1000c0s0b0n0.yaml",
        "hostname: head\nmeta:\n  scheduler: none\n  api-token: s3cr3t-token\n",
    );
    sandbox.write("site/user-data/default.yaml", "#cloud-config\nfinal_message: all\n");
    sandbox.write("site/user-data/b4-2e-99-be-1a-6d.yaml", "#cloud-config\nfinal_message: \"{{ hostname }}\"\n");
    sandbox
}

const NODE: [&str; 4] = ["explain", "x1000c0s0b0n0", "--site", "site"];

fn explain(sandbox: &Sandbox, more: &[&str]) -> String {
    sandbox.stdout(&[&NODE[..], &["--mock-smd"], more].concat())
}

#[test]
fn a_node_of_the_example_site() {
    let sandbox = Sandbox::empty();
    for node in ["tc1001", "tc1002"] {
        assert_snapshot!(format!("example_{node}"), sandbox.stdout(&["explain", node, "--site", &example()]));
    }
}

#[test]
fn a_node_of_a_site_with_everything() {
    assert_snapshot!("own", explain(&own(), &[]));
}

#[test]
fn one_document_of_a_node() {
    let sandbox = own();
    for document in ["meta-data", "user-data", "vendor-data", "network-config", "compute.yaml", "green.yaml"] {
        assert_snapshot!(format!("own_{document}"), explain(&sandbox, &[document]));
    }
    let json = sandbox.json(&[&NODE[..], &["--mock-smd", "green.yaml"]].concat());
    assert_eq!(json["document"]["document"], "green.yaml");
    assert_eq!(json["lost"][0]["key"], "runcmd");
}

#[test]
fn a_program_is_told_the_same() {
    let sandbox = own();
    let json = sandbox.json(&[&NODE[..], &["--mock-smd"]].concat());
    let names = json["names"].as_array().unwrap();
    let of = |name: &str| names.iter().find(|one| one["name"] == name).unwrap();
    assert_eq!(of("hostname")["value"], "head");
    assert_eq!(of("hostname")["sources"][0]["file"]["file"], "nodes/x1000c0s0b0n0.yaml");
    assert_eq!(of("hostname")["sources"][0]["file"]["line"], 1);
    assert_eq!(of("region")["sources"][0]["is_default"], true);
    let documents = json["documents"].as_array().unwrap();
    let document = |name: &str| documents.iter().find(|one| one["document"] == name).unwrap();
    let uses = document("compute.yaml")["uses"].as_array().unwrap();
    let scheduler = uses.iter().find(|one| one["name"] == "scheduler").unwrap();
    assert_eq!(scheduler["place"]["line"], 3);
    assert_eq!(scheduler["sources"][0]["file"]["file"], "nodes/x1000c0s0b0n0.yaml");
    assert_eq!(document("network-config")["addresses"][0]["network"]["prefix_length"], 17);
    assert_eq!(json["merging"]["lost"].as_array().unwrap().len(), 3);
}

#[test]
fn secrets_are_never_shown() {
    let sandbox = own();
    let rendered = sandbox.stdout(&["render", "x1000c0s0b0n0", "--site", "site", "--mock-smd"]);
    assert!(rendered.matches("s3cr3t").count() >= 4, "the secrets are there: {rendered}");
    for document in [None, Some("meta-data"), Some("user-data"), Some("compute.yaml"), Some("vendor-data")] {
        for format in ["text", "json"] {
            let arguments = [&NODE[..], &["--mock-smd", "--format", format], document.as_slice()].concat();
            let text = sandbox.stdout(&arguments);
            assert!(!text.contains("s3cr3t"), "{document:?} {format}: {text}");
            assert_eq!(text.contains("‹secret›"), !matches!(document, Some("vendor-data")), "{document:?} {format}");
        }
    }
}

#[test]
fn a_repository_is_explained_too() {
    let sandbox = own();
    let site = sandbox.path("site");
    git(&site, &["init", "--quiet"]);
    git(&site, &["add", "."]);
    git(&site, &["commit", "--quiet", "--message", "first"]);
    let repository = site.to_string_lossy().into_owned();
    let of_repository = sandbox.stdout(&["explain", "1000", "--repo", &repository, "--mock-smd"]);
    assert_eq!(of_repository, explain(&sandbox, &[]));
}

#[test]
fn what_can_be_said_of_a_broken_site_is_said() {
    let sandbox = own();
    sandbox.write("site/groups/green/cloud-config.yaml", "#cloud-config\na: {{ hostnam }}\n");
    let said = sandbox.run(&[&NODE[..], &["--mock-smd", "compute.yaml"]].concat());
    assert!(said.starts_with("exit code 1\n--- stdout\ncompute.yaml, made by"), "{said}");
    assert!(said.contains("error[template]: groups/green/cloud-config.yaml:2:7"), "{said}");
}

#[test]
fn a_node_or_document_that_is_not_there_is_named() {
    let sandbox = own();
    assert_snapshot!(sandbox.run(&["explain", "x1000c0s0b0n9", "--site", "site", "--mock-smd"]));
    assert_snapshot!(sandbox.run(&[&NODE[..], &["--mock-smd", "blue.yaml"]].concat()));
    assert_snapshot!(sandbox.run(&["explain", "x1000c0s0b0n0"]));
    sandbox.write("site/groups/storage/group.yaml", "description: files\n");
    assert_snapshot!(sandbox.run(&["explain", "tc1002", "--site", "site", "--mock-smd", "storage.yaml"]));
}

#[test]
fn the_readme_shows_what_is_printed() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    for arguments in [["tc1002", "user-data"], ["tc1000", "network-config"]] {
        let shown = Sandbox::empty().stdout(&["explain", arguments[0], arguments[1], "--site", &example()]);
        let block = format!("$ mds explain {} --site site\n{shown}", arguments.join(" "));
        assert!(readme.contains(&block), "{block}");
    }
}
