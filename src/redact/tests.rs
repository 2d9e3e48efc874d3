use proptest::prelude::*;

use super::*;

fn assert_redacted(text: &str, expected: &str) {
    assert_eq!(redacted(text), expected, "of {text:?}");
}

#[test]
fn values_of_secret_names_are_hidden_wherever_they_stand() {
    for (text, expected) in [
        ("    passwd: hunter2\n", "    passwd: ‹secret›\n"),
        ("password: two words # why\nshell: /bin/sh\n", "password: ‹secret›\nshell: /bin/sh\n"),
        ("  - {name: a, passwd: pw, shell: sh}", "  - {name: a, passwd: ‹secret›, shell: sh}"),
        ("{\"token\": \"a\\\"b c\", \"next\": 1}", "{\"token\": \"‹secret›\", \"next\": 1}"),
        ("body: \"{\\\"password\\\": \\\"pw\\\"}\"", "body: \"{\\\"password\\\": \\\"‹secret›\\\"}\""),
        ("export API_TOKEN='a b'\n", "export API_TOKEN='‹secret›'\n"),
        ("curl -u x --token=abc http://a/", "curl -u x --token=‹secret› http://a/"),
        ("join --password pw --name a", "join --password ‹secret› --name a"),
        ("[join, \"--password\", \"pw\", a]", "[join, \"--password\", \"‹secret›\", a]"),
        ("PrivateKey = abc=\nPublicKey = def=\n", "PrivateKey = ‹secret›\nPublicKey = def=\n"),
        ("Authorization: Bearer abc", "Authorization: ‹secret›"),
        ("curl -H 'X: Bearer abc'", "curl -H 'X: Bearer ‹secret›'"),
        ("lock_passwd: true\npassword: null\n", "lock_passwd: true\npassword: null\n"),
        ("psk: !!str \"pw\"", "psk: !!str \"‹secret›\""),
        ("host_key: x\nssh_key: ssh-ed25519 AAAA me", "host_key: x\nssh_key: ssh-ed25519 AAAA me"),
    ] {
        assert_redacted(text, expected);
    }
}

#[test]
fn values_of_several_lines_are_hidden_to_their_end() {
    assert_redacted(
        "token: |\n  one\n\n  two\nnext: 1\n- secret:\n    deep\n  other: 2\n",
        "token: |\n  ‹secret›\n\n  ‹secret›\nnext: 1\n- secret:\n    ‹secret›\n  other: 2\n",
    );
    assert_redacted("password: \"one\n  two\" # x\nnext: 1\n", "password: \"‹secret›\n‹secret›\" # x\nnext: 1\n");
    assert_redacted("tokens:\n- a\n- b\nnext: 1\n", "tokens:\n- ‹secret›\n- ‹secret›\nnext: 1\n");
}

#[test]
fn accounts_are_shown_without_their_passwords() {
    assert_redacted(
        "chpasswd:\n  expire: false\n  list: |\n    root:pw\n    user:R\nruncmd: [a:b]\n",
        "chpasswd:\n  expire: false\n  list: |\n    root:‹secret›\n    user:‹secret›\nruncmd: [a:b]\n",
    );
    assert_redacted(
        "chpasswd:\n  list:\n  - root:pw\nlist:\n- a:b\n",
        "chpasswd:\n  list:\n  - root:‹secret›\nlist:\n- a:b\n",
    );
    assert_redacted("- echo \"root:pw\" | chpasswd", "- echo \"root:‹secret›\" | chpasswd");
    assert_redacted("chpasswd -e <<'EOF'\nroot:pw\nEOF\nls a:b\n", "chpasswd -e <<'EOF'\nroot:‹secret›\nEOF\nls a:b\n");
    assert_redacted("chpasswd: {list: \"a:b\\nc:d\"}", "chpasswd: {list: \"‹secret›\"}");
}

#[test]
fn commands_are_shown_without_the_passwords_they_are_given() {
    for (text, expected) in [
        ("- echo pw | passwd --stdin root", "- echo ‹secret› | passwd --stdin root"),
        ("curl -s -u me:pw http://a/", "curl -s -u me:‹secret› http://a/"),
        ("[curl, \"--user\", \"me:pw\", a]", "[curl, \"--user\", \"me:‹secret›\", a]"),
        ("sshpass -p pw ssh a -p 22", "sshpass -p ‹secret› ssh a -p ‹secret›"),
        ("useradd -m -p pw a", "useradd -m -p ‹secret› a"),
        ("mkdir -p /a && ls -u b:c", "mkdir -p /a && ls -u b:c"),
    ] {
        assert_redacted(text, expected);
    }
}

#[test]
fn private_keys_are_hidden_as_one_and_public_ones_are_shown() {
    let key = |kind: &str, body: &str| format!("a: |\n  -----BEGIN {kind}-----\n{body}  -----END {kind}-----\nb: 1\n");
    assert_redacted(
        &key("OPENSSH PRIVATE KEY", "  b3BlbnNzaA\n  AAAA==\n"),
        &key("OPENSSH PRIVATE KEY", "  ‹secret›\n"),
    );
    let certificate = key("CERTIFICATE", "  MIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQswCQYDVQQGEwJJ\n");
    assert_redacted(&certificate, &certificate);
    // What only begins like a certificate hides nothing.
    assert_redacted("-----BEGIN CERTIFICATE-----\npassword: pw\n", "-----BEGIN CERTIFICATE-----\npassword: ‹secret›\n");
    assert_redacted(
        r#"k: "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n" # x"#,
        r#"k: "-----BEGIN RSA PRIVATE KEY-----‹secret›-----END RSA PRIVATE KEY-----\n" # x"#,
    );
    assert_redacted("-----BEGIN PRIVATE KEY-----\nAAAA\n", "-----BEGIN PRIVATE KEY-----\n‹secret›\n");
}

