//! What stops the client from rendering a document, and what it loses then.

use minijinja::{Error, ErrorKind};

use super::super::remark::{Remark, Spot};
use super::environment::unjudged_part;
use super::names::{Events, Gone, MISSING};
use super::source::{dashed_name, find_name, spot_of};
use super::tags::{Use, use_of};
use super::template::Source;
use super::{LOOP_RULE, RULE, UNDEFINED_RULE, UNJUDGED_RULE};

/// What happens to a document that the client cannot render.
const LOST: &str = "so that nodes ignore the whole document";

/// What minijinja calls a missing name of ours in its messages.
const MISSING_KIND: &str = "plain object";

/// Why there is no rendered document.
#[derive(Debug)]
pub(super) enum Stop {
    /// The client fails, and does without the document.
    Lost(Remark),
    /// It cannot be said what the client makes of it.
    Unjudged(Remark),
    /// It meets a bound.
    TooMuch(Remark),
}

impl Stop {
    /// What there is to say.
    pub(super) fn remark(self) -> Remark {
        match self {
            Self::Lost(remark) | Self::Unjudged(remark) | Self::TooMuch(remark) => remark,
        }
    }
}

/// A filter that the client's jinja does not have.
pub(super) fn unknown_filter(name: &str, at: Spot) -> Remark {
    Remark::at(RULE, at, format!("the client's jinja does not have the filter `{name}`, {LOST}"))
}

/// What a failure means.
pub(super) fn stop_of(error: &Error, source: &Source, events: &Events) -> Stop {
    let at = place_of(error, source);
    let lost = |message: String| Stop::Lost(remark(RULE, at, message));
    if let Some(what) = unjudged_part(error) {
        return unjudged(at, what);
    }
    let detail = error.detail().unwrap_or_default();
    match error.kind() {
        // Jinja2 lets `do` have any expression.
        ErrorKind::SyntaxError if detail.starts_with("expected call expression") => unjudged(at, "what `do` does"),
        ErrorKind::SyntaxError | ErrorKind::BadEscape => lost(format!("jinja cannot read this: {detail}; {LOST}")),
        ErrorKind::UnknownFilter | ErrorKind::UnknownTest => {
            lost(format!("the client's jinja does not have what is asked for: {detail}, {LOST}"))
        }
        ErrorKind::UnknownMethod => lost(format!("a value does not have the method that is called on it, {LOST}")),
        ErrorKind::CannotUnpack => lost(format!("a value cannot be taken apart into these names, {LOST}")),
        ErrorKind::TemplateNotFound | ErrorKind::BadInclude => {
            let message = format!("the client's jinja finds no other template, {LOST}");
            Stop::Lost(remark(RULE, at, message).with_hint("write what it holds here, or let mds render the document"))
        }
        ErrorKind::OutOfFuel => {
            Stop::TooMuch(too_much("rendering it takes more steps or makes more text than is allowed", at))
        }
        ErrorKind::UndefinedError => match events.asked.last() {
            Some(gone) => Stop::Lost(asked(gone, source)),
            None => lost_without_name(at),
        },
        ErrorKind::InvalidOperation if detail.starts_with("tried to use") || detail.contains(MISSING_KIND) => {
            arithmetic(detail, at, source, events)
        }
        ErrorKind::InvalidOperation if detail.ends_with("is not iterable") => {
            lost(format!("a value that is no list is gone through, {LOST}"))
        }
        ErrorKind::InvalidOperation if detail.contains("recursion limit") => {
            Stop::TooMuch(too_much("it calls itself or is nested too deep", at))
        }
        _ => unjudged(at, "an expression of it"),
    }
}

/// A document that meets a bound.
pub(super) fn too_much(how: &str, at: Option<Spot>) -> Remark {
    remark(RULE, at, format!("the client would have too much to do with the document: {how}"))
        .with_hint("make it simpler, or let mds render it")
}

fn unjudged(at: Option<Spot>, what: &str) -> Stop {
    let message = format!("what the client makes of the document cannot be checked here: {what} is not known to mds");
    Stop::Unjudged(remark(UNJUDGED_RULE, at, message).with_hint("try the document on a node"))
}

fn lost_without_name(at: Option<Spot>) -> Stop {
    let message = format!("more is asked of a name that is not defined on the node, {LOST}");
    Stop::Lost(
        remark(UNDEFINED_RULE, at, message).with_hint("guard it with `is defined`, or with the filter `default`"),
    )
}

