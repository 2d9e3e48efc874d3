//! What the action and the workflow say.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{action, action_folder, yaml};

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Asserts that a table has no keys but these.
#[track_caller]
fn assert_known(value: &Value, known: &[&str]) {
    let unknown: Vec<&str> = keys(value).into_iter().filter(|key| !known.contains(key)).collect();
    assert_eq!(unknown, [""; 0], "in {value}");
}

/// The names after a prefix, such as `inputs.`, anywhere in a text.
fn names_after<'t>(text: &'t str, prefix: &str) -> BTreeSet<&'t str> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
    let name = |rest: &'t str| rest.split(|character| !is_part(character)).next().unwrap();
    text.split(prefix).skip(1).map(name).collect()
}

fn steps(action: &Value) -> &Vec<Value> {
    action["runs"]["steps"].as_array().unwrap()
}

#[test]
fn the_metadata_is_what_github_reads() {
    let action = action();
    assert_known(&action, &["name", "description", "author", "inputs", "outputs", "runs"]);
    assert_eq!(action["runs"]["using"], "composite");
    assert_known(&action["runs"], &["using", "steps"]);
    for input in action["inputs"].as_object().unwrap().values() {
        assert_known(input, &["description", "default"]);
        assert!(input["default"].is_string(), "inputs are texts: {input}");
    }
    for output in action["outputs"].as_object().unwrap().values() {
        assert_known(output, &["description", "value"]);
    }
    for step in steps(&action) {
        assert_known(step, &["name", "id", "if", "shell", "env", "run", "uses", "with", "continue-on-error"]);
        assert_ne!(step.get("run").is_some(), step.get("uses").is_some(), "{step}");
        assert_eq!(step.get("run").is_some(), step.get("shell").is_some(), "{step}");
    }
}

#[test]
fn every_input_and_output_that_is_used_is_there() {
    let action = action();
    let steps = serde_json::to_string(steps(&action)).unwrap();
    assert_eq!(names_after(&steps, "inputs."), keys(&action["inputs"]));
    let used = serde_json::to_string(&action).unwrap();
    let ids: BTreeSet<&str> = self::steps(&action).iter().filter_map(|step| step["id"].as_str()).collect();
    assert!(names_after(&used, "steps.").is_subset(&ids), "{used}");
    let scripts: String = scripts().iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let written = ["digest", "code", "markdown", "sarif", "json", "cache-hit"];
    assert!(names_after(&used, ".outputs.").iter().all(|name| written.contains(name)), "{used}");
    // What a script reads of ours is given to it.
    for step in self::steps(&action).iter().filter(|step| step["run"].is_string()) {
        for name in step["env"].as_object().into_iter().flatten().map(|(name, _)| name) {
            assert!(
                scripts.contains(name) || step["run"].as_str().unwrap().contains(name) || name == "GH_TOKEN",
                "{name}"
            );
        }
    }
    for name in names_after(&scripts, "$MDS_CHECK_").into_iter().chain(names_after(&scripts, "${MDS_CHECK_")) {
        assert!(used.contains(&format!("\"MDS_CHECK_{name}\"")), "MDS_CHECK_{name} is given to nobody");
    }
}

/// Whatever somebody may choose (a branch, an input) must not become part of a command.
#[test]
fn nothing_is_put_into_commands() {
    for step in steps(&action()) {
        if let Some(run) = step["run"].as_str() {
            assert!(!run.contains("${{"), "{run}");
        }
        if let Some(uses) = step["uses"].as_str() {
            assert!(uses.rsplit_once('@').is_some_and(|(_, version)| version.starts_with('v')), "{uses}");
        }
    }
}

fn scripts() -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(action_folder()).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "sh")).collect()
}

#[test]
fn scripts_are_there_and_sound() {
    use std::os::unix::fs::PermissionsExt;
    let run: String =
        steps(&action()).iter().filter_map(|step| step["run"].as_str().map(|run| format!("{run}\n"))).collect();
    let named: BTreeSet<&str> = names_after(&run, "$GITHUB_ACTION_PATH/");
    let scripts = scripts();
    let there: BTreeSet<&str> = scripts.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
    assert_eq!(named, there);
    for script in &scripts {
        assert_ne!(fs::metadata(script).unwrap().permissions().mode() & 0o111, 0, "{script:?}");
        assert!(Command::new("bash").arg("-n").arg(script).status().unwrap().success(), "{script:?}");
        // Where it is installed.
        if let Ok(output) = Command::new("shellcheck").arg(script).output() {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        }
    }
}

#[test]
fn the_workflow_of_a_new_site_uses_the_action_with_few_rights() {
    let folder = tempfile::tempdir().unwrap();
    mds::site::scaffold(folder.path(), "1.2.3").unwrap();
    let workflows: Vec<_> = fs::read_dir(folder.path().join(".github/workflows")).unwrap().collect();
    assert_eq!(workflows.len(), 1);
    let workflow = yaml(&folder.path().join(Path::new(".github/workflows/mds.yml")));
    assert_known(&workflow, &["name", "on", "permissions", "concurrency", "jobs"]);
    // Here a change of a stranger would run with a token that may write.
    assert_eq!(keys(&workflow["on"]), ["pull_request", "push"].into());
    let rights = json!({"contents": "read", "pull-requests": "write", "security-events": "write"});
    assert_eq!(workflow["permissions"], rights);
    let job = &workflow["jobs"]["check"];
    assert_known(job, &["runs-on", "timeout-minutes", "steps"]);
    let [checkout, check] = &job["steps"].as_array().unwrap()[..] else { panic!("{job}") };
    assert_eq!(checkout["with"]["fetch-depth"], 0);
    assert_eq!(checkout["with"]["persist-credentials"], false);
    let uses = check["uses"].as_str().unwrap();
    let path = uses.split_once("/mds/").and_then(|(_, path)| path.split('@').next()).unwrap();
    assert_eq!(Path::new(env!("CARGO_MANIFEST_DIR")).join(path), action_folder());
    assert_known(&check["with"], &keys(&action()["inputs"]).into_iter().collect::<Vec<_>>());
}