#[test]
fn secrets_are_known_by_their_form() {
    for (text, expected) in [
        ("x: $6$rounds=5000$salt$hashhash. y", "x: ‹secret› y"),
        ("- root:$y$j9T$abc/def.ghi:1", "- root:‹secret›:1"),
        ("git clone https://user:pw@host/x", "git clone https://user:‹secret›@host/x"),
        ("git clone https://abcdefghijklm@host/x", "git clone https://‹secret›@host/x"),
        ("ssh://git@host/x http://host:80/a@b", "ssh://git@host/x http://host:80/a@b"),
        ("a ghp_0123456789abcdef b", "a ‹secret› b"),
        ("K=eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl", "K=‹secret›"),
        ("x q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA= y", "x ‹secret› y"),
        ("x 0f1e2d3c4b5a69788796a5b4c3d2e1f0 y", "x ‹secret› y"),
        (
            "sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        ),
        ("/opt/Software2/Releases/Version10/lib64/Something", "/opt/Software2/Releases/Version10/lib64/Something"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJk9Fq me", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJk9Fq me"),
        ("id: 123e4567-e89b-12d3-a456-426614174000", "id: 123e4567-e89b-12d3-a456-426614174000"),
    ] {
        assert_redacted(text, expected);
    }
}

#[test]
fn encoded_parts_of_messages_are_hidden() {
    assert_redacted(
        "--b\nContent-Transfer-Encoding: base64\n\nI2Nsb3Vk\nLWNv\n--b--\n",
        "--b\nContent-Transfer-Encoding: base64\n\n‹secret›\n--b--\n",
    );
}

#[test]
fn what_is_a_secret_in_one_place_is_one_everywhere() {
    assert_redacted("# hunter2hunter2 is it\npassword: hunter2hunter2\n", "# ‹secret› is it\npassword: ‹secret›\n");
    assert_redacted("# on is it\npassword: on1\n", "# on is it\npassword: ‹secret›\n");
    let redacted = redacted_with("# hunter2hunter2\n", &["token: hunter2hunter2"], |_, text| text.push('X'));
    assert_eq!(redacted, "# X\n");
}

/// A secret and a text that it stands in, in one of the ways that are known.
fn planted() -> impl Strategy<Value = (String, String)> {
    let secret = "[A-Z][a-z0-9]{5,9}Q7";
    let name = prop_oneof![
        Just("passwd"),
        Just("hashed_passwd"),
        Just("plain_text_passwd"),
        Just("clientSecret"),
        Just("auth-token"),
        Just("munge_key")
    ];
    (secret, name, 0..14_usize, "[ -~]{0,20}", "[a-z ]{0,9}").prop_map(|(secret, name, form, before, indent)| {
        let pad = " ".repeat(indent.len());
        let again =
            if secret.len() % 2 == 0 && ![4, 12].contains(&form) { format!("or {secret}!") } else { String::new() };
        let text = match form {
            0 => format!("{pad}{name}: {secret}"),
            1 => format!("{pad}- {{user: a, {name}: {secret}, z: 1}}"),
            2 => format!("{pad}{name}: |\n{pad}  {secret}\n{pad}  x{secret}"),
            3 => format!("{pad}{name}: >-\n\n{pad}   {secret}"),
            4 => format!("{pad}{name}: \"a b {secret}\""),
            5 => format!("{pad}{name}:\n{pad}  - {secret}"),
            6 => format!("{pad}export {name}={secret}"),
            7 => format!("{pad}run --{name} {secret}"),
            8 => format!("{pad}chpasswd:\n{pad}  list: |\n{pad}    root:{secret}\n{pad}    b:{secret}"),
            9 => format!("{pad}-----BEGIN EC PRIVATE KEY-----\n{pad}{secret}\n{pad}{secret}=="),
            10 => format!("{pad}echo root:{secret} | chpasswd"),
            11 => format!("{pad}url: https://name:{secret}@host/x"),
            12 => format!("{pad}h: $6$salt${secret}"),
            _ => format!("{pad}\\\"{name}\\\": \\\"{secret}\\\""),
        };
        (secret, format!("# {}\n{text}\nafter: 1 {}\n", before.replace(['\'', '"', '|', '>', '-', '<'], ""), again))
    })
}

proptest! {
    #[test]
    fn no_planted_secret_stays((secret, text) in planted()) {
        let redacted = redacted(&text);
        prop_assert!(!redacted.contains(&secret), "{text} became {redacted}");
    }

    #[test]
    fn parts_are_in_order_and_anything_is_taken(text in "(\\PC|\n|\"|'|:|=|-----BEGIN | PRIVATE|-----|chpasswd|list|passwd --stdin|echo |curl |-u |<<|\\|){0,60}") {
        let mut end = 0;
        for span in secrets(&text) {
            prop_assert!(span.range.start >= end && !span.range.is_empty());
            prop_assert!(text.is_char_boundary(span.range.start) && text.is_char_boundary(span.range.end));
            end = span.range.end;
        }
        prop_assert!(end <= text.len());
    }
}
