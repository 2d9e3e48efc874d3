use proptest::prelude::*;

use super::super::fixture::problems_of;
use super::{ClientTemplate, Names};

const SETTINGS: (&str, &str) = ("mds.toml", "[cluster]\nname = \"tundra\"\nbase_url = \"http://10.0.0.1\"\n");
const PATH: &str = "groups/a/cloud-config.yaml";

/// What is said about a site of these files. Its documents are no good cloud-config and meta-data, which is not told.
fn said_of(files: &[(&str, &str)]) -> Vec<String> {
    let files: Vec<(&str, &str)> = [SETTINGS].iter().chain(files).copied().collect();
    let is_told = |rule: &str| !rule.starts_with("cloud-config-") && !rule.starts_with("meta-data-");
    let problems = problems_of(&files, "x1").into_iter().filter(|found| is_told(&found.rule));
    problems.map(|found| format!("{} {}", found.rule, found.problem)).collect()
}

/// What is said about a cloud-config of a group, by rule and place in what follows its two headers, and the rest.
fn said(body: &str) -> Vec<(String, String, String)> {
    let text = format!("## template: jinja\n#cloud-config\n{body}");
    let split = |line: String| {
        let (rule, rest) = line.split_once(' ').unwrap();
        let (place, message) = rest.split_once(": ").unwrap();
        let place = place.strip_prefix(PATH).unwrap().trim_start_matches(':');
        (rule.to_owned(), place.to_owned(), message.to_owned())
    };
    said_of(&[(PATH, &text)]).into_iter().map(split).collect()
}

/// Asserts that one thing is said about a document: the rule, the place, and words of the message or hint.
fn assert_said(body: &str, rule: &str, place: &str, words: &[&str]) {
    let said = said(body);
    let [(its_rule, its_place, message)] = &said[..] else { panic!("{body:?}: {said:?}") };
    assert_eq!((its_rule.as_str(), its_place.as_str()), (rule, place), "{body:?}: {message}");
    for word in words {
        assert!(message.contains(word), "{body:?}: {message}");
    }
}

#[test]
fn documents_that_the_client_renders_are_fine() {
    for body in [
        "a: {{ v1.local_hostname }} {{ ds.meta_data.instance_data.v1.instance_id }}\n",
        "a: {{ v1.distro }} {{ kernel_release }} {{ sys_info.uname[0] }} {{ ds.meta_data.seedfrom }}\n",
        "a: {{ nope | default('x') }} {{ nope is defined }}\n{% if nope %}\nb: 1\n{% endif %}\n",
        "a: {{ ds.meta_data.get('nope') }} {{ 'nope' in ds.meta_data }}\n",
        "{% for k, v in v1.items() %}\n{{ k }}: {{ v | tojson }}\n{% endfor %}\n",
    ] {
        assert_eq!(said(body), [], "{body:?}");
    }
}

#[test]
fn what_the_client_renders_is_checked_and_found_in_the_template() {
    let loops = "a: {{ v1.instance_id }}\n{% if true %}\nb: 1\nb: 2\n{% endif %}\n";
    assert_said(loops, "yaml-duplicate-key", "6:1", &["`b`"]);
    assert_said("a: [{{ v1.instance_id }}\nb: 1\n", "yaml-syntax", "4:2", &[]);
    assert_said("a: {{ '0644' }}\n", "yaml-ambiguous-value", "3:7", &[]);
    let header = said_of(&[(PATH, "## template: jinja\n{% if true %}\n#cloud-confg\n{% endif %}\na: 1\n")]);
    assert!(header[0].contains("unknown-header") && header[0].contains("did you mean `#cloud-config`"), "{header:?}");
    let white = said_of(&[(PATH, "## template: jinja\n{% if false %}\n#cloud-config\n{% endif %}\n")]);
    assert!(white.len() == 1 && white[0].contains("white space"), "{white:?}");
    assert_eq!(said_of(&[(PATH, "## template: jinja\n{% if false %}\n#cloud-config\n{% endif %}")]), [""; 0]);
    for lost in ["#include\nhttp://x\n", "#cloud-config-archive\n- a\n", "a: 1\n"] {
        let said = said_of(&[(PATH, &format!("## template: jinja\n{{# c #}}{lost}"))]);
        assert!(said[0].starts_with("unknown-header"), "{said:?}");
    }
}

