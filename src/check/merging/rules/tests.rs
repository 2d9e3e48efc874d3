use crate::check::fixture;
use crate::render::NodeProblem;

/// What the rules about merging say. The documents are made to be merged, and are no good cloud-config otherwise.
fn problems_of(files: &[(&str, &str)], id: &str) -> Vec<NodeProblem> {
    let problems = fixture::problems_of(files, id).into_iter();
    problems.filter(|problem| problem.rule.starts_with("merge-")).collect()
}

fn rules_of(files: &[(&str, &str)], id: &str) -> Vec<String> {
    problems_of(files, id).iter().map(|problem| problem.rule.to_string()).collect()
}

/// A site of two groups, of which `a` comes first.
fn rules(a: &str, b: &str) -> Vec<String> {
    let (a, b) = (format!("#cloud-config\n{a}"), format!("#cloud-config\n{b}"));
    rules_of(&[("groups/a/cloud-config.yaml", &a), ("groups/b/cloud-config.yaml", &b), BASE], "x1")
}

const BASE: (&str, &str) = ("mds.toml", "[cluster]\nbase_url = \"http://10.0.0.1\"\n");
const JOINING: &str = "merge_how: list(append)+dict(recurse_list,recurse_str)+str()\n";

#[test]
fn a_later_group_that_replaces_is_said_unless_it_says_so_itself() {
    for (a, b) in [
        ("runcmd: [one]\n", "runcmd: [two]\n"),
        ("timezone: UTC\n", "timezone: CET\n"),
        ("ntp: {servers: [a]}\n", "ntp: {enabled: true}\n"),
    ] {
        assert_eq!(rules(a, b), ["merge-group-replaced"], "{a} {b}");
        assert_eq!(rules(a, &format!("merge_how: dict(replace)\n{b}")), [""; 0], "{a} {b}");
    }
    for (a, b) in [
        ("runcmd: [one]\n", "runcmd: [one]\n"),
        ("runcmd: [one]\n", "runcmd: [zero, one]\n"),
        ("runcmd: [one]\n", "bootcmd: [one]\n"),
        ("ntp: {enabled: true}\n", "ntp: {servers: [a], enabled: true}\n"),
        ("runcmd: [one]\n", &format!("{JOINING}runcmd: [two]\n")),
        ("ntp: {servers: [a]}\n", &format!("{JOINING}ntp: {{servers: [b]}}\n")),
        // What the earlier says about merging is not asked.
        (&format!("{JOINING}runcmd: [one]\n"), "bootcmd: [two]\n"),
    ] {
        assert_eq!(rules(a, b), [""; 0], "{a} {b}");
    }
    assert_eq!(rules(&format!("{JOINING}runcmd: [one]\n"), "runcmd: [two]\n"), ["merge-group-replaced"]);
}

#[test]
fn an_earlier_group_that_keeps_its_value_is_said() {
    assert_eq!(rules("package_update: true\n", &format!("{JOINING}package_update: false\n")), ["merge-group-ignored"]);
    let no_replace = "merge_how: dict(no_replace)\npackage_update: false\n";
    assert_eq!(rules("package_update: true\n", no_replace), [""; 0]);
    // Texts of which the later stays, as it says.
    assert_eq!(rules("timezone: UTC\n", &format!("{JOINING}timezone: CET\n")), [""; 0]);
    let overlaid = "merge_how: dict(recurse_list)+list()\nruncmd: [two, three]\n";
    assert_eq!(rules("runcmd: [one]\n", overlaid), ["merge-group-replaced", "merge-group-ignored"]);
}

#[test]
fn the_place_is_the_later_groups_key_and_both_groups_are_named() {
    let files = [
        ("groups/a/cloud-config.yaml", "#cloud-config\nruncmd: [one]\n"),
        ("groups/b/cloud-config.yaml", "#cloud-config\n# {{ hostname }}\n\nruncmd:\n  - two\n"),
        BASE,
    ];
    let problems = problems_of(&files, "x1");
    let problem = &problems[0].problem;
    assert_eq!(problem.place.as_ref().unwrap().to_string(), "groups/b/cloud-config.yaml:4:1");
    assert_eq!(
        problem.message,
        "the `runcmd` of group `a` is lost on the node: that of group `b` comes later and replaces it"
    );
    assert!(problem.hint.as_ref().unwrap().contains("`merge_how: \"list(append)+"), "{problem}");
    let order = format!("{}[groups]\norder = [\"b\"]\n", BASE.1);
    let problems = problems_of(&[files[0], files[1], ("mds.toml", &order)], "x1");
    assert_eq!(problems[0].problem.place.as_ref().unwrap().to_string(), "groups/a/cloud-config.yaml:2:1");
}

