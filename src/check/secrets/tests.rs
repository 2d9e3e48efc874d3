use super::super::fixture::problems_of;
use crate::check::{Finding, secrets_in_meta};
use crate::inventory::parse_inventory;
use crate::render::{Plan, fixture};

const MARK: &str = "s3Kr1tmark";
const SETTINGS: (&str, &str) = ("mds.toml", "[cluster]\nbase_url = \"http://10.0.0.1\"\n");

/// Rule, line and message of what is said about a group's template.
fn said(text: &str) -> Vec<String> {
    let problems = problems_of(&[SETTINGS, ("groups/a/cloud-config.yaml", text)], "x1");
    let ours = problems.into_iter().filter(|problem| {
        ["secret-in-clear", "password-hash", "secret-file-permissions", "empty-password"]
            .contains(&problem.rule.as_ref())
    });
    let shown = ours.map(|problem| {
        let all = problem.problem.to_string();
        assert!(!all.contains(MARK), "{all}");
        let line = problem.problem.place.as_ref().map_or(0, |place| place.line);
        format!("{} {line}: {}", problem.rule, problem.problem.message)
    });
    shown.collect()
}

#[test]
fn accounts() {
    let text = format!(
        "#cloud-config
password: {MARK}
users:
  - name: a
    plain_text_passwd: '{MARK}'
  - name: b
    passwd: $6$salt$hashhash{MARK}
  - {{name: c, hashed_passwd: '!', lock_passwd: true}}
  - {{name: d, passwd: '', lock_passwd: false}}
  - {{name: e, passwd: '', lock_passwd: true}}
chpasswd:
  expire: false
  users:
    - {{name: a, password: {MARK}, type: text}}
    - {{name: b, password: $y$j9T$salt$hash{MARK}}}
    - {{name: c, type: RANDOM}}
    - {{name: d, password: R}}
    - {{name: e, password: 1234}}
  list: |
    a:R
    b:RANDOM
    c:{MARK}
ssh_pwauth: true
disable_root: false
ssh_keys:
  ed25519_private: |
    -----BEGIN OPENSSH PRIVATE KEY-----
    {MARK}
    -----END OPENSSH PRIVATE KEY-----
  ed25519_public: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPwyDIeTrEb9UxrUjmv0jPTUL5owDMCNoW5hd5QAu5N8 x
"
    );
    assert_eq!(
        said(&text),
        [
            "secret-in-clear 19: a password stands in clear in `chpasswd.list`",
            "secret-in-clear 14: a password stands in clear in `chpasswd.users[0].password`",
            "password-hash 15: a password hash stands in clear in `chpasswd.users[1].password`",
            "secret-in-clear 18: a password stands in clear in `chpasswd.users[4].password`",
            "empty-password 9: `users[3].passwd` is empty and `lock_passwd` is false: anybody can log in to the account",
            "secret-in-clear 2: a password stands in clear in `password`",
            "secret-in-clear 5: a password stands in clear in `users[0].plain_text_passwd`",
            "password-hash 7: a password hash stands in clear in `users[1].passwd`",
            "secret-in-clear 26: a private key stands in clear in `ssh_keys.ed25519_private`",
        ]
    );
    for fine in [
        "chpasswd: {list: [a:R, b:RANDOM]}\n",
        "users: [{name: a, passwd: '*', lock_passwd: true}, default]\nssh_pwauth: false\n",
        "chpasswd: {users: [{name: a, type: RANDOM, password: x}]}\n",
        "users: a,b\nchpasswd: {expire: true}\nuser: x\n",
        "user: {name: a, lock_passwd: true, passwd: ''}\n",
    ] {
        assert_eq!(said(&format!("#cloud-config\n{fine}")), [""; 0], "{fine}");
    }
}

#[test]
fn commands_and_values_anywhere() {
    let text = format!(
        "#cloud-config
runcmd:
  - curl -u me:{MARK} http://h/
  - [curl, --user, 'me:{MARK}', 'http://h/']
  - [register, --token, {MARK}]
  - |
    # the password: see the wiki
    export API_TOKEN={MARK}
  - echo $PASSWORD | tool --password-stdin --password $PASSWORD
apt:
  proxy: http://user:{MARK}@proxy:3128
other:
  client_secret: {MARK}
  ghp_{MARK}{MARK}{MARK}: ghp_{MARK}{MARK}{MARK}
  token_url: http://h/token
"
    );
    assert_eq!(
        said(&text),
        [
            "secret-in-clear 3: a password stands in clear in `runcmd[0]`",
            "secret-in-clear 4: a password stands in clear in `runcmd[1]`",
            "secret-in-clear 5: a token stands in clear in `runcmd[2]`, as the value of `--token`",
            "secret-in-clear 7: a token stands in clear in `runcmd[3]`, as the value of `API_TOKEN`",
            "secret-in-clear 11: a URL with a password stands in clear in `apt.proxy`",
            "secret-in-clear 13: a secret stands in clear in `other.client_secret`",
            "secret-in-clear 14: a token stands in clear in `other.…`",
        ]
    );
}

