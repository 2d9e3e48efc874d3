use bytes::Bytes;
use proptest::prelude::*;

use super::super::fixture::subject;
use super::super::{ReportFormat, ReportSubject, report};
use super::*;
use crate::compare::{Comparer, NodeState, Origin};
use crate::types::{Digest, GroupLabel, NodeId};

fn node(number: usize, name: &str, text: &str) -> NodeState {
    NodeState {
        id: NodeId::parse(&format!("x{number}")).unwrap(),
        hostname: format!("host{number}"),
        local_hostname: None,
        nid: None,
        instance_id: format!("x{number}"),
        macs: Vec::new(),
        addresses: Vec::new(),
        tunnel_address: None,
        groups: vec![GroupLabel::parse("compute").unwrap()],
        own_base_url: None,
        documents: vec![(
            DocumentName::parse(name).unwrap(),
            Digest::of(text.as_bytes()),
            Bytes::from(text.to_owned()),
        )],
    }
}

/// The changes when nodes get other texts, each of one document.
fn changes(texts: &[(&str, &str, &str)]) -> Changes {
    let mut comparer = Comparer::new();
    for (number, (name, old, new)) in texts.iter().enumerate() {
        comparer.add(Some(&node(number, name, old)), Some(&node(number, name, new)));
    }
    let revision = Origin::Revision { name: "main".to_owned(), commit: "0123456789abcdef".to_owned() };
    comparer.finish(revision, Origin::Folder { name: "site".to_owned() })
}

fn reported(format: ReportFormat, changes: &Changes) -> String {
    report(format, &ReportSubject { changes: Some(changes), ..subject(&[]) })
}

#[test]
fn a_text_shows_the_lines_of_each_change_once() {
    let changes = changes(&[
        ("user-data", "a\nb\n", "a\nc\u{1b}[31m\n"),
        ("user-data", "a\nb\n", "a\nc\u{1b}[31m\n"),
        ("network-config", "version: 2\n", "version: 2\nwifis: {}\n"),
    ]);
    insta::assert_snapshot!(changes_text(&changes, false, true), @r"
    changes from main (0123456789ab) to site: 0 documents added, 3 changed, 0 removed; 3 nodes concerned
      Names in angle brackets stand for what is another on every node; secrets are not shown.

    user-data: +1 −1, 2 nodes (group compute), e.g. x0
    @@ -1,2 +1,2 @@
     a
    -b
    +c\u{1b}[31m

    network-config: +1, 1 node (group compute), e.g. x2
        can cut a node off: look at the addresses, routes and interfaces
    @@ -1 +1,2 @@
     version: 2
    +wifis: {}
    ");
    let styled = changes_text(&changes, true, true);
    assert!(
        styled.contains("\u{1b}[32m+wifis: {}\u{1b}[0m\n") && styled.contains("\u{1b}[31m-b\u{1b}[0m\n"),
        "{styled:?}"
    );
    assert_eq!(anstream::adapter::strip_str(&styled).to_string(), changes_text(&changes, false, true));
    let short = changes_text(&changes, false, false);
    assert_eq!(short.lines().count(), 4, "{short}");
    assert!(reported(ReportFormat::Text, &changes).starts_with("no findings\nchanges from main"));
}

#[test]
fn fences_outlast_what_they_hold() {
    let changes = changes(&[("user-data", "", "````\n</details>\n```diff\n@me #7\n\u{202e}x\n")]);
    insta::assert_snapshot!(reported(ReportFormat::Markdown, &changes), @r"
    ### mds: no findings

    #### What changes

    changes from main (0123456789ab) to site&#58; 0 documents added, 1 changed, 0 removed; 1 node concerned

    Names in angle brackets stand for what is another on every node; secrets are not shown.

    <details><summary><code>user-data</code>: +5, 1 node (group compute), e.g. <code>x0</code></summary>

    `````diff
    @@ -0,0 +1,5 @@
    +````
    +</details>
    +```diff
    +@me #7
    +�x
    `````

    </details>
    ");
}

#[test]
fn nothing_is_said_in_a_sentence() {
    let changes = changes(&[("user-data", "a", "a")]);
    assert_eq!(changes_text(&changes, false, true), "nothing changes from main (0123456789ab) to site\n");
    assert!(
        reported(ReportFormat::Markdown, &changes).ends_with("\n\nnothing changes from main (0123456789ab) to site\n")
    );
    assert_eq!(reported(ReportFormat::Github, &changes), "");
}

#[test]
fn a_notice_says_all_in_one_line() {
    let changes = changes(&[("network-config", "a: 1\n", "a: 2\n"), ("user-data", "a", "%0A::error::b")]);
    let notice = reported(ReportFormat::Github, &changes);
    assert_eq!(notice.lines().count(), 1);
    assert!(
        notice.starts_with("::notice title=changes::changes from main (0123456789ab) to site: 0 documents"),
        "{notice}"
    );
    assert!(notice.ends_with("%0Anetwork-config: +1 −1, 1 node (group compute), e.g. x0\n"), "{notice}");
}

#[test]
fn what_does_not_fit_is_counted() {
    let long = "x".repeat(300);
    let texts: Vec<String> = (0..200).map(|number| format!("{number}{long}\n").repeat(30)).collect();
    let pairs: Vec<(&str, &str, &str)> = texts.iter().map(|text| ("user-data", "", text.as_str())).collect();
    let changes = changes(&pairs);
    assert_eq!(changes.of_documents.len(), 200);
    let markdown = reported(ReportFormat::Markdown, &changes);
    let shown = markdown.matches("<details>").count();
    assert!(markdown.len() <= 60_000 && shown > 2, "{} {shown}", markdown.len());
    assert!(markdown.ends_with(&format!(
        "There are {} changes more, which do not fit here; a report as json has all of them.\n",
        200 - shown
    )));
    let text = changes_text(&changes, false, true);
    assert!(text.ends_with("\n\n… and 160 changes of documents more; --format json lists all\n"), "{text}");
    let findings =
        vec![crate::check::Finding::error("template", crate::types::Problem::new("@".repeat(500)), Vec::new()); 90];
    let both = report(ReportFormat::Markdown, &ReportSubject { changes: Some(&changes), ..subject(&findings) });
    assert!(both.len() <= 60_000 && both.contains("| <code>template") && both.contains("<details>"), "{}", both.len());
}

proptest! {
    #[test]
    fn no_line_ends_the_place_where_it_stands(old in "(`{1,5}|~~~|</details>|\\PC|\r|\n){0,30}", new in "(`{1,5}|\n```\n|<b>|\\PC|\n){0,30}") {
        let changes = changes(&[("user-data", &old, &new)]);
        let markdown = reported(ReportFormat::Markdown, &changes);
        if old != new {
            let fence = markdown.lines().find(|line| line.ends_with("`diff")).unwrap().trim_end_matches("diff");
            prop_assert!(fence.len() >= 3);
            // It is there twice: where the lines begin and where they end.
            prop_assert_eq!(markdown.lines().filter(|line| line.trim_start().starts_with(fence)).count(), 2, "{}", markdown);
            prop_assert!(!markdown.replace(['\n', '\t'], "").contains(char::is_control));
        }
        prop_assert_eq!(reported(ReportFormat::Github, &changes).lines().count(), usize::from(old != new));
    }
}
