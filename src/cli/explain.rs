//! `mds explain`: where everything comes from that one node gets.

use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{ArgMatches, Args};
use mds::check::{Finding, Merging};
use mds::explain::{
    AddressOrigin, Candidate, DocumentOrigin, Explanation, FoundOrigin, FoundSource, GroupPlace, Making, NameOrigin,
    UseOrigin, explain,
};
use mds::inventory::Selector;
use mds::pipeline::{NoObserver, Prepared, prepare};
use mds::render::{Inspector, NodeFacts, Plan, RenderedNode, Stopped, Verdict, render_some};
use mds::settings::FILE_NAME;
use mds::types::{DocumentName, nearest, printable};
use serde_json::{Value, json};

use super::arguments::{FetchArguments, SiteArguments, StateArguments};
use super::error::CliError;
use super::output::{Output, counted};
use super::progress::Progress;
use super::pull::inventory;

/// Longest value that is shown, in characters.
const LONGEST_VALUE: usize = 44;

/// Say where everything comes from that a node gets
///
/// Its groups in their order, the names that templates see with their values, the files and lines that documents are
/// made of, and what cloud-init drops when it merges them. Secrets are left out, by their names.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  mds explain x1000c0s0b0n0 --site site                everything about a node
  mds explain tc1000 meta-data --site site             where the values of meta-data come from
  mds explain 10.252.0.26 network-config --site site   which table of networks gives which prefix
  mds explain 1000 compute.yaml --repo URL --rev main  which lines of a group's template use what
  mds explain tc1000 --site site --format json         for programs")]
pub(crate) struct ExplainArguments {
    /// The node: its id, hostname, NID, IP or MAC address
    #[arg(value_name = "NODE")]
    node: String,
    /// The document: meta-data, user-data, vendor-data, network-config or GROUP.yaml [default: all]
    #[arg(value_name = "DOCUMENT")]
    document: Option<DocumentName>,
    #[command(flatten)]
    pub(super) site: SiteArguments,
    #[command(flatten)]
    fetch: FetchArguments,
    #[command(flatten)]
    state: StateArguments,
}

pub(crate) fn run(arguments: &ExplainArguments, matches: &ArgMatches, output: &Output) -> Result<ExitCode, CliError> {
    let site = arguments.site.required_site(&arguments.state)?;
    let mut progress = Progress::new(true);
    arguments.fetch.update(&site, &mut progress)?;
    let inventory = inventory(&arguments.site, &site, &mut progress)?;
    let prepared = prepare(&site, &inventory, Some(&arguments.site.tunnel_flags(matches)), &mut NoObserver)?;
    let plan = &prepared.plan;
    let facts = select(plan, &arguments.node)?;
    let rendered = rendered(plan, facts);
    let position = plan.facts().iter().position(|other| other.id() == facts.id());
    let tunnel_address = position.and_then(|index| prepared.tunnels.address(index));
    let (rulebook, documents) = (&prepared.rulebook, rendered.as_ref().ok());
    let explanation = explain(&prepared.site, rulebook, plan, facts, tunnel_address, documents);
    match &arguments.document {
        None => output.result(&printable(&text_of(&explanation)), || json!(explanation))?,
        Some(document) => print_one(&explanation, document, facts, &prepared, output)?,
    }
    // What there is to say is said even of a node whose documents cannot be made.
    rendered.map(|_| ExitCode::SUCCESS).map_err(CliError::Findings)
}

fn select<'p>(plan: &'p Plan, text: &str) -> Result<&'p NodeFacts, CliError> {
    plan.select(&Selector::new(text)).map_err(|message| {
        let names = plan.facts().iter().flat_map(|facts| [facts.id().as_str(), facts.hostname.as_str()]);
        let error = CliError::failure(message);
        match nearest(text, names) {
            Some(known) => error.with_hint(format!("did you mean `{known}`?")),
            None => error,
        }
    })
}

/// The documents of a node, unchecked.
fn rendered(plan: &Arc<Plan>, facts: &NodeFacts) -> Result<RenderedNode, Vec<Finding>> {
    let index = plan.facts().iter().position(|other| other.id() == facts.id()).unwrap_or_default();
    let mut nodes = Vec::new();
    let unchecked: Inspector = Arc::new(|_: &NodeFacts, _: &RenderedNode| Verdict::default());
    let done = render_some(plan, vec![index], &unchecked, &mut |node| {
        nodes.push(node);
        Ok::<(), Infallible>(())
    });
    match (done, nodes.pop()) {
        (Ok(_), Some(node)) => Ok(node),
        (Ok(_), None) => Err(Vec::new()),
        (Err(Stopped::Problems { problems, .. }), _) => Err(problems.into_iter().map(Finding::from).collect()),
        (Err(Stopped::Sink(never)), _) => match never {},
    }
}