#[test]
fn a_template_value_is_found_at_the_line_of_the_template() {
    let meta = format!("meta: {{wiki: {MARK}, db_password: {MARK}}}\n");
    let files = [
        SETTINGS,
        ("groups/a/group.yaml", meta.as_str()),
        ("groups/a/cloud-config.yaml", "#cloud-config\n{# note #}\n{% if true %}\npassword: {{ wiki }}\n{% endif %}\n"),
    ];
    let problems = problems_of(&files, "x1");
    let places: Vec<String> =
        problems.iter().filter_map(|one| one.problem.place.as_ref()).map(ToString::to_string).collect();
    assert_eq!(places, ["groups/a/cloud-config.yaml:4:1"]);
}

#[test]
fn scripts_are_looked_at_line_by_line() {
    let text = format!(
        "#!/bin/sh
# PASSWORD=example
PASSWORD={MARK}
TOKEN=$(cat /run/token)
  curl -H \"Authorization: Bearer {MARK}{MARK}\" http://h/
cat >/etc/key <<EOF
-----BEGIN EC PRIVATE KEY-----
{MARK}
-----END EC PRIVATE KEY-----
EOF
"
    );
    assert_eq!(
        said(&text),
        [
            "secret-in-clear 3: a password stands in clear in the document, as the value of `PASSWORD`",
            "secret-in-clear 5: a token stands in clear in the document",
            "secret-in-clear 7: a private key stands in clear in the document",
        ]
    );
}

#[test]
fn files_with_secrets_are_for_their_owner_only() {
    let of = |entry: &str| said(&format!("#cloud-config\nwrite_files:\n  - {entry}\n"));
    let rules = |entry: &str| -> Vec<String> {
        of(entry).iter().map(|said| said.split(' ').next().unwrap().to_owned()).collect()
    };
    let both = ["secret-in-clear", "secret-file-permissions"];
    let token = format!("ghp_{}", MARK.replace('_', "").repeat(3));
    let key = "\"-----BEGIN PRIVATE KEY-----\\nx\\n-----END PRIVATE KEY-----\\n\"";
    assert_eq!(rules(&format!("{{path: /x, content: {token}}}")), both);
    assert_eq!(rules(&format!("{{path: /x, content: {key}, permissions: '0644'}}")), both);
    assert_eq!(rules(&format!("{{path: /x, content: {key}, permissions: 0644}}")), both);
    assert_eq!(rules(&format!("{{path: /x, content: {key}, permissions: 420}}")), both);
    assert_eq!(rules(&format!("{{path: /x, content: {key}, permissions: '0640'}}")), both);
    assert_eq!(rules(&format!("{{path: /x, content: {key}, permissions: rw}}")), both);
    assert_eq!(rules(&format!("{{path: /.env, content: 'DB_PASSWORD={MARK}'}}")), both);
    for closed in ["'0600'", "0600", "'0o400'", "384", "'0640', owner: 'root:slurm'"] {
        assert_eq!(rules(&format!("{{path: /x, content: {key}, permissions: {closed}}}")), both[..1], "{closed}");
    }
    // The names alone.
    assert_eq!(rules("{path: /etc/munge/munge.key, encoding: b64, content: '/9j/4AAQSkZJRgABAQ=='}"), both[1..]);
    assert_eq!(rules("{path: /root/.ssh/id_ed25519, source: {uri: 'http://h/'}}"), both[1..]);
    assert_eq!(rules("{path: /etc/munge/munge.key, encoding: b64, content: 'AAAA', permissions: '0400'}"), [""; 0]);
    for fine in [
        "{path: /etc/ssh/id_ed25519.pub, content: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPwyDIeTrEb9UxrUjmv0jPTUL5owDMCN'}",
        "{path: /usr/share/keyrings/x.key, content: x}",
        "{path: /etc/x.key, content: '-----BEGIN PGP PUBLIC KEY BLOCK-----'}",
        "{path: /etc/x.key}",
        "{path: /etc/motd, content: 'ask for a password'}",
        "{path: /etc/x, content: 'PASSWORD=$1'}",
    ] {
        assert_eq!(rules(fine), [""; 0], "{fine}");
    }
    assert_eq!(
        of(&format!("path: /x\n    content: {token}\n    permissions: '0644'"))[1],
        "secret-file-permissions 5: the file of `write_files[0]` holds a token, and its permissions let every user of the \
         node read it"
    );
    assert!(of(&format!("path: /x\n    content: {token}"))[1].ends_with("so that every user of the node can read it"));
}

