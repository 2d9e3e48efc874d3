//! Secrets in documents: what `mds build --check` says about them, without saying them, and what texts look like with
//! their secrets hidden.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod cli_support;

use std::path::Path;

use cli_support::{SETTINGS, Sandbox};
use insta::assert_snapshot;
use mds::pipeline::{InventoryInput, NoObserver, SiteInput, draft, prepare};
use mds::types::redacted;

/// Part of every secret here.
const MARK: &str = "s3Kr1tmark";

/// A site with a secret of every kind in it.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.write("site/mds.toml", SETTINGS);
    sandbox.write("site/groups/compute/group.yaml", &format!("meta:\n  scheduler: slurm\n  db_password: {MARK}\n"));
    sandbox.write(
        "site/groups/compute/cloud-config.yaml",
        &format!(
            "#cloud-config
{{#- A comment, so that lines of the document are others than those of the template. -#}}
{{% if role %}}
users:
  - name: operator
    hashed_passwd: $6$rounds=4096$salt$hash{MARK}
  - name: guest
    passwd: \"\"
    lock_passwd: false
chpasswd:
  list: |
    root:{MARK}
{{% endif %}}
write_files:
  - path: /etc/slurm/jwt.env
    content: |
      SLURM_DB_PASSWORD={{{{ db_password }}}}
  - path: /etc/munge/munge.key
    permissions: \"0640\"
    encoding: b64
    content: {}
ssh_keys:
  ed25519_private: |
    -----BEGIN OPENSSH PRIVATE KEY-----
    {MARK}
    -----END OPENSSH PRIVATE KEY-----
runcmd:
  - \"curl -H 'Authorization: Bearer {MARK}' http://10.252.0.1/join\"
",
            "q83v".repeat(16)
        ),
    );
    sandbox.write("site/user-data/default.yaml", &format!("#!/bin/sh\nexport JOIN_TOKEN={MARK}\n"));
    sandbox
}

#[test]
fn secrets_are_warned_of_and_not_told() {
    let sandbox = sandbox();
    let text = sandbox.run(&["build", "--check", "--site", "site", "--mock-smd", "--report", "text"]);
    assert!(!text.contains(MARK), "{text}");
    assert_snapshot!("warned", text);
    for format in ["json", "markdown", "github", "sarif", "junit"] {
        let text = sandbox.run(&["build", "--check", "--site", "site", "--mock-smd", "--report", format]);
        assert!(text.contains("secret-in-clear") && !text.contains(MARK), "{text}");
    }
}

#[test]
fn a_site_may_live_with_them() {
    let sandbox = sandbox();
    let off = ["secret-in-clear", "password-hash", "secret-file-permissions", "empty-password"];
    let lines: String = off.iter().map(|rule| format!("{rule} = \"off\"\n")).collect();
    sandbox.write("site/mds.toml", &format!("{SETTINGS}\n[check.severity]\n{lines}"));
    let value = sandbox.json(&["build", "--check", "--site", "site", "--mock-smd"]);
    let rules: Vec<&str> =
        value["findings"].as_array().unwrap().iter().map(|one| one["rule"].as_str().unwrap()).collect();
    assert!(!rules.iter().any(|rule| off.contains(rule)), "{rules:?}");
}

#[test]
fn documents_with_their_secrets_hidden() {
    let sandbox = sandbox();
    for document in ["compute.yaml", "user-data", "meta-data"] {
        let text = sandbox.stdout(&["render", "x1000c0s0b0n0", document, "--site", "site", "--mock-smd"]);
        assert!(text.contains(MARK), "{text}");
        let shown = redacted(&text);
        assert!(!shown.contains(MARK), "{shown}");
        assert_eq!(redacted(&shown), shown);
        assert_eq!(shown.lines().count(), text.lines().count());
        if document == "compute.yaml" {
            assert_snapshot!("redacted", shown);
        }
    }
}

#[test]
fn ordinary_documents_have_nothing_to_hide() {
    let folder = tempfile::tempdir().unwrap();
    mds::site::scaffold(folder.path(), "1.2.3").unwrap();
    for site in [&Path::new(env!("CARGO_MANIFEST_DIR")).join("site"), folder.path()] {
        let prepared =
            prepare(&SiteInput::Folder(site.to_owned()), &InventoryInput::Site, None, &mut NoObserver).unwrap();
        assert_eq!(draft(&prepared, &mut NoObserver).unwrap().findings, []);
        let renderer = prepared.plan.renderer().unwrap();
        for index in 0..prepared.plan.facts().len() {
            for (name, _, body) in renderer.render(index).unwrap().documents {
                let text = std::str::from_utf8(&body).unwrap();
                assert_eq!(redacted(text), text, "{name}");
            }
        }
        for (path, bytes) in &*prepared.site.files {
            let text = std::str::from_utf8(bytes).unwrap();
            assert_eq!(redacted(text), text, "{path}");
        }
    }
}