fn print_one(
    explanation: &Explanation,
    name: &DocumentName,
    facts: &NodeFacts,
    prepared: &Prepared,
    output: &Output,
) -> Result<(), CliError> {
    let Some(document) = explanation.documents.iter().find(|document| document.document == *name) else {
        let names: Vec<String> = explanation.documents.iter().map(|one| one.document.to_string()).collect();
        let is_member = matches!(name, DocumentName::Group(label) if facts.groups.contains(label));
        let message = match is_member && prepared.site.groups.keys().any(|label| is_of(name, label.as_str())) {
            true => format!("node {} is in the group, which has no template, so there is no {name}", explanation.node),
            false => format!("node {} has no document {name}", explanation.node),
        };
        return Err(CliError::failure(message).with_hint(format!("it has {}", names.join(", "))));
    };
    let merging = explanation.merging.as_ref().map(|merging| about(merging, name));
    let mut text = text_of_document(document, true);
    if let Some(merging) = merging.as_ref().filter(|merging| !merging.lost.is_empty() || !merging.left_out.is_empty()) {
        text.push('\n');
        text.push_str(&losses(merging));
    }
    output.result(&printable(&text), || {
        let lost = merging.map_or_else(Vec::new, |merging| merging.lost);
        json!({"node": explanation.node, "document": document, "lost": lost})
    })
}

fn is_of(name: &DocumentName, label: &str) -> bool {
    matches!(name, DocumentName::Group(own) if own.as_str() == label)
}

/// What is said of merging that concerns one document.
fn about(merging: &Merging, name: &DocumentName) -> Merging {
    let part = match name {
        DocumentName::Group(label) => format!("group `{label}`"),
        other => other.to_string(),
    };
    let concerns = |parts: &[String]| parts.iter().any(|name| name.ends_with(&part));
    let mut merging = merging.clone();
    merging.lost.retain(|lost| concerns(&lost.of) || concerns(&lost.to));
    merging.left_out.retain(|left_out| left_out.part.ends_with(&part));
    merging
}

fn text_of(explanation: &Explanation) -> String {
    let Explanation { node, hostname, tunnel_address, groups, names, documents, merging } = explanation;
    let tunnel =
        tunnel_address.map(|address| format!(", with the address {address} in its tunnel")).unwrap_or_default();
    let mut text = format!("node {node}, called {hostname}{tunnel}\n\nGroups, in the order in which they apply\n");
    text.push_str(&if groups.is_empty() { "  none\n".to_owned() } else { table(groups.iter().map(group)) });
    text.push_str("\nNames that every template sees\n");
    text.push_str(&table(names.iter().map(|one| named(one, true))));
    for document in documents {
        text.push('\n');
        text.push_str(&text_of_document(document, false));
    }
    if let Some(merging) = merging {
        text.push('\n');
        text.push_str(&text_of_merging(merging));
    }
    text
}

fn group(group: &GroupPlace) -> Vec<String> {
    let why = match &group.listed {
        Some(place) => format!("by [groups] order, {}:{}", place.file, place.line),
        None => "by its label".to_owned(),
    };
    let template = match (&group.template, group.is_known) {
        (Some(template), _) => template.clone(),
        (None, true) => "without a template: shows in meta-data only".to_owned(),
        (None, false) => "not known to the site: shows in meta-data only".to_owned(),
    };
    vec![group.label.to_string(), why, template]
}

fn named(named: &NameOrigin, with_rule: bool) -> Vec<String> {
    let hidden = named.hidden_by.as_ref().map_or_else(String::new, |file| format!("; hidden by {file}"));
    let origin = text_of_origin(&named.origin, with_rule);
    vec![named.name.clone(), shown(named.value.as_ref()), format!("{origin}{hidden}")]
}

/// A document. With rules, it is said how mds makes each value; where all documents are shown, the list of names says so.
fn text_of_document(document: &DocumentOrigin, with_rules: bool) -> String {
    let DocumentOrigin {
        document: name,
        template,
        making,
        tunnel_only,
        candidates,
        files,
        names,
        uses,
        values,
        addresses,
    } = document;
    let how = match making {
        Making::BuiltIn => "made by a template that comes with mds".to_owned(),
        Making::Template => format!("made by {template}"),
        Making::AsItIs => format!("{template} as it is"),
        Making::OnTheNode => format!("{template} as it is, which cloud-init renders on the node"),
    };
    let mut text = format!("{name}, {how}\n");
    if let Some(place) = tunnel_only {
        text.push_str(&format!("  served through a tunnel only, by {place}\n"));
    }
    let candidate = |Candidate { file, because, is_taken }: &Candidate| {
        let what = if *is_taken { "taken" } else { "passed over" };
        vec![file.clone(), what.to_owned(), because.clone()]
    };
    text.push_str(&table(candidates.iter().map(candidate)));
    if !files.is_empty() {
        text.push_str(&format!("  takes in {}\n", files.join(", ")));
    }
    text.push_str(&table(values.iter().map(|one| named(one, with_rules))));
    text.push_str(&table(addresses.iter().map(address)));
    if !names.is_empty() {
        text.push_str("  names of its own\n");
        text.push_str(&indented(&table(names.iter().map(|one| named(one, with_rules)))));
    }
    if !uses.is_empty() {
        text.push_str("  lines that use names\n");
        text.push_str(&indented(&table(uses.iter().map(|one| use_of(one, with_rules)))));
    }
    text
}

