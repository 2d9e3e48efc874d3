//! The scripts, with programs in the place of `mds` and `gh` that write down what they are asked.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use super::action_folder;
use crate::cli_support::{Sandbox, git};
use crate::git_support::skip;

/// Writes its arguments down, and the reports that it is asked for.
const FAKE_MDS: &str = r##"#!/usr/bin/env bash
printf '%s\n' "$@" >arguments
for argument in "$@"; do
  case "$argument" in
  --report=*=*) report=${argument#--report=}; [ "$CODE" -le 1 ] && echo "a report" >"${report#*=}" ;;
  esac
done
echo "::error::printed"
exit "$CODE"
"##;

/// Writes its arguments down, and has the comments that are in a file.
const FAKE_GH: &str = r##"#!/usr/bin/env bash
printf '%s\n' "$*" >>requests
case "$*" in
*--paginate*) [ -n "${REFUSE_READING:-}" ] && exit 1
  [ -s comments ] && jq -r "${@: -1}" comments ;;
*) [ -n "${REFUSE_WRITING:-}" ] && exit 1
  for argument in "$@"; do case "$argument" in body=@*) cp "${argument#body=@}" body ;; esac; done ;;
esac
exit 0
"##;

/// A runner of GitHub's, with a site in `site/`.
struct Runner {
    sandbox: Sandbox,
    environment: BTreeMap<&'static str, String>,
}

impl Runner {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        for (path, text) in [("bin/mds", FAKE_MDS), ("bin/gh", FAKE_GH)] {
            sandbox.write(path, text);
            fs::set_permissions(sandbox.path(path), fs::Permissions::from_mode(0o755)).unwrap();
        }
        for folder in ["temporary/mds/bin", "empty"] {
            fs::create_dir_all(sandbox.path(folder)).unwrap();
        }
        fs::copy(sandbox.path("bin/mds"), sandbox.path("temporary/mds/bin/mds")).unwrap();
        sandbox.write("report.md", "### mds: no findings\n");
        let path = |name: &str| sandbox.path(name).to_str().unwrap().to_owned();
        let path_variable = format!("{}:{}", path("bin"), std::env::var("PATH").unwrap());
        let environment = [
            ("PATH", path_variable),
            ("CODE", "0".to_owned()),
            ("RUNNER_TEMP", path("temporary")),
            ("GITHUB_OUTPUT", path("output")),
            ("GITHUB_STEP_SUMMARY", path("summary")),
            ("GITHUB_REPOSITORY", "ops/site".to_owned()),
            ("MDS_CHECK_SITE", "site".to_owned()),
            ("MDS_CHECK_BASE", String::new()),
            ("MDS_CHECK_MERGE_BASE", String::new()),
            ("MDS_CHECK_LOCKED", "true".to_owned()),
            ("MDS_CHECK_FAIL_ON", "errors".to_owned()),
            ("MDS_CHECK_BINARY", String::new()),
            ("MDS_CHECK_PULL_REQUEST", "7".to_owned()),
            ("MDS_CHECK_MARKDOWN", path("report.md")),
        ];
        Self { environment: environment.into(), sandbox }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.environment.insert(name, value.to_owned());
        self
    }

    /// Runs a script, which must not fail.
    fn run(&self, script: &str) -> Output {
        let mut command = Command::new("bash");
        command.arg(action_folder().join(script)).current_dir(self.sandbox.path("."));
        let output = command.env_clear().envs(&self.environment).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.sandbox.path(path)).unwrap_or_default()
    }

    /// What the fake mds was asked, without the folder of the runner.
    fn arguments(&self) -> Vec<String> {
        let temporary = self.environment["RUNNER_TEMP"].clone();
        self.read("arguments").lines().map(|line| line.replace(&temporary, "TEMP")).collect()
    }

    fn output(&self, name: &str) -> Option<String> {
        let output = self.read("output");
        output.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
    }
}

#[test]
fn a_check_asks_for_every_report_and_tells_how_it_went() {
    let runner = Runner::new();
    let printed = runner.run("check.sh").stdout;
    let expected = [
        "build",
        "--check",
        "--site=site",
        "--fail-on=errors",
        "--locked",
        "--report=markdown=TEMP/mds-check/mds.markdown",
        "--report=sarif=TEMP/mds-check/mds.sarif",
        "--report=json=TEMP/mds-check/mds.json",
        "--report=github",
    ];
    assert_eq!(runner.arguments(), expected);
    assert_eq!(String::from_utf8(printed).unwrap(), "::error::printed\n");
    assert_eq!(runner.read("summary"), "a report\n");
    assert_eq!(runner.output("code").as_deref(), Some("0"));
    for name in ["markdown", "sarif", "json"] {
        assert!(runner.output(name).unwrap().ends_with(&format!("/mds-check/mds.{name}")), "{name}");
    }
}

#[test]
fn findings_and_failures_are_told_by_an_output() {
    let found = Runner::new().with("CODE", "1").with("MDS_CHECK_LOCKED", "false");
    found.run("check.sh");
    assert_eq!(found.output("code").as_deref(), Some("1"));
    assert!(!found.arguments().contains(&"--locked".to_owned()));
    let failed = Runner::new().with("CODE", "2");
    failed.run("check.sh");
    assert_eq!(failed.output("code").as_deref(), Some("2"));
    assert_eq!((failed.output("sarif"), failed.output("json")), (None, None));
    assert!(failed.read("summary").starts_with("### mds could not check the site (exit code 2)"));
}

