use super::super::fixture::problems_of;
use super::schema::Schema;
use super::*;
use crate::inventory::parse_inventory;
use crate::render::{NodeProblem, fixture};

const SETTINGS: (&str, &str) = ("mds.toml", "[cluster]\nbase_url = \"http://10.0.0.1\"\n");

/// What is said by the site's own rules about the one node.
fn said(files: &[(&str, &str)]) -> Vec<String> {
    let problems = problems_of(&[&[SETTINGS], files].concat(), "x1000c0s0b0n0");
    let ours = problems.into_iter().filter(|problem| is_site_rule(&problem.rule));
    ours.map(|NodeProblem { rule, problem }| format!("{rule} {problem}")).collect()
}

fn rule(document: &str, more: &str, schema: &str) -> String {
    format!("document: {document}\nmessage: set it right\nhint: see the wiki\n{more}schema: {schema}\n")
}

#[test]
fn a_rule_holds_of_what_all_cloud_config_comes_to() {
    let ntp = rule("cloud-config", "", "{required: [ntp], properties: {ntp: {properties: {enabled: {const: true}}}}}");
    let of = |group: &str, user: &str| {
        said(&[("rules/ntp.yaml", &ntp), ("groups/a/cloud-config.yaml", group), ("user-data/default.yaml", user)])
    };
    let none = "#cloud-config\nx: 1\n";
    let on = "#cloud-config\nx: 1\nntp:\n  enabled: yes\n";
    let off = "#cloud-config\n{# c #}\nntp:\n  enabled: off\n";
    assert_eq!(of(on, none), [""; 0]);
    assert_eq!(of(none, on), [""; 0]);
    assert_eq!(of(off, on), [""; 0]);
    assert_eq!(of(none, none), ["site/ntp user-data/default.yaml: set it right: `ntp` is missing (see the wiki)"]);
    let wrong = "set it right: `ntp.enabled` is not as `const` wants it (see the wiki)";
    assert_eq!(of(off, none), [format!("site/ntp groups/a/cloud-config.yaml:4:3: {wrong}")]);
    assert_eq!(of(on, off), [format!("site/ntp user-data/default.yaml:4:3: {wrong}")]);
    // What the node renders itself may set it.
    assert_eq!(of("## template: jinja\n#cloud-config\nntp: {enabled: true}\n", none), [""; 0]);
    assert_eq!(of(none, "#include\nhttp://h/more\n"), [""; 0]);
    // Scripts set nothing.
    assert_eq!(of(none, "#!/bin/sh\n").len(), 1);
}

#[test]
fn what_is_missing_is_missing_in_the_group_that_the_rule_is_about() {
    let files = [
        ("rules/ntp.yaml", &*rule("cloud-config", "groups: [b]\n", "{required: [ntp]}")),
        ("groups/a/cloud-config.yaml", "#cloud-config\nx: 1\n"),
        ("groups/b/cloud-config.yaml", "#cloud-config\ny: 1\n"),
    ];
    assert_eq!(said(&files), ["site/ntp groups/b/cloud-config.yaml: set it right: `ntp` is missing (see the wiki)"]);
}

#[test]
fn a_rule_may_be_about_one_document() {
    let closed = "{additionalProperties: false, properties: {instance-id: {type: string}}}";
    let messages = said(&[("rules/m.yaml", &rule("meta-data", "", closed))]);
    assert_eq!(
        messages,
        ["site/m templates/meta-data: set it right: the document has keys that the rule does not know (see the wiki)"]
    );
    let no_runcmd = rule("a.yaml", "", "{properties: {runcmd: false, a: {items: {maxLength: 2}}}}");
    let of = |text: &str| said(&[("rules/a.yaml", &no_runcmd), ("groups/a/cloud-config.yaml", text)]);
    assert_eq!(
        of("#cloud-config\na: [x,\n  secret]\nruncmd: [ls]\n"),
        [
            "site/a groups/a/cloud-config.yaml:3:3: set it right: `a[1]` is not as `maxLength` wants it (see the wiki)",
            "site/a groups/a/cloud-config.yaml:4:1: set it right: `runcmd` must not be there (see the wiki)",
        ]
    );
    for fine in ["#cloud-config\na: [x]\n", "#!/bin/sh\n"] {
        assert_eq!(of(fine), [""; 0], "{fine}");
    }
    // What the client renders is held against rules as it is then.
    let rendered = of("## template: jinja\n#cloud-config\n{{ 'runcmd' }}: [ls]\n");
    assert_eq!(
        rendered,
        ["site/a groups/a/cloud-config.yaml:3:4: set it right: `runcmd` must not be there (see the wiki)"]
    );
    // An empty one is an empty mapping, one that is not there is none.
    let required = rule("a.yaml", "", "{required: [a]}");
    assert_eq!(said(&[("rules/a.yaml", &required), ("groups/a/cloud-config.yaml", "#cloud-config\n{}\n")]).len(), 1);
    assert_eq!(said(&[("rules/a.yaml", &rule("network-config", "", "{required: [a]}"))]).len(), 0);
}

