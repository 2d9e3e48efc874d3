//! What mds makes of documents for the client's jinja, beside what the client itself makes of them.
//!
//! cloud-init's own Python code runs in the Debian roots that `tests/lib/roots` makes, without a boot. Needs root;
//! elsewhere the cases skip themselves, loudly, unless `MDS_TESTS_MUST_RUN=1`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[allow(unused_imports, clippy::print_stderr)]
#[path = "real_client/mod.rs"]
mod harness;

#[path = "client_templates/corpus.rs"]
mod corpus;
#[path = "client_templates/made_up.rs"]
mod made_up;
#[path = "client_templates/real.rs"]
mod real;

use corpus::{Case, META_DATA};
use harness::{Client, Root};
use mds::check::{ClientView, Severity, client_view};
use mds::types::DocumentName;
use real::{Answer, Render};

#[test]
fn client_22_makes_the_same_of_templates() {
    agree(Client::Bookworm);
}

#[test]
fn client_25_makes_the_same_of_templates() {
    agree(Client::Trixie);
}

#[test]
fn client_22_knows_the_same_names() {
    names_agree(Client::Bookworm);
}

#[test]
fn client_25_knows_the_same_names() {
    names_agree(Client::Trixie);
}

#[test]
fn client_22_is_the_worse_for_every_error() {
    errors_are_errors(Client::Bookworm);
}

#[test]
fn client_25_is_the_worse_for_every_error() {
    errors_are_errors(Client::Trixie);
}

