//! Sentences and places; that verdicts are the client's is for `tests/schema_agreement.rs` to prove.

use serde_json::{Value, json};

use super::{CloudConfigSchema, Step, Violation, ViolationKind};

fn violations(document: &Value) -> Vec<Violation> {
    CloudConfigSchema::built_in().unwrap().violations(document)
}

fn sentences(violations: Vec<Violation>) -> Vec<String> {
    let sentence = |violation: Violation| match violation.hint {
        Some(hint) => format!("{} ({hint})", violation.message),
        None => violation.message,
    };
    violations.into_iter().map(sentence).collect()
}

/// The only sentence about a document.
fn said(document: &Value) -> String {
    let said = sentences(violations(document));
    assert_eq!(said.len(), 1, "{said:?}");
    said.into_iter().next().unwrap()
}

#[test]
fn a_good_document_has_no_violations() {
    let document = json!({"hostname": "a", "users": ["default", {"name": "b", "sudo": null}], "runcmd": ["x"]});
    assert_eq!(violations(&document), []);
}

#[test]
fn wrong_values_are_said_at_their_place_with_what_is_allowed() {
    let encodings = "`gz`, `gzip`, `gz+base64`, `gzip+base64`, `gz+b64`, `gzip+b64`, `b64`, `base64` or `text/plain`";
    for (document, expected) in [
        (json!({"hostname": 5}), "`hostname` must be a text (put the value in quotes)".to_owned()),
        (json!({"users": [{"name": "a", "sudo": 5}]}), "`users[0].sudo` must be a text, a list or null (put the value in quotes)".to_owned()),
        (json!({"runcmd": ["a", {"b": 1}]}), "`runcmd[1]` must be a text, a list or null".to_owned()),
        (json!({"runcmd": [["sleep", 5]]}), "`runcmd[0][1]` must be a text (put the value in quotes)".to_owned()),
        (json!({"packages": "vim"}), "`packages` must be a list (write a list, with a dash before each entry)".to_owned()),
        (json!({"package_update": "yes"}), "`package_update` must be true or false (write true or false, without quotes)".to_owned()),
        (json!({"write_files": [{"path": "/a", "encoding": "base46"}]}), format!("`write_files[0].encoding` must be {encodings} (did you mean `base64`?)")),
        (json!({"growpart": {"mode": true}}), "`growpart.mode` must be `auto`, `growpart`, `gpart` or `off` (YAML reads on, off, yes and no as true or false; put the word in quotes)".to_owned()),
        (json!({"cloud_init_modules": ["write_file"]}), "`cloud_init_modules[0]` must be a list or one of 97 names (did you mean `write_files`?)".to_owned()),
        (json!({"reporting": {"a": {"type": "syslog"}}}), "`reporting.a.type` must be `log`, `hyperv`, `print` or `webhook`".to_owned()),
        (json!({"apt_pipelining": "always"}), "`apt_pipelining` must be a whole number, true or false or `os`".to_owned()),
        (json!({"swap": {"size": "5 GB"}}), "`swap.size` does not have the form that it must have (write a number and one of B, K, M, G, T, such as 512M)".to_owned()),
        (json!({"users": [{"name": "a", "expiredate": "2031-02-30"}]}), "`users[0].expiredate` must be a date such as '2030-12-31', in quotes".to_owned()),
        (json!({"users": [{"name": "a", "expiredate": {"\0timestamp": "2031-02-28"}}]}), "`users[0].expiredate` must be a text (YAML reads it as a date; put the value in quotes)".to_owned()),
        (json!({"power_state": {"mode": "halt", "delay": -1}}), "`power_state.delay` must be at least 0".to_owned()),
        (json!({"ntp": {"servers": ["a", "a"]}}), "`ntp.servers` must have no entry twice".to_owned()),
        (json!({"packages": [["a", "1", "b"]]}), "`packages[0]` must have at most 2 entries".to_owned()),
        (json!({"runcmd": []}), "`runcmd` must have at least 1 entry (give it one, or remove it)".to_owned()),
        (json!({"chef": {}}), "`chef` must have at least 1 key (give it one, or remove it)".to_owned()),
        (json!(null), "the document must be a mapping (give it a value, or remove it)".to_owned()),
    ] {
        assert_eq!(said(&document), expected);
    }
}

