//! The model of merging agrees with the real code of cloud-init on some hundred made-up configurations.
//!
//! Needs root and the Debian roots that `tests/lib/roots` makes; elsewhere the cases skip themselves, loudly, unless
//! `MDS_TESTS_MUST_RUN=1`. Nothing is written into the roots.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mds::check::merged_config;
use serde_json::{Value, json};

/// How many pairs of documents are made up.
const CASES: u64 = 1500;

/// Takes pairs of documents through the real code: what a message is taken apart into, the handler of cloud-config, and
/// the merging of the two layers. Nothing is written.
const SCRIPT: &str = r#"
import json, logging, sys
logging.disable(logging.CRITICAL)
from cloudinit import handlers, helpers, mergers, safeyaml, user_data, util
from cloudinit.handlers.cloud_config import CloudConfigPartHandler

class Paths:
    def get_ipath(self, name): return None
    def get_ipath_cur(self, name=None): return None

user_data.util.fetch_ssl_details = lambda paths: {}

def layer(text):
    handler = CloudConfigPartHandler(Paths())
    known = helpers.ContentHandlers()
    known.register(handler)
    message = user_data.UserDataProcessor(Paths()).process(text)
    handler.handle_part(None, handlers.CONTENT_START, None, None, None, {})
    def part(_data, filename, payload, headers):
        if headers["Content-Type"] in known:
            handler.handle_part(None, headers["Content-Type"], filename, payload, None, headers)
    handlers.walk(message, part, None)
    if handler.cloud_buf is None:
        return {}
    return util.load_yaml(safeyaml.dumps(handler.cloud_buf)) or {}

results = []
for user, vendor in json.load(sys.stdin):
    user = layer(user)
    turned = user.get("vendor_data", {})
    is_on = isinstance(turned, dict) and util.is_true(turned.get("enabled", True))
    is_on = is_on and "text/cloud-config" not in (turned.get("disabled_handlers") or [] if is_on else [])
    try:
        results.append(util.mergemanydict([user, layer(vendor) if is_on else {}]))
    except Exception as error:
        results.append("failed: %s" % type(error).__name__)
json.dump(results, sys.stdout)
"#;

/// The root of a Debian release, or why there is none.
fn root(release: &str) -> Result<PathBuf, String> {
    if !rustix::process::geteuid().is_root() {
        return Err("chroot needs root".to_owned());
    }
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cache = repository.join(".cache/roots");
    let output = Command::new(repository.join("tests/lib/roots")).arg("--print").arg(&cache).output();
    let listing = output.map_err(|error| format!("tests/lib/roots cannot be run: {error}"))?.stdout;
    let listing = String::from_utf8_lossy(&listing).into_owned();
    let lines = listing.lines().filter_map(|line| line.split_once(' '));
    let folder = lines.into_iter().find_map(|(name, folder)| (name == release).then(|| PathBuf::from(folder)));
    folder
        .filter(|folder| folder.is_dir())
        .ok_or_else(|| format!("there is no root of {release} in {}", cache.display()))
}

