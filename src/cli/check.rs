//! `mds check`: what the rules are about.

use std::process::ExitCode;

use clap::Args;
use mds::check::{RULES, Rule, rule};
use mds::types::nearest;
use serde_json::{Value, json};

use super::error::CliError;
use super::output::Output;

/// Explain the rules of checks
///
/// What a rule finds, what that does to a node, and what to do about it. Checking itself is done by
/// `mds build --check`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  mds check --list
  mds check --explain boot-interface
  mds build --check --site site          checks a site")]
pub(crate) struct CheckArguments {
    /// Explain the rule of this id
    #[arg(long, value_name = "ID", conflicts_with = "list")]
    explain: Option<String>,
    /// List the rules, how much what they find matters, and whether a site may change that
    #[arg(long)]
    list: bool,
}

pub(crate) fn run(arguments: &CheckArguments, output: &Output) -> Result<ExitCode, CliError> {
    match &arguments.explain {
        Some(id) => explain(id, output)?,
        None if arguments.list => list(output)?,
        None => {
            return Err(CliError::usage("`mds check` explains rules and checks nothing itself").with_hint(
                "check a site with `mds build --check --site DIR`; see the rules with --list and --explain ID",
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn explain(id: &str, output: &Output) -> Result<(), CliError> {
    let Some(rule) = rule(id) else {
        if let Some(name) = id.strip_prefix("site/") {
            let error = CliError::usage(format!("`{id}` is a rule of a site's own, of which mds knows nothing here"));
            return Err(error.with_hint(format!("read rules/{name}.yaml of the site")));
        }
        let error = CliError::usage(format!("there is no rule `{id}`"));
        return Err(match nearest(id, RULES.iter().map(|rule| rule.id)) {
            Some(known) => error.with_hint(format!("did you mean `{known}`?")),
            None => error.with_hint("see all of them with `mds check --list`"),
        });
    };
    let change = if rule.may_be_changed {
        format!("[check.severity] of mds.toml may say otherwise: {id} = \"error\", \"warning\", \"note\" or \"off\"")
    } else {
        "it stays an error, whatever a site says".to_owned()
    };
    let text =
        format!("{id} ({}): {}\n\n{}\n\n{change}\n", rule.severity.as_str(), rule.summary, wrapped(rule.explanation));
    output.result(&text, || value(rule))
}

fn list(output: &Output) -> Result<(), CliError> {
    let width = RULES.iter().map(|rule| rule.id.len()).max().unwrap_or_default();
    let line = |rule: &Rule| {
        let change = if rule.may_be_changed { "can be changed" } else { "stays" };
        format!("{:width$}  {:7}  {change:14}  {}\n", rule.id, rule.severity.as_str(), rule.summary)
    };
    let text: String = RULES.iter().map(line).collect();
    output.result(&text, || json!({"rules": RULES.iter().map(value).collect::<Vec<_>>()}))
}

fn value(rule: &Rule) -> Value {
    json!({
        "id": rule.id,
        "severity": rule.severity,
        "may_be_changed": rule.may_be_changed,
        "summary": rule.summary,
        "explanation": rule.explanation,
    })
}

/// A text in lines of a width that can be read.
fn wrapped(text: &str) -> String {
    const WIDTH: usize = 100;
    let mut wrapped = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        let needed = word.chars().count() + 1;
        if length > 0 {
            let is_full = length + needed > WIDTH;
            wrapped.push(if is_full { '\n' } else { ' ' });
            length = if is_full { 0 } else { length };
        }
        wrapped.push_str(word);
        length += needed;
    }
    wrapped
}