#[test]
fn what_client_25_takes_without_a_word_is_no_error() {
    let Some(root) = Root::of(Client::Trixie) else { return };
    let texts = made_up::templates(600);
    let answer = real::ask(&root, META_DATA, &texts);
    let is_error = |text: &str| view(text).findings.iter().any(|finding| finding.severity == Severity::Error);
    let (fine, bad): (Vec<_>, Vec<_>) =
        texts.iter().zip(&answer.renders).partition(|(_, render)| render.text.is_some() && render.warnings.is_empty());
    let wrong: Vec<&String> = fine.iter().map(|(text, _)| *text).filter(|text| is_error(text)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    // What it does not take is mostly found: some of it cannot be judged.
    let found = bad.iter().filter(|(text, _)| is_error(text)).count();
    assert!(fine.len() > 200 && found * 2 > bad.len(), "{} fine, {found} found of {}", fine.len(), bad.len());
}

/// By rule: a document that breaks it, and its mended form.
const MENDED: [(&str, &str, &str); 5] = [
    ("client-template", "a: {{ v1.region\n", "a: {{ v1.region }}\n"),
    ("client-template", "a: {{ v1.region | b64encode }}\n", "a: {{ v1.region | upper }}\n"),
    ("client-template-undefined", "a: {{ v1.regoin }}\n", "a: {{ v1.region }}\n"),
    ("client-template-undefined", "a: {{ ds.meta_data.local-hostname }}\n", "a: {{ ds.meta_data.local_hostname }}\n"),
    (
        "client-template-undefined",
        "a: {{ ds.meta_data.racks.a }}\n",
        "a: {{ (ds.meta_data.racks | default({})).a | default('b') }}\n",
    ),
];

fn errors_are_errors(client: Client) {
    let Some(root) = Root::of(client) else { return };
    let config = |body: &str| format!("## template: jinja\n#cloud-config\n{body}");
    for (rule, broken, mended) in MENDED {
        let (broken, mended) = (config(broken), config(mended));
        let answer = real::ask(&root, META_DATA, &[broken.clone(), mended.clone()]);
        let [on_broken, on_mended] = &answer.renders[..] else { panic!("{answer:?}") };
        let found = view(&broken).findings;
        assert!(found.len() == 1 && found[0].rule == rule && found[0].severity == Severity::Error, "{found:?}");
        assert!(!on_broken.warnings.is_empty(), "{broken}");
        assert_eq!((view(&mended).findings, &on_mended.warnings), (Vec::new(), &Vec::new()), "{mended}");
        assert!(on_mended.text.is_some(), "{mended}");
    }
}

fn view(text: &str) -> ClientView {
    client_view(META_DATA.as_bytes(), &DocumentName::UserData, text.as_bytes(), "user-data", 1 << 20).unwrap()
}

fn agree(client: Client) {
    let Some(root) = Root::of(client) else { return };
    let cases = corpus::cases(client);
    let texts: Vec<String> = cases.iter().map(|case| case.text.clone()).collect();
    let answer = real::ask(&root, META_DATA, &texts);
    let disagreements: Vec<String> =
        cases.iter().zip(&answer.renders).filter_map(|(case, render)| disagreement(case, render)).collect();
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
}

/// How the two disagree about a template, if they do.
fn disagreement(case: &Case, client: &Render) -> Option<String> {
    let ours = view(&case.text);
    let rules: Vec<&str> = ours.findings.iter().map(|finding| finding.rule.as_ref()).collect();
    let has_error = ours.findings.iter().any(|finding| finding.severity == Severity::Error);
    let is_same = match &client.text {
        _ if case.is_unjudged => rules == ["client-template-unchecked"],
        // The client only warns about what it goes on with.
        Some(text) => ours.body == text.as_bytes() && has_error != client.warnings.is_empty(),
        // Of an empty document it says nothing.
        None => has_error != client.warnings.is_empty(),
    };
    let said = ours.findings.iter().map(|finding| &finding.problem.message);
    (!is_same).then(|| {
        format!(
            "---- {}\nclient: {client:?}\nours: {:?} {:?}",
            case.text,
            String::from_utf8_lossy(&ours.body),
            said.collect::<Vec<_>>()
        )
    })
}

fn names_agree(client: Client) {
    let Some(root) = Root::of(client) else { return };
    let answer = real::ask(&root, META_DATA, &[]);
    let is_defined = |name: &str| {
        let ours = view(&format!("## template: jinja\n#cloud-config\n{{{{ {name} is defined }}}}"));
        match ours.findings.first() {
            // The machine's own configuration is there, and nothing is known of it.
            Some(finding) => name.starts_with("merged_") && finding.rule == "client-template-unchecked",
            None => ours.body.ends_with(b"True"),
        }
    };
    let is_word = |name: &&String| !name.contains('-');
    for (prefix, keys) in names(&answer) {
        for key in keys.iter().filter(is_word) {
            assert!(is_defined(&format!("{prefix}{key}")), "the client has {prefix}{key}");
        }
    }
    // And the other way around: whole mappings print alike. What only the machine knows is left out.
    for (expression, expected) in [
        ("v1.keys() | sort(case_sensitive=true)", keys_of(&answer.seen["v1"])),
        ("ds.keys() | sort(case_sensitive=true)", keys_of(&answer.seen["ds"])),
    ] {
        let ours = view(&format!("## template: jinja\n#cloud-config\n{{{{ {expression} }}}}"));
        let ours = String::from_utf8(ours.body).unwrap();
        assert_eq!(ours.lines().last().unwrap(), format!("{expected:?}").replace('"', "'"), "{expression}");
    }
}

fn keys_of(value: &serde_json::Value) -> Vec<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

/// The names that the client has, by what is written before them.
fn names(answer: &Answer) -> Vec<(&'static str, Vec<String>)> {
    let seen = &answer.seen;
    vec![
        ("", keys_of(seen)),
        ("v1.", keys_of(&seen["v1"])),
        ("sys_info.", keys_of(&seen["sys_info"])),
        ("ds.", keys_of(&seen["ds"])),
        ("ds.meta_data.", keys_of(&seen["ds"]["meta_data"])),
        ("ds.meta_data.instance_data.", keys_of(&seen["ds"]["meta_data"]["instance_data"])),
    ]
}