#[test]
fn unknown_and_missing_keys_are_said_with_the_nearest_names() {
    for (document, expected) in [
        (
            json!({"hostnmae": "a"}),
            "`hostnmae` is a key that cloud-init does not know and ignores (did you mean `hostname`?)",
        ),
        (
            json!({"users": [{"name": "a", "ssh_authorised_keys": []}]}),
            "`users[0].ssh_authorised_keys` is a key that cloud-init does not know there (did you mean `ssh_authorized_keys`?)",
        ),
        // Old spellings are nothing to recommend.
        (
            json!({"users": [{"name": "a", "lock-password": true}]}),
            "`users[0].lock-password` is a key that cloud-init does not know there (did you mean `lock_passwd`?)",
        ),
        (json!({"write_files": [{"content": "a"}]}), "`write_files[0]` has no `path` (add `path`)"),
        (json!({"users": [{"gecos": "A"}]}), "`users[0]` needs `name` or `snapuser`"),
        (
            json!({"users": [{"name": "a", "snapuser": "b"}]}),
            "`users[0]` has `name` and `snapuser`, which exclude each other (keep one of them)",
        ),
        (json!({"reporting": {"a": {"type": "webhook"}}}), "`reporting.a` has no `endpoint` (add `endpoint`)"),
    ] {
        assert_eq!(said(&document), expected);
    }
}

#[test]
fn what_is_deprecated_is_said_with_the_version_and_what_to_write_now() {
    for (document, expected) in [
        (json!({"apt_update": true}), "`apt_update` is deprecated since cloud-init 22.2 (use `package_update`)"),
        (
            json!({"ssh_pwauth": "yes"}),
            "the form of `ssh_pwauth` is deprecated since cloud-init 22.3 (write true or false without quotes)",
        ),
        (
            json!({"users": [{"name": "a", "sudo": false}]}),
            "the form of `users[0].sudo` is deprecated since cloud-init 22.2 (write `null` for no rule)",
        ),
    ] {
        assert_eq!(said(&document), expected);
        assert_eq!(violations(&document)[0].kind, ViolationKind::Deprecated);
    }
    let both = violations(&json!({"apt_update": "yes", "hostname": 5}));
    let kinds: Vec<ViolationKind> = both.iter().map(|violation| violation.kind).collect();
    assert_eq!(kinds, [ViolationKind::Wrong, ViolationKind::Deprecated, ViolationKind::Wrong]);
}

#[test]
fn a_path_leads_to_the_place_through_odd_keys() {
    let document = json!({"disk_setup": {"/dev/a~b": {"0": 1}}});
    let violation = &violations(&document)[0];
    let keys = ["disk_setup", "/dev/a~b", "0"].map(|key| Step::Key(key.to_owned()));
    assert_eq!(violation.path, keys);
    assert_eq!(document.pointer(&violation.pointer()), Some(&json!(1)));
    let path = &violations(&json!({"users": [{"name": "a", "uid": 1.5}]}))[0].path;
    let users = [Step::Key("users".to_owned()), Step::Index(0), Step::Key("uid".to_owned())];
    assert_eq!(path, &users);
}

