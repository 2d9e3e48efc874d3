use proptest::prelude::*;

use super::*;

/// The rules of all remarks on a text.
fn rules(text: &str) -> Vec<String> {
    remarks(text).into_iter().map(|remark| remark.rule.into_owned()).collect()
}

/// What PyYAML's `safe_load` raises for, and with what.
const REFUSED: [(&str, &str); 63] = [
    ("a:\tb", "ScannerError"),
    ("a: b\tc", "ScannerError"),
    ("a: b\t", "ScannerError"),
    ("a: b \t# c", "ScannerError"),
    ("a:\n\tb: c", "ScannerError"),
    ("a: [{b: \"c\"\n\t, d: e}]", "ScannerError"),
    ("\t\na: 1", "ScannerError"),
    ("a: |\t\n  x\n", "ScannerError"),
    ("a: |\n  x\n\t\nb: 1\n", "ScannerError"),
    ("a: [1,\t2]", "ScannerError"),
    ("a: [\n\t1]", "ScannerError"),
    ("-\ta", "ScannerError"),
    ("%YAML 2.0\n---\na: 1", "ParserError"),
    ("a: %b", "ScannerError"),
    ("a: @b", "ScannerError"),
    ("a: `b`", "ScannerError"),
    ("a: \0", "ReaderError"),
    ("a: \u{7}", "ReaderError"),
    ("# \u{7f}\na: 1", "ReaderError"),
    ("a: '\u{9f}'", "ReaderError"),
    ("a: \u{fffe}", "ReaderError"),
    ("a: !foo b", "ConstructorError"),
    ("a: !foo {b: c}", "ConstructorError"),
    ("a: !!python/name:os.system x", "ConstructorError"),
    ("a: !!python/tuple [1]", "ConstructorError"),
    ("a: !!foo\n", "ConstructorError"),
    ("a: !!str [a]", "ConstructorError"),
    ("a: !!omap {a: 1}", "ConstructorError"),
    ("a: !!int foo", "ValueError"),
    ("a: !!int ''", "IndexError"),
    ("a: !!float x", "ValueError"),
    ("a: !!bool x", "KeyError"),
    ("a: !!timestamp x", "AttributeError"),
    ("a: !!binary é", "ConstructorError"),
    ("a: !!binary aGVsbG8", "ConstructorError"),
    ("a: *u", "ComposerError"),
    ("a: &x 1\nb: &x 2\n", "ComposerError"),
    ("a: &x\n  b: 1\nc: [&x 2]\n", "ComposerError"),
    ("? [a]\n: 1", "ConstructorError"),
    ("a: &l [1]\nb: {*l : 1}", "ConstructorError"),
    ("a: {{ x }}", "ConstructorError"),
    ("<<: 1", "ConstructorError"),
    ("<<: [1]", "ConstructorError"),
    ("<<: null", "ConstructorError"),
    ("b: &b [1]\n<<: *b", "ConstructorError"),
    ("a: <<", "ConstructorError"),
    ("a: =", "ConstructorError"),
    ("a: 2024-13-45", "ValueError"),
    ("a: 2023-02-29", "ValueError"),
    ("2024-13-45: 1", "ValueError"),
    ("a: 2024-01-01 25:00:00", "ValueError"),
    ("a: 2001-12-14t21:59:43.10-99:00", "ValueError"),
    ("a: 0000-01-01", "ValueError"),
    ("a: 0b_", "ValueError"),
    ("a: 0x_", "ValueError"),
    ("runcmd: [[curl, http://x/?a=b]]", "ParserError"),
    ("a: {b: c? d}", "ParserError"),
    ("a: 1\n---\nb: 1", "ComposerError"),
    ("a: 1\n---\n", "ComposerError"),
    ("a: 1\n...\nb: 2", "ParserError"),
    // These it loads; cloud-init then raises a `TypeError`, as they are no mapping.
    ("- a", "TypeError"),
    ("a", "TypeError"),
    ("1", "TypeError"),
];

