use proptest::prelude::*;

use super::*;

#[test]
fn every_pattern_is_one() {
    assert!(shapes::TRIGGER.is_some());
    assert_eq!((shapes::SHAPES.len(), patterns::COMMANDS.len()), (4, 15));
    assert!(patterns::PATTERNS.iter().all(|pattern| pattern.is_some()));
}

#[test]
fn names_of_secrets_are_told_from_names_of_what_is_about_them() {
    for key in [
        "password",
        "passwd",
        "plain_text_passwd",
        "hashed_passwd",
        "hashed-password",
        "rootPassword",
        "DB_PASSWORD",
        "db_pass",
        "rootpw",
        "bind_pw",
        "token",
        "API_TOKEN",
        "bootstrapToken",
        "tokens",
        "client_secret",
        "clientsecret",
        "secrets",
        "PrivateKey",
        "private-key",
        "PresharedKey",
        "munge_key",
        "aws_secret_access_key",
        "apikey",
        "api_keys",
        "rsa_private",
        "ed25519_private",
        "ldap_default_authtok",
        "psk",
        "passphrase",
        "credentials",
        "password1",
        "password_hash",
        "X-Vault-Token",
        "encryption_key",
        "PGPASSWORD",
        "MYSQL_PWD",
    ] {
        assert!(is_secret_key(key), "{key}");
    }
    for key in [
        "",
        "lock_passwd",
        "lock-passwd",
        "ssh_pwauth",
        "chpasswd",
        "NOPASSWD",
        "token_url",
        "token_file",
        "secret_name",
        "password_file",
        "public_key",
        "public_keys",
        "ssh_authorized_keys",
        "PublicKey",
        "key",
        "keyid",
        "keyring",
        "bypass",
        "pass",
        "expire_password",
        "max_tokens",
        "keyboard",
        "hostname",
        "rsa_public",
        "rsa_certificate",
        "gpgkey",
        "PasswordAuthentication",
        "private",
        "homedir",
        "monkey",
        "compass",
        "passes",
        "access_key_id",
        "tokensmith",
    ] {
        assert!(!is_secret_key(key), "{key}");
    }
}

/// Values that are secrets wherever they stand, made up for these tests.
const SHAPED: [(SecretKind, &str); 22] = [
    (SecretKind::PrivateKey, "-----BEGIN OPENSSH PRIVATE KEY-----"),
    (SecretKind::PrivateKey, "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"),
    (SecretKind::PrivateKey, "-----BEGIN PRIVATE KEY-----"),
    (SecretKind::PrivateKey, "-----BEGIN ENCRYPTED PRIVATE KEY-----"),
    (SecretKind::PrivateKey, "-----BEGIN PGP PRIVATE KEY BLOCK-----"),
    (SecretKind::PasswordHash, "$6$rounds=4096$saltsalt$qQhashhashhash"),
    (SecretKind::PasswordHash, "$5$saltsalt$qQhashhashhash"),
    (SecretKind::PasswordHash, "$1$salt$qQhashhashhashhashhash"),
    (SecretKind::PasswordHash, "$2b$12$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234"),
    (SecretKind::PasswordHash, "$y$j9T$salt$hashhashhash"),
    (SecretKind::PasswordHash, "$gy$j9T$salt$hashhashhash"),
    (SecretKind::PasswordHash, "$7$CU..../....saltsalt$hashhashhash"),
    (SecretKind::PasswordHash, "{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9gAAAAA"),
    (SecretKind::Token, "ghp_abcdefghijklmnopqrstuvwxyz0123456789"),
    (SecretKind::Token, "github_pat_11ABCDEFG0abcdefghijklmnop"),
    (SecretKind::Token, "glpat-abcdefghij0123456789"),
    (SecretKind::Token, "AKIAIOSFODNN7EXAMPLE"),
    (SecretKind::Token, "xoxb-123456789012-abcdefghijkl"),
    (SecretKind::Token, "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"),
    (SecretKind::Token, "hvs.CAESIJabcdefghijklmnop"),
    (SecretKind::UrlCredentials, "https://user:s3cr3t@host/path"),
    (SecretKind::UrlCredentials, "see postgresql://:p%40ss@db:5432/x for more"),
];

#[test]
fn secrets_are_known_by_what_they_look_like() {
    for (kind, value) in SHAPED {
        assert_eq!(looks_secret(value), Some(kind), "{value}");
        assert_eq!(secret_under("x", value), Some(kind), "{value}");
        assert!(may_hold_secrets(value), "{value}");
    }
}