/// What the real code makes of pairs of user-data and vendor-data. `None` where it cannot be run.
fn real(release: &str, pairs: &[(String, String)]) -> Option<Vec<Value>> {
    let folder = match root(release) {
        Ok(folder) => folder,
        Err(reason) => {
            let must_run = std::env::var_os("MDS_TESTS_MUST_RUN").is_some_and(|value| value == "1");
            assert!(!must_run, "the comparison with cloud-init must run here and cannot: {reason}");
            let line = format!("\nSKIPPED: merging was not compared with cloud-init: {reason}\n");
            let _ = std::io::stderr().write_all(line.as_bytes());
            return None;
        }
    };
    let mut command = Command::new("chroot");
    command.arg(folder).args(["python3", "-B", "-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let input = serde_json::to_vec(pairs).unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&input).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "python3 failed in the root of {release}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// Makes up documents.
struct Maker(fastrand::Rng);

impl Maker {
    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.0.usize(..of.len())]
    }

    fn value(&mut self, depth: usize) -> Value {
        let kinds = if depth == 0 { 6 } else { 10 };
        match self.0.usize(..kinds) {
            0 => Value::Null,
            1 => json!(self.0.bool()),
            2 => json!(self.0.u8(..3)),
            3 => json!(1.5),
            4 | 5 => json!(*self.one(&["", "x", "yz", "append", "list(append)"])),
            6 | 7 => (0..self.0.usize(..4)).map(|_| self.value(depth - 1)).collect(),
            _ => self.mapping(depth - 1),
        }
    }

    fn mapping(&mut self, depth: usize) -> Value {
        let mut entries = serde_json::Map::new();
        for _ in 0..self.0.usize(..4) {
            let key = *self.one(&["a", "b", "c", "d", "runcmd"]);
            entries.insert(key.to_owned(), self.value(depth));
        }
        Value::Object(entries)
    }

    /// A text that says how to merge, mostly a good one.
    fn how_text(&mut self) -> String {
        let options = |maker: &mut Self, of: &[&str]| -> String {
            let count = maker.0.usize(..3);
            (0..count).map(|_| *maker.one(of)).collect::<Vec<_>>().join(",")
        };
        let dict =
            options(self, &["replace", "no_replace", "recurse_list", "recurse_array", "recurse_str", "allow_delete"]);
        let list = options(
            self,
            &["append", "prepend", "replace", "no_replace", "recurse_list", "recurse_dict", "recurse_str"],
        );
        let text = options(self, &["append", "apend"]);
        let mut words = vec![format!("dict({dict})"), format!("list({list})"), format!("str({text})")];
        self.0.shuffle(&mut words);
        match self.0.usize(..12) {
            0 => words.truncate(2),
            1 => words.push(
                (*self.one(&["list", "tuple()", "m_list(append)", "list(append))", "", " List( Append )", "x-y()"]))
                    .to_owned(),
            ),
            2 => return (*self.one(&["", "list(append)", "+", "dict()", "dict", "3"])).to_owned(),
            _ => {}
        }
        words.join(" + ")
    }

    /// As it stands in a document: a text, a list of mappings or of lists, or nonsense.
    fn how(&mut self) -> Value {
        match self.0.usize(..8) {
            0..=4 => json!(self.how_text()),
            5 => json!([
                {"name": self.one(&["list", "m-list", " list ", "LIST"]), "settings": self.one(&["append", "prepend"])},
                {"name": "dict", "settings": [self.one(&["recurse_list", "replace", "no_replace"]), "recurse_str"]},
                {"name": "str", "settings": {"append": 1}},
            ]),
            6 => json!([["dict", self.one(&["recurse_list", "replace"])], ["list", "append"], ["str"]]),
            _ => self
                .one(&[
                    json!(null),
                    json!(3),
                    json!([]),
                    json!({}),
                    json!({"list": "append"}),
                    json!(["list(append)"]),
                    json!([["list"], []]),
                    json!([["", "x"], ["dict"]]),
                    json!([{"name": "dict"}]),
                    json!([{"name": "dict", "settings": null}]),
                    json!([{"name": "dict", "settings": "no_replace"}, {"name": "list", "settings": "x"}]),
                    json!(true),
                ])
                .clone(),
        }
    }

    fn config(&mut self) -> String {
        let mut config = self.mapping(3);
        let entries = config.as_object_mut().unwrap();
        if self.0.usize(..3) > 0 {
            entries.insert((*self.one(&["merge_how", "merge_how", "merge_type"])).to_owned(), self.how());
        }
        if self.0.usize(..40) == 0 {
            entries.insert(
                "vendor_data".to_owned(),
                self.one(&[json!({"enabled": false}), json!({"enabled": "on"}), json!({}), json!(1)]).clone(),
            );
        }
        match self.0.usize(..30) {
            0 => "#cloud-config\n[a]\n".to_owned(),
            1 => "#cloud-config\na: [\n".to_owned(),
            2 => "#cloud-config\n".to_owned(),
            _ => format!("#cloud-config\n{config}\n"),
        }
    }

    fn patch(&mut self) -> String {
        let operation = |maker: &mut Self| {
            let path = *maker.one(&["/a", "/b/c", "/runcmd/-", "/runcmd/0", "/x/y", "/c/01"]);
            let from = *maker.one(&["/a", "/b", "/c/d"]);
            let value = maker.value(1);
            match maker.0.usize(..6) {
                0..=2 => json!({"op": "add", "path": path, "value": value}),
                3 => json!({"op": "replace", "path": path, "value": value}),
                4 => json!({"op": "remove", "path": path}),
                _ => json!({"op": maker.one(&["copy", "move"]), "path": path, "from": from}),
            }
        };
        let operations: Vec<Value> = (0..self.0.usize(1..3)).map(|_| operation(self)).collect();
        format!("#cloud-config-jsonp\n{}\n", Value::from(operations))
    }

    fn part(&mut self) -> String {
        match self.0.usize(..12) {
            0 => "#!/bin/sh\ntrue\n".to_owned(),
            1 => self.patch(),
            _ => self.config(),
        }
    }

    fn document(&mut self) -> String {
        let count = self.0.usize(1..5);
        match self.0.usize(..6) {
            0 => self.part(),
            1 => {
                let entries: Vec<Value> = (0..count).map(|_| self.archived()).collect();
                format!("#cloud-config-archive\n{}\n", Value::from(entries))
            }
            _ => {
                let parts: String = (0..count).map(|_| self.in_message()).collect();
                let head = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"==b==\"\n\n";
                format!("{head}{parts}--==b==--\n")
            }
        }
    }

    fn archived(&mut self) -> Value {
        let part = self.part();
        match self.0.usize(..3) {
            0 => json!(part),
            1 => json!({"type": "text/cloud-config", "content": part, "Merge-Type": self.how_text()}),
            _ => json!({"content": part}),
        }
    }

    fn in_message(&mut self) -> String {
        let part = self.part();
        let kind = *self.one(&["text/plain", "text/plain", "text/cloud-config", "text/x-shellscript"]);
        let how = match self.0.usize(..5) {
            0 => format!("{}: {}\n", self.one(&["Merge-Type", "X-Merge-Type", "merge-type"]), self.how_text()),
            _ => String::new(),
        };
        format!("--==b==\nContent-Type: {kind}; charset=\"utf-8\"\n{how}\n{part}\n")
    }
}

fn agrees(release: &str) {
    let mut maker = Maker(fastrand::Rng::with_seed(7));
    let pairs: Vec<(String, String)> = (0..CASES).map(|_| (maker.document(), maker.document())).collect();
    let Some(real) = real(release, &pairs) else { return };
    assert_eq!(real.len(), pairs.len());
    let mut disagreements = Vec::new();
    for ((user_data, vendor_data), expected) in pairs.iter().zip(&real) {
        let merged = merged_config(user_data, vendor_data);
        if merged != *expected {
            disagreements
                .push(format!("{user_data}\n----\n{vendor_data}\ncloud-init: {expected}\nmds:        {merged}\n"));
        }
    }
    let count = disagreements.len();
    disagreements.sort_by_key(String::len);
    disagreements.truncate(3);
    assert_eq!(count, 0, "disagreements with {release}:\n{}", disagreements.join("\n========\n"));
    // Of so many, some have to be worth the trouble.
    let is_of_use = |value: &&Value| value.as_object().is_some_and(|config| config.len() > 2);
    assert!(real.iter().filter(is_of_use).count() > pairs.len() / 4);
}

/// What `merge-how-invalid` and `merge-fails` call an error costs the node the whole part, and the mended form does not.
fn loses_what_errors_say(release: &str) {
    let joining = "merge_how: list(append)+dict(recurse_list)+str(append)\n";
    let forms = [
        ("merge_how: list\nb: 1\n".to_owned(), format!("{joining}b: 1\n")),
        ("merge_how: lists(append)+dict()\nb: 1\n".to_owned(), "merge_how: list(append)+dict()\nb: 1\n".to_owned()),
        ("merge_how: list(append)\nb: 1\n".to_owned(), "merge_how: list(append)+dict()\nb: 1\n".to_owned()),
        ("merge_how: [{name: list}]\nb: 1\n".to_owned(), "merge_how: [[list], [dict]]\nb: 1\n".to_owned()),
        (format!("{joining}a: [x]\nb: 1\n"), format!("{joining}a: y\nb: 1\n")),
    ];
    let message = |part: &str| {
        let parts: String = ["a: x\n", part].map(|part| format!("--b\n\n#cloud-config\n{part}\n")).concat();
        format!("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n{parts}--b--\n")
    };
    let both = forms.iter().flat_map(|(broken, mended)| [broken, mended]);
    let pairs: Vec<(String, String)> = both.map(|part| ("#cloud-config\n{}\n".to_owned(), message(part))).collect();
    let Some(real) = real(release, &pairs) else { return };
    for (pair, (broken, _)) in real.chunks(2).zip(&forms) {
        assert_eq!(pair[0], json!({"a": "x"}), "{broken}");
        assert_eq!(pair[1]["b"], 1, "{broken}");
    }
}

#[test]
fn errors_are_losses_to_cloud_init_22() {
    loses_what_errors_say("bookworm");
}

#[test]
fn errors_are_losses_to_cloud_init_25() {
    loses_what_errors_say("trixie");
}

#[test]
fn merging_is_that_of_cloud_init_22() {
    agrees("bookworm");
}

#[test]
fn merging_is_that_of_cloud_init_25() {
    agrees("trixie");
}