/// What PyYAML loads as it looks, or as everybody who writes cloud-configs knows.
const FINE: [&str; 46] = [
    "",
    "# c\n",
    "---\n",
    "null",
    "{}",
    "---\na: 1\n...\n",
    "a: 1\n...\n...\n",
    "%YAML 1.1\n---\na: 1",
    "%YAML 1.2\n---\na: 1",
    "#cloud-config\r\na: 1\r\nb: |\r\n  x\r\n  y\r\n",
    "a: \"x\ty\"",
    "a: 'x\n  \ty'",
    "a: |\n  x\ty\n  \tz\n",
    "a: # c\tc\n  1",
    "a: 'x' # it's\tc\n",
    "a: \"\\\"\ty\"",
    "a: 'it''s\t'",
    "a: \"\\x00\"",
    "a: 😀",
    "a: true\nb: False\nc: yes\nd: off\ne: ~\nf: null\ng:\n",
    "a: y",
    "a: [a, true, null, 1, 1.5, -3]",
    "a: 08\nb: 0\nc: 0x1F\nd: .5\ne: 1.0e+3\n",
    "a: 00:11:22:33:44:55\nb: 52:54:00:12:34:5e\n",
    "a: \"0644\"\nb: '12:30'\nc: \"2024-01-01\"\nd: 'yes'\n",
    "a: |\n  0644\n  yes\n",
    "a: !!str 0644\nb: !!str yes",
    "a: ! x",
    "a: !!set {a, b}\nb: !!omap [a: 1]\nc: !!binary aGVsbG8=\n",
    "a: !<tag:yaml.org,2002:str> 1",
    "a: !!int '1'\nb: !!bool 'YES'\n",
    "<<: {a: 1}",
    "<<: {a: 1}\n<<: {b: 2}\n",
    "b: &b {c: 1}\nd:\n  <<: *b\n  c: 2\n",
    "b: &b {c: 1}\nd:\n  <<: [*b, {e: 1}]\n",
    "'<<': 1\n'=': '='\n",
    "=: 1",
    "&a a: *a",
    "a: &a b\n*a : c\n",
    "a: {b: 1}\nc: {b: 1}\n",
    "a: http://x/?a=b\nb: ['http://x/?a=b']\n",
    "a: &x 1 # &x\nb: '&x'\nc: |\n  &x\n",
    "a: [\n  1\n]\n",
    "a: 2024-1-1",
    "runcmd:\n- [ls, -l, /]\n- echo hi > /x # y\n",
    "a: 1.2.3\nb: 10.0.0.1/24\nc: v1.10\n",
];

/// What PyYAML loads as something else than it looks like, and as what.
const ELSE: [(&str, &str); 27] = [
    ("a: 0644", "420"),
    ("permissions: 0755", "493"),
    ("a: 12:30", "750"),
    ("a: 12:30:45", "45045"),
    ("a: 10:11:22:33:44:55", "7923433495"),
    ("a: 190:20:30.15", "685230.15"),
    ("a: 2024-01-01", "datetime.date"),
    ("a: 2001-12-14 21:59:43 Z", "datetime.datetime"),
    ("a: 1e3", "'1e3'"),
    ("a: 1.0e3", "'1.0e3'"),
    ("a: 0o7", "'0o7'"),
    ("a: 1_000", "1000"),
    ("a: .inf", "inf"),
    ("a: .NaN", "nan"),
    ("yes: 1", "{True: 1}"),
    ("on: 1", "{True: 1}"),
    ("true: 1", "{True: 1}"),
    ("~: 1", "{None: 1}"),
    ("null: 1", "{None: 1}"),
    ("a: [yes]", "[True]"),
    ("a:\n- off", "[False]"),
    ("a: [~]", "[None]"),
    ("hostname: on", "True"),
    ("path: ~", "None"),
    ("content: true", "True"),
    ("2024-01-01: 1", "{datetime.date: 1}"),
    ("a: x\u{feff}y", "'x\\ufeffy'"),
];

#[test]
fn what_pyyaml_refuses_is_an_error() {
    for (text, raises) in REFUSED {
        assert!(rules(text).iter().any(|rule| rule == SYNTAX), "{text:?} raises {raises}: {:?}", remarks(text));
    }
    let digits = format!("a: {}", "9".repeat(4301));
    assert_eq!(rules(&digits), [SYNTAX], "Python makes no number of so many digits");
    for (open, close) in [("[", "]"), ("{a: ", "}")] {
        let deep = format!("a: {}1{}", open.repeat(500), close.repeat(500));
        assert_eq!(rules(&deep), [SYNTAX], "RecursionError");
    }
}

#[test]
fn what_everybody_reads_alike_is_fine() {
    for text in FINE {
        assert_eq!(remarks(text), [], "{text:?}");
    }
}

#[test]
fn what_is_something_else_to_pyyaml_is_a_warning() {
    for (text, loaded) in ELSE {
        assert_eq!(rules(text), [AMBIGUOUS], "{text:?} is {loaded}: {:?}", remarks(text));
    }
}

#[test]
fn duplicate_keys_are_named_with_both_places_if_they_look_like_keys() {
    let message = |text: &str| remarks(text).pop().map(|remark| (remark.rule.into_owned(), remark.message));
    let said = |text: &str| (DUPLICATE_KEY.to_owned(), text.to_owned());
    assert_eq!(
        message("a:\n  dhcp4: true\n  b: 1\n  dhcp4: false\n"),
        Some(said("the key `dhcp4` stands 2 lines above already, and only what is last counts"))
    );
    for text in ["s3cr3t: 1\ns3cr3t: 2\n", "A b: 1\nA b: 2\n", "{1: a, 1: b}", "{1: a, true: b}", "&k x1y: 1\n*k : 2\n"]
    {
        let (rule, message) = message(text).unwrap_or_default();
        assert_eq!(rule, DUPLICATE_KEY, "{text}");
        assert!(message.starts_with("the key stands in "), "{message}");
    }
}