/// What looks like a secret and is none.
const HARMLESS: [&str; 24] = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPwyDIeTrEb9UxrUjmv0jPTUL5owDMCNoW5hd5QAu5N8 root@host",
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC7 a b",
    "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQswCQYDVQQGEwJJ\nRTES\n-----END CERTIFICATE-----",
    "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQINBFit2ioBEADhWpZ8wvZ6hUTiXOwQHXMAlaFHcPH9hAtr4F1y2OGaMZZ9ssXy\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----",
    "-----BEGIN PUBLIC KEY-----",
    "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "password authentication is off",
    "http://10.0.0.1:8080/x@y",
    "ssh://git@host/path",
    "https://${USER}:${PASSWORD}@host",
    "awk '{print $1$2$3}'",
    "%wheel ALL=(ALL) NOPASSWD: ALL",
    "lock_passwd: true\nssh_pwauth: false\npasswd: \"*\"\npasswd: '!'\npassword: \"\"\n",
    "  - {name: a, password: RANDOM}\n  - {name: a, password: R}\n",
    "chpasswd:\n  list: |\n    root:RANDOM\n    a:R\n",
    "PASSWORD=$1\nPASSWORD=${PASSWORD}\nTOKEN=\"$(cat /run/token)\"\nexport SECRET=$SECRET\n",
    "if [ \"$PASSWORD\" == x ]; then echo; fi",
    "curl -u \"$USER:$PASSWORD\" http://host/\n",
    "tool --password-file /run/x --token $TOKEN\n",
    "PublicKey = xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=\nAllowedIPs = 10.0.0.0/8\n",
    "  password: {{ v1.password }}\n",
    "docker run -u 1000:1000 image\nchown --from=a:b x\n",
    "/opt/software/linux-sles15-zen3/gcc-13.2.0/openmpi-5.0.1-A1b2C3/bin/mpirun",
];

#[test]
fn public_halves_checksums_and_placeholders_are_no_secrets() {
    for text in HARMLESS {
        assert_eq!(looks_secret(text), None, "{text}");
        assert_eq!(secrets_in(text), [], "{text}");
        assert!(matches!(redacted(text), std::borrow::Cow::Borrowed(_)), "{text}");
    }
    for (key, value) in [
        ("password", "RANDOM-not"),
        ("host_key", "x"),
        ("private_key", "/home/me/.ssh/id_rsa"),
        ("client_secret", "vault://kv/client"),
        ("sha256", HARMLESS[5]),
        ("ssh_key", HARMLESS[0]),
        ("public_key", "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="),
    ] {
        assert_eq!(secret_under(key, value).is_some(), key == "password", "{key}: {value}");
    }
    for password in ["/x", "//etc/x", "/etc", "/srv/a b", "a://b c", "://x"] {
        assert_eq!(secret_under("password", password), Some(SecretKind::Password), "{password}");
    }
    assert_eq!(secret_under("slurm_key", "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="), Some(SecretKind::Other));
}

fn shown(text: &str) -> String {
    redacted(text).into_owned()
}