fn use_of(one: &UseOrigin, with_rule: bool) -> Vec<String> {
    let place = format!("{}:{}", one.place.file, one.place.line);
    vec![place, one.name.clone(), format!("← {}", text_of_origin(&one.origin, with_rule))]
}

fn address(address: &AddressOrigin) -> Vec<String> {
    let AddressOrigin { interface, mac, ip, label, network, is_boot } = address;
    let Some(network) = network else {
        let why = if label.is_empty() { String::new() } else { format!(" and no table is called {label}") };
        return vec![format!("{interface}, {mac}"), ip.to_string(), format!("left out: it lies in no network{why}")];
    };
    let length = network.prefix_length.map_or_else(String::new, |length| format!("/{length}"));
    let table = format!("{}:{} [networks.{}]", network.place.file, network.place.line, network.label);
    let why = if network.is_by_label { "by its label" } else { "by its prefix" };
    let rest = match (network.method, network.gateway) {
        ("none", _) => ", which leaves it alone".to_owned(),
        ("dhcp", _) => ", by DHCP".to_owned(),
        (_, Some(gateway)) => format!(", gateway {gateway}"),
        (_, None) => ", without a gateway".to_owned(),
    };
    let boot = if *is_boot { ", the boot address" } else { "" };
    vec![format!("{interface}, {mac}"), format!("{ip}{length}"), format!("{table} {why}{rest}{boot}")]
}

fn text_of_merging(merging: &Merging) -> String {
    let Merging { parts, unseen, keys, lost, left_out } = merging;
    let mut text = match parts.is_empty() {
        true => "On the node, cloud-init has nothing to merge\n".to_owned(),
        false => format!("On the node, cloud-init merges {}\n", parts.join(", then ")),
    };
    if !unseen.is_empty() {
        text.push_str(&format!("  without {}, as only the node knows what becomes of it\n", unseen.join(", ")));
    }
    text.push_str(&table(keys.iter().map(|key| vec![key.key.clone(), key.from.join(", ")])));
    text.push('\n');
    if lost.is_empty() && left_out.is_empty() {
        text.push_str("Nothing is lost on the way\n");
    } else {
        text.push_str(&losses(merging));
    }
    text
}

fn losses(merging: &Merging) -> String {
    let mut text = "Lost on the node\n".to_owned();
    let lost = merging.lost.iter().map(|lost| {
        let place = lost.place.as_ref().map_or_else(String::new, |place| format!(", {}:{}", place.file, place.line));
        let asked = if lost.is_asked_for { ", as merge_how asks" } else { "" };
        let to = format!("gives way to {}{place}{asked}", lost.to.join(", "));
        vec![lost.key.clone(), format!("of {}", lost.of.join(", ")), to]
    });
    text.push_str(&table(lost));
    let left_out = merging
        .left_out
        .iter()
        .map(|out| vec!["everything".to_owned(), format!("of {}", out.part), format!("which {}", out.why)]);
    text.push_str(&table(left_out));
    text
}

/// Where a value comes from, in words.
fn text_of_origin(origin: &FoundOrigin, with_rule: bool) -> String {
    let sources = origin.sources.iter().map(text_of_source).collect::<Vec<_>>().join(", ");
    match (sources.as_str(), origin.rule) {
        ("", None) => "the template".to_owned(),
        ("", Some(rule)) => rule.to_owned(),
        (_, _) if !with_rule => sources,
        (_, None) => sources,
        (_, Some(rule)) => format!("{sources}: {rule}"),
    }
}

fn text_of_source(source: &FoundSource) -> String {
    let FoundSource { file, key, is_default } = source;
    let Some(place) = file else { return format!("inventory {key}") };
    let key = match key.split_once('.') {
        Some((table, key)) if place.file == FILE_NAME => format!("[{table}] {key}"),
        _ => key.clone(),
    };
    if *is_default {
        return if place.file == FILE_NAME {
            format!("{key} by default")
        } else {
            format!("{} has no {key}", place.file)
        };
    }
    let line = if place.line > 0 { format!(":{}", place.line) } else { String::new() };
    format!("{}{line} {key}", place.file)
}

/// A value on one line.
fn shown(value: Option<&Value>) -> String {
    let text = match value {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) if items.iter().any(Value::is_object) => counted(items.len(), "item"),
        Some(value) => value.to_string(),
    };
    let text: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if text.chars().count() <= LONGEST_VALUE {
        return text;
    }
    format!("{}…", text.chars().take(LONGEST_VALUE - 1).collect::<String>())
}

/// Rows with their columns below each other.
fn table(rows: impl Iterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows.collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("  {}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}