#[test]
fn names_that_are_not_defined_are_named_with_what_was_meant() {
    let rule = "client-template-undefined";
    assert_said("a: {{ v1.regoin }}\n", rule, "3:7", &["CI_MISSING_JINJA_VAR/regoin", "did you mean `v1.region`?"]);
    assert_said("a: {{ hostname }}\n", rule, "3:7", &["did you mean `ds.meta_data.hostname`?"]);
    assert_said("b: hostname\na: {{ 1 }} {{ hostname ~ 'x' }}\n", rule, "4:15", &["ds.meta_data.hostname"]);
    assert_said("{% set d = ds.meta_data %}\na: {{ d.nope }}\n", rule, "4:9", &["`ds.meta_data.nope`"]);
    assert_said("a: {{ ds.meta_data['no-pe'] }}\n", rule, "3:7", &["`ds.meta_data['no-pe']`", "VAR/no-pe"]);
    assert_said("a: {{ nope }} {{ nope }}\n", rule, "3:7", &["`default`"]);
    assert_said("a: {{ nope.more }}\n", rule, "3:7", &["`nope`", "ignore the whole document"]);
    assert_said("a: {{ nope() }}\n", rule, "3:7", &["ignore the whole document"]);
    assert_said("a: {{ nope | int }}\n", rule, "3:7", &["ignore the whole document"]);
    assert_said(
        "a: {{ ds.meta_data['nope'].more }}\n",
        rule,
        "3:7",
        &["`ds.meta_data.nope`", "ignore the whole document"],
    );
    assert_said("a: {{ ds.meta_data['nope'] | upper }}\n", rule, "3:7", &["`ds.meta_data.nope`"]);
    assert_said("{% if nope > 3 %}\na: 1\n{% endif %}\n", rule, "3:7", &["ignore the whole document"]);
}

#[test]
fn a_text_inside_an_expression_is_not_repeated() {
    let said = said("a: {{ {'x': 1}['my secret!'] }}\n");
    assert!(said[0].0 == "client-template-undefined" && !said[0].2.contains("secret"), "{said:?}");
}

#[test]
fn dashes_that_jinja_takes_for_minus_signs_are_told() {
    let rule = "client-template-undefined";
    let write = "write `ds.meta_data.local_hostname`";
    assert_said("a: {{ ds.meta_data.local-hostname }}\n", rule, "3:7", &[write]);
    assert_said("a: {{ ds.meta_data.instance-data.v1 }}\n", rule, "3:29", &["write `ds.meta_data.instance_data.v1`"]);
}

#[test]
fn lists_that_are_not_there_are_empty_and_that_is_said() {
    let rule = "client-template-empty-loop";
    assert_said(
        "{% for k in ds.meta_data.keyz %}\n- {{ k }}\n{% endfor %}\nb: 1\n",
        rule,
        "3:13",
        &["ds.meta_data.keyz"],
    );
    assert_said("a: {{ nope | join(',') }}\n", rule, "3:7", &[]);
}