#[test]
fn no_sentence_repeats_what_may_be_a_secret() {
    let secret = "S3cr3t-of-mine";
    for document in [
        json!(secret),
        json!({"password": [secret], "hostname": {secret: 1}, "packages": secret, "runcmd": [{secret: secret}]}),
        json!({"chpasswd": {"list": [secret], "users": [{"name": "a", "password": "b", "type": secret}, {secret: 1}]}}),
        json!({"users": [{"name": "a", secret: secret, "uid": secret, "expiredate": secret, "ssh_authorized_keys": secret}]}),
        json!({secret: secret, "yum_repos": {secret: {secret: [secret]}}, "groups": {secret: 5}}),
        json!({"swap": {"size": secret}, "growpart": {"mode": secret}, "landscape": {"client": {"tags": "a S3cr3t-of-mine"}}}),
    ] {
        let said = sentences(violations(&document));
        assert!(!said.is_empty() && !said.iter().any(|sentence| sentence.contains("S3cr3t")), "{said:?}");
    }
    let hidden = violations(&json!({"disk_setup": {"/dev/sda": {"layout": "all"}}}));
    assert_eq!(hidden[0].message, "`disk_setup.….layout` must be true or false, a list or `remove`");
}

#[test]
fn a_schema_in_the_words_of_an_installed_client_is_read() {
    let text = json!({
        "$schema": "http://json-schema.org/draft-04/schema#",
        "$defs": {
            "one": {"type": "object", "properties": {
                "alpha": {"$ref": "#/$defs/size", "deprecated": true, "deprecated_version": "22.2",
                          "deprecated_description": "Use **beta** instead."},
                "beta": {"$ref": "#/$defs/size"},
                "gamma": {"oneOf": [
                    {"type": "integer"},
                    {"type": "string", "format": "uri", "changed": true, "changed_version": "23.1",
                     "changed_description": "Use ``5``."}]},
                "delta": {"type": "array", "prefixItems": [{"enum": {"$ref": "#/$defs/size"}}]},
            }},
            "size": {"type": "string", "pattern": "^[0-9]+$", "label": "<size>"},
        },
        "allOf": [{"$ref": "#/$defs/one"}],
        "properties": {"alpha": {}, "beta": {}, "gamma": {}, "delta": {}},
        "additionalProperties": false,
    });
    let schema = CloudConfigSchema::parse("schema.json", &text.to_string()).unwrap();
    let said = |document: Value| sentences(schema.violations(&document));
    assert_eq!(said(json!({"alpha": "5"})), ["`alpha` is deprecated since cloud-init 22.2 (use `beta` instead)"]);
    assert_eq!(
        said(json!({"gamma": "not an URL"})),
        ["the form of `gamma` is deprecated since cloud-init 23.1 (use `5`)"]
    );
    assert_eq!(said(json!({"beta": "x"})), ["`beta` does not have the form that it must have (write `^[0-9]+$`)"]);
    // As in Python, the end of a pattern is also before a last line feed.
    assert!(schema.accepts(&json!({"beta": "5\n", "delta": [1]})) && !schema.accepts(&json!({"beta": "5\n\n"})));
    // As in draft 4, a float is no integer.
    assert!(!schema.accepts(&json!({"gamma": 5.0})));
}

#[test]
fn what_is_no_schema_is_said_with_its_place() {
    for (text, expected) in [
        ("{\n  \"a\": 1,\n}", "schema.json:3:1: this is not JSON"),
        ("[]", "schema.json: this is no schema: it must be an object (take schema-cloud-config-v1.json"),
        (r#"{"properties": {"a": {"type": "texts"}}}"#, "schema.json: `/properties/a/type` in it is nothing that"),
        (
            r##"{"allOf": [{"$ref": "#/$defs/a"}]}"##,
            "schema.json: the schema refers to `#/$defs/a`, which is not in it",
        ),
        (r#"{"$ref": "https://x/y"}"#, "schema.json: the schema refers to `https://x/y`, which is in another file"),
        (r##"{"$ref": "#"}"##, "schema.json: the schema is too large, or one of its references leads back to itself"),
        (
            r##"{"properties": {"a": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}}"##,
            "schema.json: the schema is too large",
        ),
        (r#"{"properties": {"a": {"pattern": "("}}}"#, "schema.json: `/properties/a/pattern` in it"),
    ] {
        let said = CloudConfigSchema::parse("schema.json", text).unwrap_err().to_string();
        assert!(said.starts_with(expected), "{said}");
    }
}