/// An operator that Python does not have for these values, or one that it has.
fn arithmetic(detail: &str, at: Option<Spot>, source: &Source, events: &Events) -> Stop {
    // Python formats texts with `%`, of whatever it is.
    if detail.contains("use % operator") {
        return unjudged(at, "an operator of it");
    }
    let is_of_missing = detail.contains(MISSING_KIND) || detail.contains("undefined");
    // Of two that are subtracted, the first is made first.
    let made: Vec<Gone> = events.made.iter().map(super::names::Missing::gone).collect();
    let dashed = made.iter().find(|gone| dashed(gone, source).is_some());
    match dashed.or(made.last()) {
        Some(gone) if is_of_missing => Stop::Lost(asked(gone, source)),
        None if is_of_missing => lost_without_name(at),
        // Python counts with them.
        _ if detail.contains("bool") => unjudged(at, "an operator of it"),
        _ => Stop::Lost(remark(RULE, at, format!("an operator does not fit its values (jinja {detail}), {LOST}"))),
    }
}

/// More was asked of a missing name than there is.
fn asked(gone: &Gone, source: &Source) -> Remark {
    let message = format!("`{}` is not defined on the node, and more is asked of it, {LOST}", gone.path);
    let at = spot_of_name(gone, source);
    let hint =
        hint(gone, source).unwrap_or_else(|| "guard it with `is defined`, or with the filter `default`".to_owned());
    remark(UNDEFINED_RULE, at, message).with_hint(hint)
}

/// What Python refuses to compare, or to go through, and our jinja does not.
pub(super) fn refused(events: &Events, source: &Source) -> Option<Remark> {
    let of_missing = events.made.iter().map(super::names::Missing::gone).find_map(|gone| {
        let (_, what) = use_of(source.text(), &gone.path)?;
        (what == Use::Compared).then(|| asked(&gone, source))
    });
    of_missing.or_else(|| {
        events.nothing.iter().find_map(|path| {
            let (offset, what) = use_of(source.text(), path)?;
            let done = if what == Use::Compared { "compared by size" } else { "gone through" };
            let message = format!("`{path}` is None on the node, and is {done}, {LOST}");
            let hint = "guard it with `if`, or give it a value in meta-data";
            Some(Remark::at(RULE, source.spot(offset), message).with_hint(hint))
        })
    })
}

/// Remarks on missing names that the client goes on with, in what it rendered.
pub(super) fn undefined(events: &Events, rendered: &str, source: &Source) -> Vec<Remark> {
    // A filter may have changed the case; and what is only compared does no harm.
    let rendered = if events.printed.is_empty() { String::new() } else { rendered.to_lowercase() };
    let is_in_it = |gone: &&Gone| rendered.contains(&format!("{MISSING}{}", gone.key).to_lowercase());
    let printed = events.printed.iter().filter(is_in_it).map(|gone| {
        let message =
            format!("`{}` is not defined on the node, which writes {MISSING}{} in its place", gone.path, gone.key);
        named(UNDEFINED_RULE, gone, message, source)
    });
    // What is both is said once.
    let only_looped = events.looped.iter().filter(|gone| !events.printed.contains(gone));
    let looped = only_looped.map(|gone| {
        let message = format!("`{}` is not defined on the node, which takes it for an empty list", gone.path);
        named(LOOP_RULE, gone, message, source)
    });
    printed.chain(looped).collect()
}

fn named(rule: &'static str, gone: &Gone, message: String, source: &Source) -> Remark {
    let found = remark(rule, spot_of_name(gone, source), message);
    let default = || "name a value for nodes without it with the filter `default`".to_owned();
    found.with_hint(hint(gone, source).unwrap_or_else(default))
}

fn hint(gone: &Gone, source: &Source) -> Option<String> {
    let dashed = dashed(gone, source)
        .map(|name| format!("jinja takes the dash in `{name}` for a minus: write `{}`", name.replace('-', "_")));
    dashed.or_else(|| gone.meant.as_ref().map(|name| format!("did you mean `{name}`?")))
}

fn dashed<'a>(gone: &Gone, source: &'a Source) -> Option<&'a str> {
    let text = source.text();
    find_name(text, &gone.path, &gone.key).and_then(|offset| dashed_name(text, offset))
}

fn spot_of_name(gone: &Gone, source: &Source) -> Option<Spot> {
    find_name(source.text(), &gone.path, &gone.key).map(|offset| source.spot(offset))
}

fn place_of(error: &Error, source: &Source) -> Option<Spot> {
    let line = error.line()?;
    // A range that begins in another line would be that of another template.
    let exact = error.range().map(|range| spot_of(source.text(), range.start)).filter(|(other, _)| *other == line);
    let (line, column) = exact.unwrap_or((line, 1));
    Some((line + 1, column))
}

fn remark(rule: &'static str, at: Option<Spot>, message: String) -> Remark {
    Remark { at, ..Remark::new(rule, message) }
}