#[test]
fn lines_that_end_for_cloud_init_alone_are_said() {
    for text in ["# c\u{85}a: 1\n", "a: 'x\u{2028} y'", "a: x\u{2029}\n", "a: 1\rb: 2"] {
        assert_eq!(rules(text), [LINE_ENDS], "{text:?}");
    }
}

#[test]
fn aliases_without_end_are_refused_and_others_are_not() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..=9 {
        let again = vec![format!("*a{}", level - 1); 9].join(", ");
        if level <= 4 {
            assert_eq!(remarks(&bomb), [], "{bomb}");
        }
        bomb += &format!("a{level}: &a{level} [{again}]\n");
    }
    assert_eq!(rules(&bomb), [ALIASES]);
    for text in ["a: &a [*a]", "&a {b: *a}", "a: &a\n  b: [{c: *a}]\n"] {
        assert_eq!(rules(text), [ALIASES], "{text}");
    }
}

#[test]
fn what_only_some_readers_take_is_checked_as_far_as_it_goes() {
    // PyYAML and mds take both.
    for text in ["a: [\n1\n]\nb: 0644\n", "a: \"x\ny\"\n"] {
        assert_eq!(rules(text), [AMBIGUOUS], "{text}");
    }
}

#[test]
fn many_remarks_of_a_kind_are_counted() {
    let found = remarks(&"- 0644\n".repeat(1000).replacen("- ", "a:\n- ", 1));
    assert_eq!(found.len(), MOST_OF_A_RULE + 1);
    assert!(found[MOST_OF_A_RULE].message.contains("990 places"), "{found:?}");
}

#[test]
fn documents_as_sites_have_them_are_fine() {
    let cloud_config = "#cloud-config\nusers:\n  - default\n  - name: admin\n    uid: 1000\n    lock_passwd: true\n    \
                        sudo: ALL=(ALL) NOPASSWD:ALL\n    ssh_authorized_keys:\n      - ssh-ed25519 AAAAC3Nz a@b\n\
                        ssh_pwauth: no\npackage_update: yes\npackages: [vim, [libc6, 2.36-9], git]\n\
                        write_files:\n  - path: /etc/x\n    owner: root:root\n    permissions: \"0644\"\n    content: |\n      \
                        a\tb = 0644\n\n      # x: y\nmounts:\n  - [ /dev/sda1, /x, ext4, \"defaults,nofail\", \"0\", \"2\" ]\n  \
                        - [ swap, null ]\nruncmd:\n  - [ sh, -c, 'echo \"a?\"' ]\n  - echo yes | apt-get install x\n\
                        ntp: {enabled: true, servers: [10.0.0.1]}\npower_state: {mode: reboot, delay: +5, timeout: 30}\n\
                        merge_how:\n  - {name: list, settings: [append]}\n  - {name: dict, settings: [recurse_list]}\n";
    let network = "network:\n  version: 2\n  ethernets:\n    eth0:\n      match: {macaddress: \"52:54:00:12:34:56\"}\n      \
                   set-name: eth0\n      dhcp4: no\n      addresses: [10.0.0.1/24, \"fd00::1/64\"]\n      mtu: 9000\n      \
                   routes:\n      - to: default\n        via: 10.0.0.254\n";
    for text in [cloud_config, network] {
        assert_eq!(remarks(text), [], "{text}");
    }
}

/// Texts made of what YAML is made of.
fn yamlish() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("a: "),
        Just("- "),
        Just("\n"),
        Just("\n  "),
        Just("\t"),
        Just("'"),
        Just("\""),
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(","),
        Just("? "),
        Just(": "),
        Just("|\n"),
        Just("&a "),
        Just("*a"),
        Just("!x "),
        Just("!!int "),
        Just("<<: "),
        Just("---\n"),
        Just("...\n"),
        Just("%YAML 1.1\n"),
        Just("# "),
        Just("0644"),
        Just("2024-13-01"),
        Just("\u{2028}"),
        Just("\u{feff}"),
        Just("é"),
        Just("\r\n"),
        Just("x"),
        Just("yes"),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_and_what_mds_cannot_read_is_refused(text in prop_oneof![yamlish(), any::<String>()]) {
        let found = remarks(&text);
        if serde_yaml::from_str::<IgnoredAny>(&text).is_err() && !text.is_empty() {
            prop_assert!(found.iter().any(|remark| remark.rule == SYNTAX), "{found:?}");
        }
    }

    #[test]
    fn of_documents_of_one_skeleton_all_or_none_are_fine(text in yamlish()) {
        prop_assert_eq!(remarks(&skeleton(&text)).is_empty(), remarks(&text).is_empty());
    }
}