#[test]
fn groups_and_patterns_choose_nodes() {
    let of = |more: &str| {
        said(&[
            ("rules/r.yaml", &rule("user-data", more, "false")),
            ("groups/a/cloud-config.yaml", "#cloud-config\na: 1\n"),
        ])
        .len()
    };
    for chosen in ["", "groups: [b, a]\n", "nodes: ['x1000c*']\n", "nodes: [y, '*n0']\ngroups: [a]\n", "groups: []\n"] {
        assert_eq!(of(chosen), 1, "{chosen}");
    }
    for other in ["groups: [b]\n", "nodes: [x1000]\n", "nodes: ['x*']\ngroups: [b]\n"] {
        assert_eq!(of(other), 0, "{other}");
    }
}

/// What is wrong with the rules of a site of two nodes.
fn faults(files: &[(&str, &str)]) -> Vec<String> {
    let site = fixture::site(files);
    let text = r#"{"format": 1, "nodes": [{"id": "x1", "groups": ["a"]}, {"id": "x2"}]}"#;
    let plan = Plan::new(&site, &parse_inventory("inventory.json", text.as_bytes()).unwrap()).unwrap();
    let findings = Rulebook::new(&site).0.findings(plan.facts());
    findings.iter().map(|finding| format!("{} {}", finding.rule, finding.problem)).collect()
}

#[test]
fn broken_rules_are_found_with_their_places() {
    for (text, expected) in [
        ("document: [\n", "rules/r.yaml:1:11: "),
        ("documnt: user-data\nmessage: m\nschema: {}\n", "rules/r.yaml:1:1: unknown field `documnt`"),
        ("message: m\nschema: {}\n", "missing field `document`"),
        ("document: x\nmessage: m\nschema: {}\n", "this is no document: write cloud-config"),
        ("document: user-data\nmessage: m\nseverity: off\nschema: {}\n", "rules/r.yaml:3:"),
        ("document: user-data\nmessage: ''\nschema: {}\n", "rules/r.yaml:2:1: the rule has no message"),
        ("document: user-data\nmessage: m\nschema:\n  type: objekt\n", "rules/r.yaml:4:3: this is no JSON Schema"),
        ("document: user-data\nmessage: m\nschema:\n  pattern: '(?=a)b'\n", "this is no JSON Schema"),
        (
            "document: user-data\nmessage: m\nschema:\n  $ref: http://h/x\n",
            "rules/r.yaml:4:3: the schema refers to something outside",
        ),
        (
            "document: user-data\nmessage: m\nschema:\n  items: {$ref: other.yaml}\n",
            "outside its file (copy what it refers to",
        ),
        ("document: user-data\nmessage: m\nschema:\n  $ref: '#/$defs/x'\n", "this is no JSON Schema"),
        ("document: user-data\nmessage: m\nschema:\n  $ref: '#'\n", "without end"),
        ("document: user-data\nmessage: m\nschema:\n  $schema: http://h/draft\n", "this is no JSON Schema"),
    ] {
        let faults = faults(&[("rules/r.yaml", text)]);
        assert!(
            faults.len() == 1 && faults[0].starts_with("site-rule ") && faults[0].contains(expected),
            "{text}: {faults:?}"
        );
    }
    let good = rule("user-data", "", "{}");
    for (path, expected) in [
        (
            "rules/r.yml",
            "site-rule rules/r.yml: a rule's file is named rules/<id>.yaml, so this one is not read (rename it to rules/r.yaml)",
        ),
        ("rules/r.yaml.txt", "(rename it to rules/r.yaml)"),
        ("rules/more/r.yaml", "(rename it to rules/r.yaml)"),
        ("rules/R_1.yaml", "is no id of a rule"),
        ("rules/a--b.yaml", "is no id of a rule"),
    ] {
        let faults = faults(&[(path, &good)]);
        assert!(faults.len() == 1 && faults[0].contains(expected), "{path}: {faults:?}");
    }
    assert_eq!(faults(&[("rules/r-2.yaml", &good), ("rules/README.md", "notes")]), [""; 0]);
}