#[test]
fn encoded_contents_are_looked_into() {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use std::io::Write;
    let text = format!("API_TOKEN={MARK}\n");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(text.as_bytes()).unwrap();
    let packed = STANDARD.encode(packed.finish().unwrap());
    let plain = STANDARD.encode(&text);
    for entry in [
        format!("encoding: b64\n    content: {plain}"),
        format!("encoding: Base64\n    content: |\n      {}\n      {}", &plain[..8], &plain[8..]),
        format!("encoding: gz+b64\n    content: {packed}"),
        format!("encoding: gzip\n    content: !!binary {packed}"),
        format!("content: !!binary {plain}"),
    ] {
        let said = said(&format!("#cloud-config\nwrite_files:\n  - path: /x\n    permissions: '0600'\n    {entry}\n"));
        let expected = "a token stands in clear in `write_files[0].content`, as the value of `API_TOKEN`";
        assert!(said.len() == 1 && said[0].ends_with(expected), "{entry}: {said:?}");
    }
}

#[test]
fn many_of_a_kind_are_counted() {
    let lines: String = (0..30).map(|index| format!("  - {{name: a{index}, plain_text_passwd: {MARK}}}\n")).collect();
    let said = said(&format!("#cloud-config\nusers:\n{lines}"));
    assert_eq!(said.len(), 11);
    assert!(said[10].contains("20 places"), "{said:?}");
}

#[test]
fn meta_data_of_a_sites_own_and_network_config_are_looked_at() {
    let own = format!("instance-id: x1\nlocal-hostname: \"{{{{ local_hostname }}}}\"\nvendor: {{token: {MARK}}}\n");
    let rules = |files: &[(&str, &str)]| {
        problems_of(files, "x1").iter().map(|one| one.rule.clone().into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(rules(&[("templates/meta-data", &own)]), ["secret-in-clear"]);
    let wifi = format!(
        "version: 2\nethernets: {{e: {{match: {{macaddress: '02:00:00:00:00:01'}}, dhcp4: true}}}}\nwifis: {{w: \
         {{access-points: {{x: {{password: {MARK}}}}}}}}}\n"
    );
    assert_eq!(rules(&[("templates/network-config", &wifi)]), ["secret-in-clear"]);
    // The built-in one holds what is said of the group.
    let meta = format!("meta: {{token: {MARK}}}\n");
    assert_eq!(rules(&[("groups/a/group.yaml", &meta)]), [""; 0]);
}

#[test]
fn secrets_in_meta_are_found_where_they_stand() {
    let site = fixture::site(&[
        ("groups/a/group.yaml", &format!("meta:\n  deep:\n    - token: {MARK}\n  url: http://u:{MARK}@h/\n")),
        ("groups/b/group.yaml", "meta: {token_url: http://h/, password: $6$salt$hashhash}\n"),
        ("nodes/x2.yaml", &format!("meta: {{root_password: {MARK}}}\n")),
        ("nodes/x9.yaml", &format!("hostname: x9\nmeta: {{root_password: {MARK}}}\n")),
    ]);
    let text = r#"{"format": 1, "nodes": [{"id": "x1", "groups": ["a"]}, {"id": "x2", "groups": ["a", "b"]}]}"#;
    let inventory = parse_inventory("inventory.json", text.as_bytes()).unwrap();
    let plan = Plan::new(&site, &inventory).unwrap();
    let shown = |finding: &Finding| {
        let message = finding.problem.message.split(": it goes").next().unwrap();
        let place = finding.problem.place.as_ref().unwrap();
        format!("{} {place} {message} {:?}", finding.rule, finding.nodes)
    };
    let findings: Vec<String> = secrets_in_meta(&site, plan.facts()).iter().map(shown).collect();
    assert_eq!(
        findings,
        [
            "secret-in-clear groups/a/group.yaml:3:7 a token stands in clear in `meta.deep[0].token` [x1, x2]",
            "secret-in-clear groups/a/group.yaml:4:3 a URL with a password stands in clear in `meta.url` [x1, x2]",
            "password-hash groups/b/group.yaml:1:30 a password hash stands in clear in `meta.password` [x2]",
            "secret-in-clear nodes/x2.yaml:1:8 a password stands in clear in `meta.root_password` [x2]",
            "secret-in-clear nodes/x9.yaml:2:8 a password stands in clear in `meta.root_password` []",
        ]
    );
}