#[test]
fn what_is_hidden_leaves_the_rest_as_it_is() {
    for (text, expected) in [
        ("a: 1\n  password: hunter2 # mine\nb: 2\n", "a: 1\n  password: <redacted>\nb: 2\n"),
        ("- {name: a, passwd: 'x''y', sudo: true}\n", "- {name: a, passwd: '<redacted>', sudo: true}\n"),
        ("{\"token\":\"abc\",\"x\":1}\n", "{\"token\":\"<redacted>\",\"x\":1}\n"),
        ("password: |\n  a b\n\n  c\nnext: 1\n", "password: |\n  <redacted>\n\n  <redacted>\nnext: 1\n"),
        ("password: \"a\n  b\"\nnext: 1\n", "password: \"<redacted>\n  <redacted>\"\nnext: 1\n"),
        ("- token: abc\n  name: x\n", "- token: <redacted>\n  name: x\n"),
        ("secrets:\n  a: b\n  c:\n  - d\nnext: 1\n", "secrets:\n  a: <redacted>\n  c:\n  - <redacted>\nnext: 1\n"),
        ("tokens:\n- a\n- b\nnext: 1\n", "tokens:\n- <redacted>\n- <redacted>\nnext: 1\n"),
        ("url: http://u:p@h/x\n", "url: http://u:<redacted>@h/x\n"),
        ("PASSWORD='a b' run\n", "PASSWORD=<redacted>\n"),
        ("run \"PASSWORD=a b\" c\n", "run \"PASSWORD=<redacted> b\" c\n"),
        ("x --password abc --y\n", "x --password <redacted> --y\n"),
        ("- [x, --password, abc, y]\n", "- [x, --password, <redacted>, y]\n"),
        ("[x, \"--password\", \"abc\", y]\n", "[x, \"--password\", \"<redacted>\", y]\n"),
        ("x --api_token abc\n", "x --api_token <redacted>\n"),
        ("useradd -m -p abc me\n", "useradd -m -p <redacted> me\n"),
        ("curl -sf -u me:abc http://h/\n", "curl -sf -u me:<redacted> http://h/\n"),
        ("curl -H 'Authorization: Bearer abcdef' h\n", "curl -H 'Authorization: Bearer <redacted>' h\n"),
        ("curl -H \"X-Auth-Token: abcdef\" h\n", "curl -H \"X-Auth-Token: <redacted>\" h\n"),
        (
            "chpasswd:\n  list: |\n    root:abc\n    b:R\nx: y:z\n",
            "chpasswd:\n  list: |\n    root:<redacted>\n    b:R\nx: y:z\n",
        ),
        ("chpasswd:\n  list:\n  - root:abc\nx: y:z\n", "chpasswd:\n  list:\n  - root:<redacted>\nx: y:z\n"),
        ("chpasswd: {list: [root:abc, 'b:c']}\n", "chpasswd: {list: [root:<redacted>, 'b:<redacted>']}\n"),
        ("chpasswd <<EOF\nroot:abc\nEOF\na:b\n", "chpasswd <<EOF\nroot:<redacted>\nEOF\na:b\n"),
        ("echo \"root:abc\" | chpasswd\n", "echo \"root:<redacted>\" | chpasswd\n"),
        ("echo abc | passwd --stdin root\n", "echo <redacted> | passwd --stdin root\n"),
        (
            "  x: |\n    -----BEGIN PRIVATE KEY-----\n    abc\n    def==\n    -----END PRIVATE KEY-----\n  y: 1\n",
            "  x: |\n    -----BEGIN PRIVATE KEY-----\n    <redacted>\n    <redacted>\n    -----END PRIVATE KEY-----\n  y: 1\n",
        ),
        (
            "k: \"-----BEGIN PRIVATE KEY-----\\nabc\\n-----END PRIVATE KEY-----\\n\"\n",
            "k: \"-----BEGIN PRIVATE KEY-----<redacted>-----END PRIVATE KEY-----\\n\"\n",
        ),
        (
            "# -----BEGIN PRIVATE KEY-----\n# abc\n# -----END PRIVATE KEY-----\n# x\n",
            "# -----BEGIN PRIVATE KEY-----\n<redacted>\n# -----END PRIVATE KEY-----\n# x\n",
        ),
        ("# -----BEGIN PRIVATE KEY-----\n# abc\n", "# -----BEGIN PRIVATE KEY-----\n<redacted>\n"),
        ("-----BEGIN PRIVATE KEY-----\nabc\nb: 1\n", "-----BEGIN PRIVATE KEY-----\n<redacted>\nb: 1\n"),
        ("a: 1\nabc\ndef==\n-----END PRIVATE KEY-----\n", "a: 1\n<redacted>\n<redacted>\n-----END PRIVATE KEY-----\n"),
        ("password: &p abc\nx: *p\n", "password: <redacted>\nx: *p\n"),
        ("secrets: &p\n  a: b\n", "secrets: &p\n  a: <redacted>\n"),
        ("x: {password:\n  abc, b: 1}\n", "x: {password:\n  <redacted>\n"),
        ("- - tool\n  - --password\n  - abc\n  - x\n", "- - tool\n  - --password\n  - <redacted>\n  - x\n"),
        ("tool --token \\\n  abc\n", "tool --token \\\n  <redacted>\n"),
        ("- - curl\n  - -u\n  - me:abc\n", "- - curl\n  - -u\n  - me:<redacted>\n"),
        ("<db><password>abc</password></db>\n", "<db><password><redacted></password></db>\n"),
        ("machine h login me password abc\n", "machine h login me password <redacted>\n"),
        ("  rootpw abc\n", "  rootpw <redacted>\n"),
        (
            "x: -----BEGIN CERTIFICATE-----\nb: 1\npassword: |\n  abc\n",
            "x: -----BEGIN CERTIFICATE-----\nb: 1\npassword: |\n  <redacted>\n",
        ),
        ("content: LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCmFiYwo=\n", "content: <redacted>\n"),
        (
            "content: aGVsbG8sIHdvcmxkLCBob3cgYXJlIHlvdSB0b2RheQo=\n",
            "content: aGVsbG8sIHdvcmxkLCBob3cgYXJlIHlvdSB0b2RheQo=\n",
        ),
    ] {
        assert_eq!(shown(text), expected, "{text}");
        assert_eq!(shown(expected), expected, "{text}");
    }
}

/// A word that is found again if any of it is left.
const MARK: &str = "s3Kr1tmark";