#[test]
fn a_pull_request_is_compared_with_what_it_is_merged_into() {
    let runner = Runner::new();
    let top = runner.sandbox.path(".");
    git(&top, &["init", "--quiet"]);
    git(&top, &["add", "site"]);
    git(&top, &["commit", "--quiet", "--message", "one"]);
    let commit = git(&top, &["rev-parse", "HEAD"]);
    let runner = runner.with("MDS_CHECK_MERGE_BASE", &commit);
    runner.run("check.sh");
    assert!(runner.arguments().contains(&format!("--base={commit}")), "{:?}", runner.arguments());
    // What somebody names wins, and a commit that is not there keeps nothing back.
    let runner = runner.with("MDS_CHECK_BASE", "v1 & v2");
    runner.run("check.sh");
    assert!(runner.arguments().contains(&"--base=v1 & v2".to_owned()));
    let runner = runner.with("MDS_CHECK_BASE", "").with("MDS_CHECK_MERGE_BASE", &"c0ffee".repeat(7)[..40]);
    let printed = String::from_utf8(runner.run("check.sh").stdout).unwrap();
    assert!(printed.contains("::warning::") && printed.contains("fetch-depth: 0"), "{printed}");
    assert!(!runner.arguments().iter().any(|argument| argument.starts_with("--base")));
}

#[test]
fn what_is_chosen_is_never_a_command() {
    let odd = "$(touch pwned) `touch pwned`; touch pwned\n--x \" ' * -->";
    let runner = Runner::new().with("MDS_CHECK_SITE", odd).with("MDS_CHECK_BASE", odd).with("MDS_CHECK_FAIL_ON", odd);
    runner.run("check.sh");
    runner.run("comment.sh");
    assert!(!runner.sandbox.path("pwned").exists());
    let asked = runner.read("arguments");
    for flag in ["site", "base", "fail-on"] {
        assert!(asked.contains(&format!("\n--{flag}={odd}\n")), "{asked}");
    }
    assert_eq!(runner.read("body").lines().count(), 2);
}

#[test]
fn the_real_mds_is_run_as_the_action_runs_it() {
    let runner = Runner::new().with("MDS_CHECK_BINARY", env!("CARGO_BIN_EXE_mds"));
    let nodes = runner.sandbox.stdout(&["inventory", "pull", "--mock-smd"]);
    runner.sandbox.write("site/inventory.json", &nodes);
    runner.sandbox.write("site/groups/compute/cloud-config.yaml", "#cloud-config\nhostname: {{ hostnme }}\n");
    let printed = String::from_utf8(runner.run("check.sh").stdout).unwrap();
    assert!(printed.starts_with("::error file=site/groups/compute/cloud-config.yaml,line=2,col=14,"), "{printed}");
    assert_eq!(runner.output("code").as_deref(), Some("1"));
    let sarif: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(runner.output("sarif").unwrap()).unwrap()).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "template");
    assert!(runner.read("summary").starts_with("### mds: 1 error"));
}

/// A comment as GitHub tells it.
fn comment(id: u32, kind: &str, body: &str) -> String {
    serde_json::json!({"id": id, "user": {"type": kind}, "body": body}).to_string()
}

#[test]
fn one_comment_is_kept_up_to_date() {
    // It does for the fake what is built into `gh`.
    if Command::new("jq").arg("--version").output().is_err() {
        return skip("jq is not installed");
    }
    let runner = Runner::new();
    runner.run("comment.sh");
    let requests = runner.read("requests");
    assert!(requests.contains("--method POST repos/ops/site/issues/7/comments --field body=@"), "{requests}");
    let body = runner.read("body");
    let (mark, report) = body.split_once('\n').unwrap();
    assert!(mark.starts_with("<!-- mds-check ") && mark.ends_with(" -->"), "{mark}");
    assert_eq!(report, "### mds: no findings\n");

    // Of a person, of another site, ours, and ours of long ago.
    let comments = [
        comment(1, "User", &body),
        comment(2, "Bot", "<!-- mds-check 1 -->\n"),
        comment(3, "Bot", &body),
        comment(4, "Bot", &body),
    ];
    runner.sandbox.write("comments", &format!("[{}]", comments.join(",")));
    fs::remove_file(runner.sandbox.path("requests")).unwrap();
    runner.run("comment.sh");
    let requests = runner.read("requests");
    assert!(requests.contains("--method PATCH repos/ops/site/issues/comments/3 --field body=@"), "{requests}");
    assert!(!requests.contains("POST"), "{requests}");

    // Another site has a comment of its own.
    let other = runner.with("MDS_CHECK_SITE", "other");
    fs::remove_file(other.sandbox.path("requests")).unwrap();
    other.run("comment.sh");
    assert!(other.read("requests").contains("--method POST"));
}

#[test]
fn a_pull_request_from_a_fork_is_not_failed_for_want_of_a_comment() {
    for refusal in ["REFUSE_READING", "REFUSE_WRITING"] {
        let output = Runner::new().with(refusal, "yes").run("comment.sh");
        assert!(String::from_utf8(output.stdout).unwrap().starts_with("::notice::"), "{refusal}");
    }
}

#[test]
fn a_report_that_is_too_long_for_a_comment_is_pointed_to() {
    let runner = Runner::new();
    runner.sandbox.write("report.md", &"x".repeat(65_001));
    runner.run("comment.sh");
    assert!(runner.read("body").ends_with("it is in the summary of the job\n"));
}

#[test]
fn the_digest_of_the_source_is_the_key_of_the_cache() {
    let runner = Runner::new();
    let run = || {
        Command::new("bash").arg(action_folder().join("install.sh")).arg("digest").envs(&runner.environment).status()
    };
    assert!(run().unwrap().success() && run().unwrap().success());
    let digests: Vec<String> = runner.read("output").lines().map(str::to_owned).collect();
    assert!(digests.len() == 2 && digests[0] == digests[1] && digests[0].len() == "digest=".len() + 64, "{digests:?}");
}