#[test]
fn what_the_client_cannot_render_it_loses() {
    let lost = "ignore the whole document";
    for (body, place, word) in [
        ("a: {{ v1.region\n", "3:10", "expected end of variable block"),
        ("x: 1\n{% if true %}\na: 1\n", "5:1", "unexpected end of input"),
        ("a: {{ v1.region | b64encode }}\n", "3:19", "b64encode"),
        ("{% for x in [] %}{{ x | b64encode }}{% endfor %}\n", "3:25", "b64encode"),
        ("a: {{ 'a,b' | split(',') if true }}\n", "3:15", "split"),
        ("a: {{ 'a' is startingwith 'a' }}\n", "3:14", "startingwith"),
        ("a: {{ 'a' + 1 }}\n", "3:7", "operator"),
        ("a: {{ v1.region.get('x') }}\n", "3:16", "method"),
        ("{% for x in v1.region %}{% endfor %}\n", "3:13", "`v1.region` is None"),
        ("{% if v1.region < 3 %}{% endif %}\n", "3:7", "compared"),
        ("{% include 'x' %}\n", "3:4", "no other template"),
        ("{% for x in 3 %}{% endfor %}\n", "3:13", "no list"),
    ] {
        assert_said(body, "client-template", place, &[lost, word]);
    }
}

#[test]
fn the_jinja_line_is_the_first_and_says_no_more() {
    for (text, word) in [
        ("## template: jinja2\n#cloud-config\n{}\n", "goes on"),
        ("## template: jinja # mine\n#cloud-config\n{}\n", "goes on"),
        ("\n## template: jinja\n#cloud-config\n{}\n", "white space"),
    ] {
        let said = said_of(&[(PATH, text)]);
        assert!(said.len() == 1 && said[0].starts_with("client-template ") && said[0].contains(word), "{said:?}");
    }
    assert_eq!(said_of(&[(PATH, "## Template: Jinja \r\n#cloud-config\r\na: {{ v1.platform }}\r\n")]), [""; 0]);
    // There it is a comment.
    assert_eq!(said_of(&[("templates/meta-data", "## template: jinja\ninstance-id: x1\nb: '{{ x'\n")]), [""; 0]);
}

#[test]
fn what_cannot_be_judged_is_a_note() {
    for (body, place) in [
        ("a: {{ merged_cfg.x }}\n", "3:7"),
        ("a: {{ 'x' | urlize }}\n", "3:13"),
        ("a: {{ 'x'.zfill(2) }}\n", "3:10"),
        ("a: {{ '%s' % 'x' }}\n", "3:7"),
    ] {
        assert_said(body, "client-template-unchecked", place, &[]);
    }
}

#[test]
fn a_template_cannot_burn_the_check() {
    for body in [
        "a: {% for i in range(90000) %}{% for j in range(90000) %}x{% endfor %}{% endfor %}\n",
        "a: {{ 'x' * 10000000000 }}\n",
        "a: {{ 'x' * 40000000 }}\n",
        "a: {{ 'x' * 2000000 }}\n",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}\n",
        "{% for i in [[]] recursive %}{{ loop([[]]) }}{% endfor %}\n",
    ] {
        let said = said(body);
        assert!(
            said.len() == 1 && said[0].0 == "client-template" && said[0].2.contains("too much"),
            "{body:?}: {said:?}"
        );
    }
    let deep = format!("a: {{{{ {}1{} }}}}\n", "(".repeat(10_000), ")".repeat(10_000));
    assert_eq!(said(&deep)[0].0, "client-template");
}

proptest! {
    #[test]
    fn no_template_makes_it_panic(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "{{", "}}", "{%", "%}", "{#", "#}", "-", " ", "\n", "\r\n", "é", "a", "nope", ".", "[", "]", "'", "\"", "\\",
                "|", "upper", "default", "if ", "else", "endif", "for ", "in ", "endfor", "raw", "endraw", "set ", "=",
                "v1", "ds", "meta_data", "region", "(", ")", "{", "}", "1", "~", "+", "*", "is ", "macro ", "endmacro",
            ]),
            0..40,
        )
    ) {
        let names = Names::new(None);
        let rendering = ClientTemplate::new(&format!("## template: jinja\n{}", pieces.concat()), 4096).render(&names);
        if let Some((text, map)) = &rendering.document {
            for line in 1..4 {
                map.place(text, (line, 1));
            }
        }
        prop_assert!(rendering.document.is_some() || !rendering.remarks.is_empty());
    }
}