#[test]
fn rules_for_no_node_are_said() {
    for (document, more, is_used) in [
        ("user-data", "", true),
        ("user-data", "groups: [a]\n", true),
        ("user-data", "groups: [b]\n", false),
        ("user-data", "nodes: [x1000]\n", false),
        ("a.yaml", "nodes: [x1]\n", true),
        ("a.yaml", "nodes: [x2]\n", false),
        ("b.yaml", "", false),
    ] {
        let faults = faults(&[("rules/r.yaml", &rule(document, more, "{}"))]);
        assert_eq!(faults.is_empty(), is_used, "{document} {more}: {faults:?}");
        assert!(faults.iter().all(|fault| fault.starts_with("unused-site-rule rules/r.yaml: ")), "{faults:?}");
    }
}

#[test]
fn severities_and_descriptions_are_the_rules_own() {
    let site = fixture::site(&[
        ("rules/a.yaml", &rule("user-data", "severity: warning\n", "{}")),
        ("rules/b.yaml", &rule("user-data", "description: About b\n", "{}")),
        ("rules/c.yaml", "broken"),
        ("mds.toml", "[check.severity]\n\"site/b\" = \"off\"\n"),
    ]);
    assert_eq!(site_rule_ids(&site), ["site/a", "site/b", "site/c"]);
    let (rulebook, _) = Rulebook::new(&site);
    assert_eq!(rulebook.site_rules.severity("site/a"), Some(Severity::Warning));
    assert_eq!(rulebook.site_rules.severity("site/b"), Some(Severity::Error));
    assert_eq!(rulebook.site_rules.severity("template"), None);
    let described: Vec<_> =
        rulebook.site_rules().iter().map(|rule| (rule.id.to_owned(), rule.summary.to_owned())).collect();
    assert_eq!(described, [("site/a".to_owned(), "set it right".to_owned())]);
}

#[test]
fn references_within_a_schema_are_followed_unless_they_never_end() {
    let schema = |value: serde_json::Value| Schema::new(&value);
    let tree = serde_json::json!({
        "$defs": {"tree": {"$anchor": "t", "type": "object", "additionalProperties": {"$ref": "#t"}}},
        "allOf": [{"$ref": "#/$defs/tree"}],
        "not": {"properties": {"x": {"$ref": "#"}}, "required": ["x"]},
    });
    let schema_of_tree = schema(tree).unwrap();
    assert_eq!(schema_of_tree.violations(&serde_json::json!({"a": {"b": {}}})), []);
    assert_eq!(schema_of_tree.violations(&serde_json::json!({"a": {"b": 1}})).len(), 1);
    for endless in [
        serde_json::json!({"allOf": [{"$ref": "#"}]}),
        serde_json::json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"}),
        serde_json::json!({"dependentSchemas": {"a": {"$ref": "#"}}}),
        serde_json::json!({"$anchor": "x", "if": {"$ref": "#x"}}),
    ] {
        assert!(schema(endless.clone()).unwrap_err().message.contains("without end"), "{endless}");
    }
    // What only looks like a reference.
    assert!(
        schema(serde_json::json!({"const": {"$ref": "http://h/"}, "properties": {"$ref": {"type": "string"}}})).is_ok()
    );
    let mut deep = serde_json::json!({});
    for _ in 0..100 {
        deep = serde_json::json!({"items": deep});
    }
    assert!(schema(deep).unwrap_err().message.contains("too deep"));
}

#[test]
fn the_configuration_is_merged_as_cloud_init_does() {
    let both = rule("cloud-config", "", "{properties: {runcmd: {minItems: 2}}}");
    let of = |later: &str| {
        said(&[
            ("rules/both.yaml", &both),
            ("groups/a/cloud-config.yaml", "#cloud-config\nruncmd: [one]\n"),
            ("groups/b/cloud-config.yaml", &format!("#cloud-config\n{later}runcmd: [two]\n")),
        ])
    };
    let is_broken = |said: Vec<String>| said.iter().any(|line| line.starts_with("site/both "));
    assert!(is_broken(of("")));
    assert!(!is_broken(of("merge_how: \"list(append)+dict(recurse_list)+str()\"\n")));
}