/// Texts around a word that is a secret there.
const AROUND: [&str; 37] = [
    "password: &anchor @\n",
    "a: {password:\n   \"@\"}\n",
    "runcmd:\n  - - tool\n    - --password\n    - @\n  - - curl\n    - --user\n    - 'a:@'\n",
    "x: |\n  -----BEGIN CERTIFICATE-----\n  AAAA\nsecret: >\n  @\n",
    "#cloud-config\npassword: @\nx: 1\n",
    "users:\n  - name: a\n    plain_text_passwd: '@'\n    lock_passwd: false\n",
    "users:\n- {name: a, hashed_passwd: \"@\", shell: /bin/sh}\n",
    "users: [{name: a, passwd: @}, {name: b}]\n",
    "chpasswd:\n  expire: false\n  users:\n    - {name: a, password: @, type: text}\n",
    "chpasswd:\n  list: |\n    root:@\n    other:R\n",
    "chpasswd:\n  list:\n    - root:@\n",
    "chpasswd: {expire: false, list: ['root:@']}\n",
    "chpasswd:\n  list: \"root:@\\nb:@\"\n",
    "ssh_keys:\n  rsa_private: |\n    -----BEGIN RSA PRIVATE KEY-----\n    @\n    x@y=\n    -----END RSA PRIVATE KEY-----\n",
    "ssh_keys: {ed25519_private: \"-----BEGIN OPENSSH PRIVATE KEY-----\\n@\\n-----END OPENSSH PRIVATE KEY-----\"}\n",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 1\n\n@\n=@\n-----END PGP PRIVATE KEY BLOCK-----\n",
    "@\n-----END EC PRIVATE KEY-----\n",
    "runcmd:\n  - curl -u a:@ http://h/\n  - [curl, --user, 'a:@', h]\n",
    "runcmd:\n  - [sh, -c, 'API_TOKEN=@ run --token=@ --password @']\n",
    "#!/bin/sh\nexport DB_PASSWORD=@\nPASSWORD=\"a @\"\n",
    "#!/bin/sh\nchpasswd <<'END'\nroot:@\nEND\n",
    "#!/bin/sh\necho 'root:@' | chpasswd\n",
    "#!/bin/sh\necho @ | passwd --stdin root\n",
    "#!/bin/sh\nsshpass -p @ ssh host\nmysql -u root -p@ db\n",
    "#!/bin/sh\ncurl -H 'Authorization: Basic @==' http://h/\n",
    "#!/bin/sh\nwget --header=\"Authorization: Bearer @\" http://h/\n",
    "[Interface]\nPrivateKey = @=\nAddress = 10.0.0.1/32\n",
    "proxy: http://user:@@proxy:3128\n",
    "groups:\n  - {token: ghp_@@@}\n",
    "note: ghp_@@@ is what it is\n",
    "note: $6$salt$@@@\nother: $y$j9T$@$@@@@\n",
    "note: glpat-@@@ xoxb-@@ hvs.@@@\n",
    "note: eyJ@@.eyJ@@.@\n",
    "{\"meta\": {\"client_secret\": \"@\", \"x\": [1]}}\n",
    "secrets:\n  one: @\n  two:\n    - @\n",
    "passphrase: >-\n  @\n  @ @\nx: 1\n",
    "password: \"@ and\n  @\"\nx: 1\n",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn planted_secrets_do_not_survive(
        picks in prop::collection::vec((0..AROUND.len(), "[A-Za-z0-9]{0,12}", 0..4_usize), 1..4),
    ) {
        let mut text = String::new();
        for (pick, more, indent) in picks {
            let around = AROUND[pick].replace('@', &format!("{MARK}{more}"));
            let indent = " ".repeat(indent * 2);
            text.extend(around.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("{indent}{line}\n") }));
            text.push_str("between: them\n");
        }
        // The at sign of the URL was replaced as well.
        let text = text.replace("proxy:3128", "@proxy:3128");
        let once = shown(&text);
        prop_assert!(!once.contains(MARK), "{}\n---\n{}", text, once);
        prop_assert_eq!(&shown(&once), &once, "{}", text);
        prop_assert_eq!(once.lines().count(), text.lines().count());
        for (before, after) in text.lines().zip(once.lines()) {
            let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
            prop_assert_eq!(indent(before), indent(after));
        }
        prop_assert_eq!(once.matches("between: them\n").count(), text.matches("between: them\n").count());
    }

    #[test]
    fn any_text_can_be_redacted_and_once_is_enough(text in r#"(password|token|a|list|chpasswd|secrets|content|-----BEGIN PRIVATE KEY-----|-----END PRIVATE KEY-----|://u:p@|ü|Bearer |--token |[-:=|>"'{}\[\],#$\n\\ ]){0,40}"#) {
        let once = shown(&text);
        prop_assert_eq!(once.matches('\n').count(), text.matches('\n').count());
        prop_assert_eq!(&shown(&once), &once);
    }
}