#[test]
fn user_data_that_sets_what_groups_set_is_said() {
    let of = |user_data: &str, group: &str| {
        let (user_data, group) = (format!("#cloud-config\n{user_data}"), format!("#cloud-config\n{group}"));
        problems_of(&[("user-data/default.yaml", &user_data), ("groups/a/cloud-config.yaml", &group), BASE], "x1")
    };
    for (user_data, group, count) in [
        ("runcmd: [one]\n", "runcmd: [two]\n", 1),
        ("merge_how: list(append)+dict(recurse_list)\nruncmd: [one]\n", "runcmd: [two]\n", 1),
        ("ntp: {servers: [one]}\n", "ntp: {servers: [two]}\n", 1),
        ("ntp: {servers: [one]}\n", "ntp: {enabled: true}\n", 0),
        ("runcmd: [one]\n", "runcmd: [one]\n", 0),
        ("timezone: UTC\n", "timezone: CET\n", 1),
        ("vendor_data: {enabled: false}\n", "timezone: CET\n", 1),
        ("vendor_data: {enabled: true}\n", "timezone: CET\n", 0),
        ("vendor_data: {enabled: false}\n", "{}\n", 0),
    ] {
        let problems = of(user_data, group);
        assert_eq!(problems.len(), count, "{user_data} {group}: {problems:?}");
        for problem in problems {
            assert_eq!(problem.rule, "merge-user-data-replaces");
            assert!(problem.problem.message.contains("group `a`"), "{}", problem.problem);
            let place = problem.problem.place.unwrap().to_string();
            let line = if user_data.starts_with("merge_how") { 3 } else { 2 };
            let column = if user_data.starts_with("ntp") { 7 } else { 1 };
            assert_eq!(place, format!("user-data/default.yaml:{line}:{column}"));
        }
    }
}

#[test]
fn what_cloud_init_does_not_understand_is_said_once() {
    for how in ["list", "lists(append)+dict()", "[{name: list}]", "list(append)"] {
        assert_eq!(
            rules("a: 1\n", &format!("merge_how: '{how}'\nb: 1\n").replace("'[", "[").replace("]'", "]")),
            ["merge-how-invalid"]
        );
    }
    assert_eq!(rules("a: 1\n", "merge_how: list(apend)+dict()\nb: 1\n"), ["merge-how-option"]);
    assert_eq!(rules("a: 1\n", "merge_type: list(apend)+dict()\nb: 1\n"), ["merge-how-option"]);
    assert_eq!(rules("a: 1\n", "merge_how:\nb: 1\n"), [""; 0]);
}

#[test]
fn what_cannot_be_merged_is_said() {
    let how = "merge_how: list(append)+dict(recurse_list)+str(append)\n";
    assert_eq!(rules("ntp: {servers: [a]}\n", &format!("{how}ntp: {{servers: [b]}}\n")), [""; 0]);
    assert_eq!(rules("ntp: {a: x}\n", &format!("{how}ntp: {{a: [b]}}\n")), ["merge-fails"]);
    let files = [
        ("groups/a/cloud-config.yaml", "#cloud-config\na: 1\n"),
        ("groups/b/cloud-config.yaml", "#cloud-config-jsonp\n[{\"op\": \"remove\", \"path\": \"/b\"}]\n"),
        BASE,
    ];
    assert_eq!(rules_of(&files, "x1"), ["merge-fails"]);
}

#[test]
fn no_message_repeats_a_value() {
    let (a, b) = ("ssh_keys: {rsa: hunter2}\nruncmd: [hunter2]\n", "ssh_keys: {rsa: hunter3}\nruncmd: [hunter3]\n");
    let (a, b) = (format!("#cloud-config\n{a}"), format!("#cloud-config\n{b}"));
    let files = [("groups/a/cloud-config.yaml", a.as_str()), ("groups/b/cloud-config.yaml", b.as_str()), BASE];
    let problems = problems_of(&files, "x1");
    assert_eq!(problems.len(), 2);
    assert!(problems.iter().all(|problem| !problem.problem.to_string().contains("hunter")), "{problems:?}");
}

#[test]
fn a_vendor_data_of_the_sites_own_is_followed() {
    let own = "#include\n{{ base_url }}/b.yaml\n{{ base_url }}/a.yaml\n";
    let files = [
        ("groups/a/cloud-config.yaml", "#cloud-config\nruncmd: [one]\n"),
        ("groups/b/cloud-config.yaml", "#cloud-config\nruncmd: [two]\n"),
        ("templates/vendor-data", own),
        BASE,
    ];
    let problems = problems_of(&files, "x1");
    assert_eq!(problems[0].problem.place.as_ref().unwrap().to_string(), "groups/a/cloud-config.yaml:2:1");
}
